/** The page where files are brought in: fetched when somebody first wants it. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import '../../style/intake.css'
import { createDesk } from '../../intake/desk'
import { STEPS, stepOf } from '../../intake/machine'
import { createSender } from '../../intake/sending'
import type { Store } from '../../store'
import { Check } from './check'
import { Files } from './files'
import { JobPage } from './job'
import type { Props } from './parts'
import { RecentJobs } from './recent'

/** The page over a desk of its own, which goes on working while the page is closed. */
export function createIntake(store: Store) {
  const desk = createDesk(store, createSender(store.client.address('uploads'), store.client.proof))
  return () => <Page store={store} desk={desk} />
}

export function Page({ store, desk }: Props) {
  const t = store.t.value.intake
  const now = desk.intake.value
  const step = stepOf(now)
  const heading = useRef<HTMLHeadingElement>(null)
  const body = useRef<HTMLDivElement>(null)
  // At once, not after the next picture: keys must not go to what is behind the page.
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null
    heading.current?.focus()
    return () => (before?.isConnected ? before : document.getElementById('open-intake'))?.focus()
  }, [])
  useEffect(() => { body.current?.scrollTo({ top: 0 }) }, [step, now.file])
  return (
    <section class="panel intake" role="dialog" aria-labelledby="intake-title" data-step={step}>
      <header class="row">
        <h2 id="intake-title" ref={heading} tabIndex={-1}>{t.title}</h2>
        <button
          type="button" class="icon" aria-label={store.t.value.close} title={`${store.t.value.close} (Esc)`}
          onClick={() => store.open('city')}
        >
          ✕
        </button>
      </header>
      <ol class="steps">
        {STEPS.map((one, at) => (
          <li key={one} aria-current={one === step ? 'step' : undefined} data-past={at < STEPS.indexOf(step)}>
            {t.steps[one]}
          </li>
        ))}
      </ol>
      <div class="scroll" ref={body}>
        {now.mends && !now.job && <p class="note">{t.mending(now.wishes.source)}</p>}
        {now.refusal && <p class="alarm" role="alert">⚠ {now.refusal[store.state.value.language === 'en' ? 'en' : 'zh']}</p>}
        {step === 'files' && <Files store={store} desk={desk} />}
        {step === 'check' && <Check store={store} desk={desk} />}
        {now.job && <JobPage store={store} desk={desk} job={now.job} />}
        {step === 'files' && <RecentJobs store={store} desk={desk} />}
      </div>
    </section>
  )
}
