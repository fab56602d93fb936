/** The caller's latest jobs, each a link to its page. */
import { moment } from '../../words'
import type { Props } from './parts'
import { kindName } from './job'

export function RecentJobs({ store, desk }: Props) {
  const t = store.t.value.intake
  const jobs = desk.jobs.value?.imports ?? []
  const { language } = store.state.value
  return (
    <section aria-labelledby="intake-recent">
      <h3 id="intake-recent">{t.recent}</h3>
      {jobs.length === 0 && <p class="hint">{t.noJobs}</p>}
      <ul class="recent">
        {jobs.map((job) => (
          <li key={job.id}>
            <button type="button" class="plain" onClick={() => store.open('intake', job.id)}>
              <b>{job.file}</b>
              <small>{[kindName(desk, job, store), job.dry_run ? t.tried : ''].filter(Boolean).join(' · ')}</small>
              <span data-state={job.state}>{t.states[job.state]}</span>
              <time dateTime={job.created_at}>{moment(job.created_at, language)}</time>
            </button>
          </li>
        ))}
      </ul>
    </section>
  )
}
