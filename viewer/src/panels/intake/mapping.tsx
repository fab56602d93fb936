/** Which column each field is read from: proposed with a reason, and changed by hand. */
import type { Inspection, Mapped } from '../../api/types'
import type { Props } from './parts'

export function Mapping({ store, desk, found }: Props & { found: Inspection }) {
  const t = store.t.value.intake
  const language = store.state.value.language === 'en' ? 'en' : 'zh'
  const wishes = desk.intake.value.wishes.fields
  const row = (one: Mapped) => <Field key={one.field} store={store} desk={desk} found={found} one={one} />
  const shown = found.mapping.filter((one) => one.column !== null || one.required || one.field === KEY || one.field in wishes)
  const rest = found.mapping.filter((one) => !shown.includes(one))
  const missing = found.mapping.filter((one) => found.missing.includes(one.field)).map((one) => one[language])
  const used = new Set(found.mapping.map((one) => one.column))
  const left = found.columns.map((one) => one.name).filter((name) => !used.has(name))
  const key = found.mapping.find((one) => one.field === KEY)
  if (found.mapping.length === 0) return null
  return (
    <section aria-labelledby="intake-mapping">
      <h3 id="intake-mapping">{t.mapping}</h3>
      <p class="hint">{t.mappingHint}</p>
      {missing.length > 0 && <p class="alarm" role="alert">⚠ {t.missing(missing.join(language === 'en' ? ', ' : '、'))}</p>}
      <ul class="mapping">{shown.map(row)}</ul>
      {key?.column === null && found.geometry !== null && <p class="note">{t.noKey}</p>}
      {rest.length > 0 && (
        <details>
          <summary>{t.notMapped(rest.length)}</summary>
          <ul class="mapping">{rest.map(row)}</ul>
        </details>
      )}
      {left.length > 0 && <p class="hint">{t.columnsLeft(left.join(language === 'en' ? ', ' : '、'))}</p>}
    </section>
  )
}

/** By which a row is known again; the same field in every kind. */
const KEY = 'ext_id'

function Field({ store, desk, found, one }: Props & { found: Inspection; one: Mapped }) {
  const t = store.t.value.intake
  const language = store.state.value.language === 'en' ? 'en' : 'zh'
  const wish = desk.intake.value.wishes.fields[one.field]
  const column = wish === undefined ? one.column : wish
  const samples = found.columns.find((each) => each.name === column)?.samples.slice(0, 3) ?? []
  const missing = found.missing.includes(one.field)
  return (
    <li data-missing={missing}>
      <label for={`field-${one.field}`}>
        {one[language]}
        {one.required && <em class="required"> {t.required}</em>}
      </label>
      <select
        id={`field-${one.field}`} value={column ?? ''} aria-invalid={missing}
        onChange={(event) => desk.map(one.field, event.currentTarget.value || null)}
      >
        <option value="">{t.leftOut}</option>
        {found.columns.map((each) => <option key={each.name}>{each.name}</option>)}
        {column !== null && !found.columns.some((each) => each.name === column) && <option>{column}</option>}
      </select>
      <small>
        {column !== null && wish === undefined && (
          <meter min={0} max={100} low={50} high={80} optimum={100} value={one.sure} title={t.sure(one.sure)}>{one.sure}</meter>
        )}
        <span>{[one[language === 'en' ? 'why_en' : 'why_zh'], samples.join(' · ')].filter(Boolean).join(' — ')}</span>
      </small>
    </li>
  )
}
