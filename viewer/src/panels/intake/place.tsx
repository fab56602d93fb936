/** Where the file lies: its coordinate system, proposed and explained, and its extent. */
import { useSignal } from '@preact/signals'
import type { Inspection } from '../../api/types'
import { apart } from '../../intake/place'
import type { Props } from './parts'

export function Place({ store, desk, found }: Props & { found: Inspection }) {
  const t = store.t.value.intake
  const proposed = found.crs_proposals
  const chosen = desk.intake.value.wishes.crs
  if (found.geometry === null && found.extent === null && proposed.length === 0) {
    return <section aria-labelledby="intake-place"><h3 id="intake-place">{t.place}</h3><p class="hint">{t.noPlace}</p></section>
  }
  return (
    <section aria-labelledby="intake-place">
      <h3 id="intake-place">{t.place}</h3>
      {chosen === null && found.crs !== null && <p>{t.crsDeclared(found.crs)}</p>}
      {chosen === null && found.crs === null && proposed.length > 0 && <p class="alarm">⚠ {t.crsAbsent}</p>}
      {(found.crs === null || chosen !== null || proposed.some((one) => one.code !== found.crs)) && (
        <Systems store={store} desk={desk} found={found} />
      )}
      <Extent store={store} found={found} />
    </section>
  )
}

const SHOWN_FIRST = 4

/** One choice a system, the likeliest first; and any other by its code. */
function Systems({ store, desk, found }: Props & { found: Inspection }) {
  const t = store.t.value.intake
  const language = store.state.value.language === 'en' ? 'en' : 'zh'
  const chosen = desk.intake.value.wishes.crs
  const typed = useSignal('')
  const proposed = found.crs_proposals
  const first = proposed.filter((one, at) => at < SHOWN_FIRST || one.code === chosen)
  const rest = proposed.filter((one) => !first.includes(one))
  const own = chosen !== null && !proposed.some((one) => one.code === chosen)
  const choice = (one: (typeof proposed)[number]) => (
    <label class="choice" key={one.code}>
      <input type="radio" name="crs" checked={chosen === one.code} onChange={() => desk.wish({ crs: one.code })} />
      <span><b>{one.code}</b> <small>{t.likely(one.sure)}</small><br />{one[language]}</span>
    </label>
  )
  const apply = (event: Event): void => {
    event.preventDefault()
    const code = typed.value.trim()
    if (code) desk.wish({ crs: /^\d+$/.test(code) ? `EPSG:${code}` : code })
  }
  return (
    <fieldset class="choices">
      <legend class="hidden">{t.place}</legend>
      {first.map(choice)}
      {own && (
        <label class="choice">
          <input type="radio" name="crs" checked readOnly /><span><b>{chosen}</b></span>
        </label>
      )}
      <details>
        <summary>{t.crsOther}</summary>
        {rest.map(choice)}
        <form onSubmit={apply} class="inline">
          <input
            type="text" aria-label={t.crsCode} placeholder={t.crsCode} value={typed.value} spellcheck={false}
            onInput={(event) => { typed.value = event.currentTarget.value }}
          />
          <button type="submit">{t.use}</button>
        </form>
      </details>
    </fieldset>
  )
}

function Extent({ store, found }: { store: Props['store']; found: Inspection }) {
  const t = store.t.value.intake
  const { language } = store.state.value
  const { extent } = found
  if (extent === null) return null
  const [w, s, e, n] = extent.map((one) => one.toFixed(5))
  const city = store.city.value?.bounds
  const away = city && city.length === 4 ? apart(extent, city as never) : null
  const drawn = found.footprints?.['features']
  const geometries = Object.values(found.geometry ?? {}).reduce((sum, one) => sum + one, 0)
  return (
    <>
      <p class="extent">
        <span>{t.extent} <output>{w}, {s} – {e}, {n}</output></span>
        <button type="button" class="link" onClick={() => { store.preview.value = store.preview.value && { ...store.preview.value } }}>
          {t.showOnMap}
        </button>
      </p>
      {away !== null && (away > 5
        ? <p class="alarm">⚠ {t.farAway(away.toLocaleString(language, { maximumFractionDigits: away < 100 ? 1 : 0 }))}</p>
        : <p class="good">✓ {t.inCity}</p>)}
      {Array.isArray(drawn) && drawn.length < geometries && (
        <p class="hint">{t.drawn(drawn.length, geometries.toLocaleString(language))}</p>
      )}
    </>
  )
}
