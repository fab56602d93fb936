/** How the file is loaded: who gives it, whether it is complete, where a model stands, what heights are above. */
import type { Wishes } from '../../intake/machine'
import { type Heights, HEIGHTS, kindOf, MODEL, place, TERRAIN } from '../../intake/machine'
import { Line, type Props } from './parts'

export function Options({ store, desk }: Props) {
  const t = store.t.value.intake
  const { wishes, mends } = desk.intake.value
  return (
    <section aria-labelledby="intake-options">
      <h3 id="intake-options">{t.options}</h3>
      <dl class="facts">
        <Line name={t.source} id="intake-source">
          <input
            id="intake-source" type="text" value={wishes.source} maxLength={200} aria-describedby="intake-source-hint"
            onInput={(event) => desk.wish({ source: event.currentTarget.value })}
          />
          <small id="intake-source-hint">{t.sourceHint}</small>
        </Line>
        {kindOf(desk.intake.value) === TERRAIN && <Raster store={store} desk={desk} />}
      </dl>
      {!mends && (
        <label class="choice">
          <input
            type="checkbox" checked={wishes.full}
            onChange={(event) => desk.wish({ full: event.currentTarget.checked })}
          />
          <span>{t.full}<br /><small>{t.fullHint}</small></span>
        </label>
      )}
      {kindOf(desk.intake.value) === MODEL && <At store={store} desk={desk} />}
    </section>
  )
}

/** What a raster's heights are above, and when it was surveyed. */
function Raster({ store, desk }: Props) {
  const t = store.t.value.intake
  const { heights, surveyed } = desk.intake.value.wishes
  return (
    <>
      <Line name={t.heights} id="intake-heights">
        <select
          id="intake-heights" value={heights ?? ''} aria-describedby="intake-heights-hint"
          onChange={(event) => desk.wish({ heights: (event.currentTarget.value || null) as Heights | null })}
        >
          <option value="">{t.heightsDeclared}</option>
          {HEIGHTS.map((one) => <option key={one} value={one}>{t.heightsAbove[one]}</option>)}
        </select>
        <small id="intake-heights-hint">{t.heightsHint}</small>
      </Line>
      <Line name={t.surveyed} id="intake-surveyed">
        <input
          id="intake-surveyed" type="date" value={surveyed} aria-describedby="intake-surveyed-hint"
          onInput={(event) => desk.wish({ surveyed: event.currentTarget.value })}
        />
        <small id="intake-surveyed-hint">{t.surveyedHint}</small>
      </Line>
    </>
  )
}

/** The place of a model that does not know its own. */
function At({ store, desk }: Props) {
  const t = store.t.value.intake
  const { at } = desk.intake.value.wishes
  const put = (index: number, text: string): void =>
    desk.wish({ at: at.map((one, each) => (each === index ? text : one)) as unknown as Wishes['at'] })
  return (
    <fieldset class="at">
      <legend>{t.at}</legend>
      {[t.lon, t.lat, t.turn].map((name, index) => (
        <label key={name}>
          {name}
          <input
            type="text" inputMode="decimal" value={at[index]} aria-invalid={place(at) === 'wrong'}
            onInput={(event) => put(index, event.currentTarget.value)}
          />
        </label>
      ))}
      <small>{place(at) === 'wrong' ? t.atWrong : t.atHint}</small>
    </fieldset>
  )
}
