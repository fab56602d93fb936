/** Layers, the colour scheme and its legend. */
import { HEIGHT, PAPER, USE } from '../colours'
import { classes, measured } from '../live/classes'
import type { Label } from '../live'
import { LAYERS, type LayerName, type Scheme, SCHEMES } from '../state'
import type { Store } from '../store'
import { codeName, measure, unitOfMeasure } from '../words'
import { LiveState } from './live-state'

export function Layers({ store }: { store: Store }) {
  const t = store.t.value
  const { layers, scheme, underground } = store.state.value
  const tilesets = store.city.value?.tilesets ?? []
  const there: Partial<Record<LayerName, boolean>> = {
    planned: tilesets.some((one) => one.name === 'planned' && one.features > 0),
    points: tilesets.some((one) => one.kind === 'points'),
  }
  return (
    <section class="panel layers" aria-labelledby="layers-title">
      <h2 id="layers-title">{t.layers}</h2>
      <div class="checks">
        {LAYERS.filter((name) => there[name] ?? true).map((name) => (
          <label key={name} class="check">
            <input
              type="checkbox" checked={layers[name]}
              onChange={(event) => store.setLayer(name, event.currentTarget.checked)}
            />
            {t[name]}
          </label>
        ))}
        <label class="check">
          <input
            type="checkbox" checked={underground}
            onChange={(event) => store.change({ underground: event.currentTarget.checked })}
          />
          {t.underground}
        </label>
      </div>
      <h3 id="scheme-title">{t.colourBy}</h3>
      <div class="segments" role="group" aria-labelledby="scheme-title">
        {SCHEMES.map((one) => (
          <button
            key={one} type="button" aria-pressed={scheme === one}
            onClick={() => store.change({ scheme: one })}
          >
            {t[one]}
          </button>
        ))}
      </div>
      {scheme === 'live' ? <Measured store={store} /> : <Legend store={store} scheme={scheme} />}
      <LiveState store={store} />
    </section>
  )
}

/** What is measured around here, and its classes. */
function Measured({ store }: { store: Store }) {
  const t = store.t.value
  const { language, observed, selection } = store.state.value
  const { around, pulse } = store.live
  void pulse.value
  const now = Date.now()
  const known = around.properties(now)
  const shown = around.shown(observed, now)
  if (shown === undefined && known.length === 0) return <p class="hint">{t.nothingMeasured}</p>
  const of = (place: 'unit' | 'building'): number[] => [...around.byPlace(shown?.key, place, now).values()]
  const unit = unitOfMeasure(shown?.unit ?? null)
  const name = ({ zh, en }: Label): string => (language === 'en' ? en : zh)
  const [inUnits, inBuildings] = [of('unit'), of('building')]
  const steps = classes(inUnits.length > 0 ? inUnits : inBuildings)
  const said = (value: number | undefined): string => measure(value ?? null, unit, language, 2)
  const first = (values: readonly number[]): string =>
    steps.length > 0 ? `< ${said(steps[0])}` : values.length > 0 ? said(values[0]) : '–'
  return (
    <>
      <label class="field">
        {t.observed}
        <select value={shown?.key ?? ''} onChange={(event) => store.change({ observed: event.currentTarget.value })}>
          {!shown && <option value="">–</option>}
          {known.map((one) => (
            <option key={one.key} value={one.key}>
              {`${name(one.label)}${unitOfMeasure(one.unit) && ` (${unitOfMeasure(one.unit)})`} · ${one.many}`}
            </option>
          ))}
        </select>
      </label>
      {inUnits.length > 0 && inBuildings.length === 0 && selection.building === null && <p class="hint">{t.inUnits}</p>}
      <ul class="legend" aria-label={t.legend}>
        {[undefined, ...steps].map((from, at) => (
          <li key={from ?? 'least'}>
            <i style={{ background: measured(from ?? Number.NEGATIVE_INFINITY, steps) }} aria-hidden="true" />
            {from === undefined ? first(inUnits.length > 0 ? inUnits : inBuildings) : `≥ ${said(steps[at - 1])}`}
          </li>
        ))}
        <li><i style={{ background: PAPER }} aria-hidden="true" />{t.silentHere(shown ? around.silent(shown.key, now) : 0)}</li>
      </ul>
    </>
  )
}

function Legend({ store, scheme }: { store: Store; scheme: Scheme }) {
  const t = store.t.value
  const { language } = store.state.value
  const codes = store.city.value?.legend['use']
  if (scheme === 'none') return null
  const rows = scheme === 'use'
    ? [...USE.map(({ key, colour }) => [colour, codeName(codes, key, language)] as const), [PAPER, t.other] as const]
    : HEIGHT.map(({ from, to, colour }) => [colour, to === null ? `≥ ${from} m` : `${from}–${to} m`] as const)
  return (
    <ul class="legend" aria-label={t.legend}>
      {rows.map(([colour, name]) => (
        <li key={name}><i style={{ background: colour }} aria-hidden="true" />{name}</li>
      ))}
    </ul>
  )
}
