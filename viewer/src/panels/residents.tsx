/** How many live here, and, for a stated purpose and masked, who. */
import type { Card } from '../api/types'
import type { Store } from '../store'

export function Residents({ card, store }: { card: Card; store: Store }) {
  const t = store.t.value
  const english = store.state.value.language === 'en'
  const purposes = store.session.value?.purposes ?? []
  const { count, shown, reason, people } = card.residents
  return (
    <>
      <h3 class="residents">{t.residents} {count !== null && <span class="count">{t.person(count)}</span>}</h3>
      {purposes.length > 0 && (
        <label class="field">
          {t.purpose}
          <select
            value={store.purpose.value ?? ''}
            onChange={(event) => { store.purpose.value = event.currentTarget.value || null }}
          >
            <option value="">{t.noPurpose}</option>
            {purposes.map((one) => (
              <option key={one.code} value={one.code}>{english ? one.en : one.zh}</option>
            ))}
          </select>
        </label>
      )}
      {reason && <p class="hint">{english ? reason.en : reason.zh}</p>}
      {shown && people.length === 0 && <p class="hint">{t.nobody}</p>}
      {shown && people.length > 0 && (
        <ul class="people">
          {people.map((one, at) => (
            <li key={at}>
              <b>{one.name}</b> <small>{[one.role, one.kind, one.birth_year].filter(Boolean).join(' · ')}</small>
              <code>{[one.id_no, one.phone].filter(Boolean).join('  ')}</code>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}
