/** What is in the file: its first rows, its columns, and what stands out. */
import type { Column, Inspection, Oddity } from '../../api/types'
import type { Props } from './parts'

interface Of { readonly store: Props['store']; readonly found: Inspection }

const ROWS_NAMED = 8

export function Oddities({ store, found }: Of) {
  const t = store.t.value.intake
  const language = store.state.value.language === 'en' ? 'en' : 'zh'
  // What only the command line can do is said beside the buttons that do it here.
  const notes = found.notes.filter((one) => !one.en.includes(' --'))
  if (found.oddities.length === 0 && notes.length === 0) return null
  return (
    <section aria-labelledby="intake-odd">
      <h3 id="intake-odd">{t.suspicious}</h3>
      <ul class="odd">
        {found.oddities.map((one) => <li key={one.en}><Odd one={one} store={store} /></li>)}
        {notes.map((one) => <li key={one.en}>{one[language]}</li>)}
      </ul>
    </section>
  )
}

function Odd({ one, store }: { one: Oddity; store: Props['store'] }) {
  const t = store.t.value.intake
  const { language } = store.state.value
  const rows = one.rows.slice(0, ROWS_NAMED).join(', ') + (one.count > Math.min(one.rows.length, ROWS_NAMED) ? ' …' : '')
  return (
    <>
      {one[language === 'en' ? 'en' : 'zh']}
      {' '}
      <b>{t.rows(one.count.toLocaleString(language))}</b>
      {one.rows.length > 0 && <small> {t.inRows(rows)}</small>}
    </>
  )
}

export function FirstRows({ store, found, personal }: Of & { personal: boolean }) {
  const t = store.t.value.intake
  if (found.preview.rows.length === 0) return null
  return (
    <section aria-labelledby="intake-rows">
      <h3 id="intake-rows">{t.table}</h3>
      {personal && <p class="hint">{t.masked}</p>}
      <div class="table" tabIndex={0} role="region" aria-labelledby="intake-rows">
        <table>
          <thead><tr><th scope="col" />{found.preview.columns.map((one) => <th scope="col" key={one}>{one}</th>)}</tr></thead>
          <tbody>
            {found.preview.rows.map((row, at) => (
              <tr key={at}>
                <th scope="row">{found.preview.numbers[at] ?? at + 1}</th>
                {row.map((cell, index) => <td key={index} title={cell ?? ''}>{cell ?? <i>–</i>}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

export function Columns({ store, found }: Of) {
  const t = store.t.value.intake
  const odd = found.columns.filter((one) => one.oddities.length > 0)
  return (
    <details class="columns" open={odd.length > 0}>
      <summary>{t.columns} ({found.columns.length})</summary>
      <div class="table" tabIndex={0} role="region" aria-label={t.columns}>
        <table>
          <thead>
            <tr>{[t.column, t.type, t.filled, t.distinct, t.range, t.odd].map((one) => <th scope="col" key={one}>{one}</th>)}</tr>
          </thead>
          <tbody>{found.columns.map((one) => <ColumnRow key={one.name} one={one} store={store} />)}</tbody>
        </table>
      </div>
    </details>
  )
}

function ColumnRow({ one, store }: { one: Column; store: Props['store'] }) {
  const t = store.t.value.intake
  const { language } = store.state.value
  const range = one.least === null ? one.samples.slice(0, 3).join(' · ') : `${one.least} – ${one.most ?? ''}`
  return (
    <tr>
      <th scope="row">{one.name}</th>
      <td>{t.types[one.type] ?? one.type}</td>
      <td class="number">{one.filled?.toLocaleString(language) ?? '–'}</td>
      <td class="number">{one.distinct === null ? '–' : `${one.more ? '> ' : ''}${one.distinct.toLocaleString(language)}`}</td>
      <td title={range}>{range}</td>
      <td class="oddcell">{one.oddities.map((each) => <p key={each.en}><Odd one={each} store={store} /></p>)}</td>
    </tr>
  )
}
