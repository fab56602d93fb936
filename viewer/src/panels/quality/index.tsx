/** The page on data quality: what the last check found, each on the map, and pairs to decide. */
import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import '../../style/intake.css'
import '../../style/quality.css'
import type { CheckResult, Quality } from '../../api/types'
import type { Store } from '../../store'
import { measure, moment } from '../../words'
import { Findings } from './findings'
import { Pairs } from './pairs'

/** The page; what it has asked for stays while it is closed. */
export function createQuality(store: Store) {
  const quality = signal<Quality | null>(null)
  const ask = (): void => {
    store.client.quality().then((found) => { quality.value = found }, store.complain)
  }
  return () => <Page store={store} quality={quality.value} ask={ask} />
}

function Page({ store, quality, ask }: { store: Store; quality: Quality | null; ask: () => void }) {
  const t = store.t.value.quality
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    ask()
    heading.current?.focus()
    return () => { store.preview.value = null }
  }, [])
  return (
    <section class="panel intake quality" role="dialog" aria-labelledby="quality-title">
      <div class="row">
        <h2 id="quality-title" ref={heading} tabIndex={-1}>{t.title}</h2>
        <button
          type="button" class="icon" aria-label={store.t.value.close} title={`${store.t.value.close} (Esc)`}
          onClick={() => store.open('city')}
        >
          ✕
        </button>
      </div>
      <div class="scroll">
        {quality && !quality.result && <p>{t.never} <code>cim check</code></p>}
        {quality?.result && <Result store={store} result={quality.result} at={quality.at} />}
        <Pairs store={store} />
      </div>
    </section>
  )
}

function Result({ store, result, at }: { store: Store; result: CheckResult; at: string | null }) {
  const t = store.t.value.quality
  const { language } = store.state.value
  const broken = result.invariants.filter((one) => one.count > 0)
  const found = result.findings.filter((one) => one.count > 0)
  return (
    <>
      <p class={broken.length > 0 ? 'alarm' : 'good'}>
        {broken.length > 0 ? t.broken(broken.length) : t.whole} <small>{t.checkedAt(moment(at, language))}</small>
      </p>
      {broken.length > 0 && <Findings store={store} title={t.invariants} checks={broken} />}
      {found.length > 0 ? <Findings store={store} title={t.findings} checks={found} /> : <p class="hint">{t.nothing}</p>}
      <section aria-labelledby="quality-collections">
        <h3 id="quality-collections">{t.collections}</h3>
        <table class="table collections">
          <thead>
            <tr>
              <th scope="col">{t.collection}</th><th scope="col">{t.objects}</th><th scope="col">{t.onTheMap}</th>
              <th scope="col">{t.stale(result.stale_months)}</th>
            </tr>
          </thead>
          <tbody>
            {result.collections.filter((one) => one.objects > 0).map((one) => (
              <tr key={one.name}>
                <th scope="row">{t.names[one.name] ?? one.name}</th>
                <td class="number">{measure(one.objects, '', language)}</td>
                <td class="number">{one.rate === null ? '–' : measure(one.rate * 100, '%', language)}</td>
                <td class="number">{measure(one.stale, '', language)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  )
}
