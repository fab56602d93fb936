/** The last steps: a job while it runs, and what it did. */
import type { Job, Outcome } from '../../api/types'
import { ended } from '../../intake/machine'
import type { Props } from './parts'

type Of = Props & { readonly job: Job }

export function JobPage({ store, desk, job }: Of) {
  const t = store.t.value.intake
  return (
    <>
      <p class="about">
        <b>{job.file}</b>
        <small>{[kindName(desk, job, store), job.dry_run ? t.tried : '', t.states[job.state]].filter(Boolean).join(' · ')}</small>
      </p>
      {ended(job) ? <Result store={store} desk={desk} job={job} /> : <Running store={store} desk={desk} job={job} />}
    </>
  )
}

/** What a job loads, in the reader's language. */
export function kindName(desk: Props['desk'], job: Job, store: Props['store']): string {
  const kind = desk.kinds.value?.kinds.find((one) => one.name === job.kind)
  return kind ? kind[store.state.value.language === 'en' ? 'en' : 'zh'] : job.kind
}

function Running({ store, desk, job }: Of) {
  const t = store.t.value.intake
  const { language } = store.state.value
  const say = (n: number): string => n.toLocaleString(language)
  // A table does not know its rows beforehand; the look into it counted them.
  const [done, total] = [job.rows_done ?? 0, job.rows_total ?? desk.intake.value.found?.rows ?? null]
  const step = job.step === null ? t.states[job.state] : (t.jobSteps[job.step] ?? job.step)
  return (
    <>
      <p class="running" role="status">
        <span>{step}</span>
        {job.state === 'running' && done > 0 && <output>{total ? t.of(say(done), say(total)) : t.done(say(done))}</output>}
      </p>
      <progress class="whole" aria-label={step} {...(total && done > 0 ? { max: total, value: Math.min(done, total) } : {})} />
      {job.state === 'waiting' && desk.jobs.value?.workers === 0 && <p class="alarm">⚠ {t.noWorker}</p>}
      <p class="hint">{t.keepsGoing}</p>
      <footer class="acts foot">
        <button type="button" disabled={job.cancelling} onClick={() => void desk.cancel()}>
          {job.cancelling ? t.cancelling : t.cancel}
        </button>
      </footer>
    </>
  )
}

function Result({ store, desk, job }: Of) {
  const t = store.t.value.intake
  const language = store.state.value.language === 'en' ? 'en' : 'zh'
  const { report } = job
  const mended = desk.intake.value.mends !== null
  const aside = (report?.set_aside ?? 0) > 0
  const kept = job.state === 'done' && !job.dry_run && (report?.came_in ?? 0) > 0
  // That mended rows are few and new to their source goes without saying.
  const notes = (report?.notes ?? []).filter((one) => !mended || !one.en.includes(' --'))
  const others = (desk.survey.value?.readable ?? []).filter((one) => one !== job.file)
  return (
    <>
      <p class={`verdict ${verdict(job)}`} role="status">{t[verdict(job)]}</p>
      {job.error && <p class="alarm" role="alert">⚠ {job.error[language]}</p>}
      {report && <Numbers store={store} report={report} mended={mended} />}
      {report && aside && (
        <section aria-labelledby="intake-aside">
          <h3 id="intake-aside">{t.aside}</h3>
          <Tallies store={store} rows={report.aside} />
          <p class="hint">{job.dry_run ? t.asideTry : t.asideHint}</p>
          {job.quarantine && (
            <p class="acts">
              <a class="button first" href={store.client.address(job.quarantine)} download>{t.download}</a>
              <button type="button" onClick={desk.mend}>{t.loadMended}</button>
            </p>
          )}
        </section>
      )}
      {report && report.warnings.length > 0 && (
        <section aria-labelledby="intake-warned">
          <h3 id="intake-warned">{t.warned}</h3>
          <Tallies store={store} rows={report.warnings} />
        </section>
      )}
      {report && notes.length > 0 && (
        <section aria-labelledby="intake-notes">
          <h3 id="intake-notes">{t.notes}</h3>
          <ul class="odd">{notes.map((one) => <li key={one.en}>{one[language]}</li>)}</ul>
        </section>
      )}
      {kept && DRAWN.includes(job.kind) && <p class="hint">{t.tilesHint} <code>cim tile build</code></p>}
      <footer class="acts foot">
        <button type="button" onClick={desk.fresh}>{t.another}</button>
        <button type="button" onClick={desk.change}>{t.changeSettings}</button>
        {kept && <button type="button" onClick={() => desk.show()}>{t.showOnMap}</button>}
        {kept && others[0] && (
          <button type="button" class="first" onClick={() => desk.choose(others[0] ?? '')}>{t.next(others[0])}</button>
        )}
        {job.dry_run && (report?.came_in ?? 0) > 0 && (
          <button type="button" class="first" onClick={() => void desk.load(false)}>{t.loadForReal}</button>
        )}
      </footer>
    </>
  )
}

/** Kinds of which tiles are made. */
const DRAWN = ['buildings', 'floors', 'units', 'model']

function verdict(job: Job): 'resultTry' | 'resultDone' | 'resultNone' | 'resultCancelled' {
  if (job.state === 'cancelled') return 'resultCancelled'
  if (job.state === 'failed' || (job.report?.came_in ?? 0) === 0) return 'resultNone'
  return job.dry_run ? 'resultTry' : 'resultDone'
}

const ALWAYS = ['read', 'new', 'changed', 'unchanged', 'set_aside'] as const
const IF_ANY = ['repaired', 'merged', 'missing', 'ended'] as const

function Numbers({ store, report, mended }: { store: Props['store']; report: Outcome; mended: boolean }) {
  const t = store.t.value.intake
  const { language } = store.state.value
  const shown = [...ALWAYS, ...IF_ANY.filter((name) => report[name] > 0 && !(mended && name === 'missing'))]
  return (
    <dl class="counts">
      {shown.map((name) => (
        <div key={name} data-count={name}>
          <dt>{t.counts[name]}</dt>
          <dd class={name === 'set_aside' && report[name] > 0 ? 'faulty' : ''}>{report[name].toLocaleString(language)}</dd>
        </div>
      ))}
    </dl>
  )
}

function Tallies({ store, rows }: { store: Props['store']; rows: Outcome['aside'] }) {
  const t = store.t.value.intake
  const { language } = store.state.value
  return (
    <ul class="odd">
      {rows.map((one) => (
        <li key={one.code}>{one[language === 'en' ? 'en' : 'zh']} <b>{t.rows(one.rows.toLocaleString(language))}</b></li>
      ))}
    </ul>
  )
}
