/** Pairs of buildings of two sources that wait for a decision; each can be seen, decided, undone. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { Match } from '../../api/types'
import type { Store } from '../../store'
import { measure } from '../../words'

export function Pairs({ store }: { store: Store }) {
  const t = store.t.value.quality
  const { language } = store.state.value
  const pairs = useSignal<readonly Match[] | null>(null)
  const last = useSignal<Match | null>(null)
  const ask = (): void => {
    store.client.matches('proposed').then((found) => { pairs.value = found.items }, store.complain)
  }
  useEffect(ask, [])
  const decide = (id: number, decision: Match['decision']): void => {
    store.client.decide(id, decision).then((decided) => {
      last.value = decision === 'proposed' ? null : decided
      ask()
    }, store.complain)
  }
  if (pairs.value === null) return null
  return (
    <section aria-labelledby="quality-pairs">
      <h3 id="quality-pairs">{t.pairs}</h3>
      {last.value && (
        <p class="note" role="status">
          {t.decided(last.value.decision === 'same' ? t.same : t.different)}{' '}
          <button type="button" onClick={() => last.value && decide(last.value.id, 'proposed')}>{t.undo}</button>
        </p>
      )}
      {pairs.value.length === 0 && <p class="hint">{t.noPairs} <code>cim reconcile propose A B</code></p>}
      <ul class="told">
        {pairs.value.map((one) => (
          <li key={one.id} class="pair">
            <button type="button" class="plain" onClick={() => store.select({ building: one.a_id, unit: null }, true)}>
              <span>{nameOf(one.a_name, one.a_key, one.a_id)} · {nameOf(one.b_name, one.b_key, one.b_id)}</span>
              <small>
                {[
                  t.pair(one.score, one.overlap === null ? '–' : measure(one.overlap * 100, '%', language, 0)),
                  ...Object.entries(one.reasons).filter(([, told]) => told).map(([name]) => t.reasons[name] ?? name),
                  t.storeys(one.a_floors, one.b_floors),
                ].join(' · ')}
              </small>
            </button>
            <button type="button" onClick={() => decide(one.id, 'same')}>{t.same}</button>
            <button type="button" onClick={() => decide(one.id, 'different')}>{t.different}</button>
          </li>
        ))}
      </ul>
    </section>
  )
}

function nameOf(name: string | null, key: string | null, id: number): string {
  return [name, key].filter(Boolean).join(' ') || String(id)
}
