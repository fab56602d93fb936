/** A day of a datastream as a line, and what comes while it is open; the library comes with the first chart. */
import { effect, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type uPlot from 'uplot'
import type { Datastream, Limit, Series } from '../api/types'
import type { Language } from '../state'
import type { Store } from '../store'
import { hour, measure, moment, unitOfMeasure } from '../words'

/** Points on the screen at most: as many as it is wide. And of a table of them. */
const POINTS = 500
const ROWS = 5000
/** Points of a line that is open for long; the oldest are let go of. */
const KEPT = 6000
const CHANGES = 12
/** Points of a line below which each has a dot: of one alone nothing would be seen. */
const FEW = 20
const HEIGHT = 150
const FINE_S = 600
const MINUTE_S = 60
const HOUR_S = 3600
/** Of the height of the readings, how far a limit may lie away and still be drawn. */
const REACH = 1.5

type Line = [number[], (number | null)[]]

/** Seconds and numbers of a series, with a break where nothing was measured; empty for texts. */
export function lineOf({ t, v, gaps }: Pick<Series, 't' | 'v' | 'gaps'>): Line {
  const line: Line = [[], []]
  const breaks = gaps.map(([from]) => from)
  t.forEach((ms, at) => {
    const value = v[at]
    if (typeof value !== 'number') return
    while (breaks.length > 0 && (breaks[0] ?? 0) < ms) {
      line[0].push((breaks.shift() ?? 0) / 1000 + 0.001)
      line[1].push(null)
    }
    line[0].push(ms / 1000)
    line[1].push(value)
  })
  return line
}

/** Put a reading at the end, after a break where none came for `longest` seconds; one that is not newer is none. */
export function extend(line: Line, ms: number, value: number, longest = Infinity): boolean {
  const last = line[0].at(-1)
  if (last !== undefined && last >= ms / 1000) return false
  if (last !== undefined && ms / 1000 - last > longest) {
    line[0].push(last + 0.001)
    line[1].push(null)
  }
  line[0].push(ms / 1000)
  line[1].push(value)
  if (line[0].length > KEPT) for (const column of line) column.splice(0, column.length - KEPT)
  return true
}

/** Where texts changed, the latest first. */
export function changesOf({ t, v }: Pick<Series, 't' | 'v'>): (readonly [number, string])[] {
  const found: (readonly [number, string])[] = []
  t.forEach((ms, at) => {
    const text = v[at]
    if (typeof text === 'string' && text !== found.at(-1)?.[1]) found.push([ms, text])
  })
  return found.reverse()
}

/** Least and greatest of an axis: all readings, and the limits that are not far from them. */
export function rangeOf(least: number, greatest: number, limits: readonly number[]): [number, number] {
  const height = greatest - least || Math.abs(greatest) * 0.1 || 1
  const near = limits.filter((one) => one > least - height * REACH && one < greatest + height * REACH)
  const [low, high] = [Math.min(least, ...near), Math.max(greatest, ...near)]
  const room = (high - low || height) * 0.08
  return [low - room, high + room]
}

/** The time that is shown, in seconds: a reading alone has an hour around it, whatever the library would have shown. */
export function spanOf(times: readonly number[], from: number, to: number): [number, number] {
  const [first = from, last = first] = [times[0], times.at(-1)]
  return last > first ? [from, to] : [first - HOUR_S / 2, first + HOUR_S / 2]
}

type Shown = 'loading' | 'empty' | 'drawn' | 'texts' | 'failed'

export function Chart({ stream, store }: { stream: Datastream; store: Store }) {
  const place = useRef<HTMLDivElement>(null)
  const state = useSignal<Shown>('loading')
  const changes = useSignal<(readonly [number, string])[]>([])
  const limits = useSignal<readonly Limit[]>([])
  const { theme, language } = store.state.value
  const rejoined = store.live.rejoined.value
  const t = store.t.value
  const name = stream.label[language === 'en' ? 'en' : 'zh']
  const unit = unitOfMeasure(stream.unit)
  useEffect(() => {
    const stop = new AbortController()
    let undo = (): void => undefined
    const drawn = async (): Promise<void> => {
      const series = await store.client.series(stream.id, POINTS, stop.signal)
      if (!place.current || stop.signal.aborted) return
      limits.value = series.datastream.limits
      changes.value = changesOf(series)
      if (changes.value.length > 0) { state.value = 'texts'; return }
      const line = lineOf(series)
      const interval = series.datastream.interval_s
      const longest = interval === null ? Infinity : Math.max(3 * interval, FINE_S)
      const draw = await plotter(place.current, line, name, unit, series.datastream.limits, language)
      const told = effect(() => {
        void store.live.pulse.value
        const [, ms, value] = store.live.watched.values.get(stream.id) ?? []
        if (ms !== undefined && typeof value === 'number' && extend(line, ms, value, longest)) draw.again()
        state.value = line[0].length > 0 ? 'drawn' : 'empty'
      })
      undo = () => { told(); draw.remove() }
      if (stop.signal.aborted) undo()
    }
    drawn().catch(() => { if (!stop.signal.aborted) state.value = 'failed' })
    return () => { stop.abort(); undo() }
  }, [stream.id, theme, language, rejoined])
  return (
    <figure class={`chart ${state.value}`}>
      <figcaption>
        {name}{unit && ` (${unit})`} · {t.lastDay}
        <a class="link" href={store.client.address(`datastreams/${stream.id}/series?f=csv&points=${ROWS}`)} download>CSV</a>
      </figcaption>
      <div class="plot" ref={place} role="img" aria-label={`${t.chart}: ${name}`} />
      {state.value === 'texts' && (
        <ol class="changes">
          {changes.value.slice(0, CHANGES).map(([ms, text]) => (
            <li key={ms}><time>{moment(new Date(ms).toISOString(), language)}</time> {t.codes[text] ?? text}</li>
          ))}
        </ol>
      )}
      {state.value === 'drawn' && limits.value.length > 0 && (
        <ul class="limits">
          {limits.value.flatMap((one) => [
            one.above === null ? null : `${t.limitAbove} ${measure(one.above, unit, language, 2)}`,
            one.below === null ? null : `${t.limitBelow} ${measure(one.below, unit, language, 2)}`,
          ].filter((said) => said !== null).map((said) => (
            <li key={`${said} ${one.en}`}>{said} · {language === 'en' ? one.en : one.zh}</li>
          )))}
        </ul>
      )}
      {state.value === 'loading' && <p class="hint">{t.loading}</p>}
      {state.value === 'empty' && <p class="hint">{t.noReadings}</p>}
      {state.value === 'failed' && <p class="hint">{t.notRead}</p>}
    </figure>
  )
}

async function plotter(
  place: HTMLElement, line: Line, name: string, unit: string, limits: readonly Limit[], language: Language,
): Promise<{ again(): void; remove(): void }> {
  const [{ default: Plot }] = await Promise.all([import('uplot'), import('uplot/dist/uPlot.min.css')])
  const token = (of: string): string => getComputedStyle(place).getPropertyValue(of).trim()
  const axis = { stroke: token('--muted'), grid: { stroke: token('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui' }
  const bounds = limits.flatMap(({ above, below }) => [above, below]).filter((one) => one !== null)
  const number = new Intl.NumberFormat(language, { maximumSignificantDigits: 5, useGrouping: false })
  const clock = (seconds: number, apart: number): string => hour(seconds * 1000, language).slice(0, apart < MINUTE_S ? 8 : 5)
  const readout = Object.assign(document.createElement('output'), { className: 'readout', ariaLive: 'off' })
  const plot = new Plot(
    {
      width: place.clientWidth, height: HEIGHT, legend: { show: false }, cursor: { y: false, points: { size: 6 } },
      scales: { x: { range: (_, from, to) => spanOf(line[0], from ?? 0, to ?? 0) }, y: { range: (_, least, greatest) => rangeOf(least ?? 0, greatest ?? 1, bounds) } },
      axes: [
        { ...axis, size: 26, space: 64, values: (_, at, __, ___, apart) => at.map((one) => clock(one, apart)) },
        { ...axis, size: 46, values: (_, at) => at.map((one) => number.format(one)) },
      ],
      series: [{}, { label: name, stroke: token('--accent'), width: 1.5, fill: `${token('--accent')}22`, points: { show: ({ data }) => data[0].length < FEW, size: 5 } }],
      hooks: {
        draw: [(drawn) => bounds.forEach((one) => dashed(drawn, one, token('--alarm')))],
        setCursor: [({ cursor: { idx } }) => {
          const value = idx === null || idx === undefined ? null : line[1][idx] ?? null
          readout.textContent = value === null ? '' : `${hour((line[0][idx ?? 0] ?? 0) * 1000, language)}  ${measure(value, unit, language, 3)}`
        }],
      },
    },
    line,
    place,
  )
  place.append(readout)
  return { again: () => plot.setData(line), remove: () => { plot.destroy(); readout.remove() } }
}

/** A limit across the plot. */
function dashed(plot: uPlot, at: number, colour: string): void {
  const { ctx, bbox } = plot
  const y = plot.valToPos(at, 'y', true)
  if (y < bbox.top || y > bbox.top + bbox.height) return
  ctx.save()
  ctx.strokeStyle = colour
  ctx.lineWidth = devicePixelRatio
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio])
  ctx.beginPath()
  ctx.moveTo(bbox.left, y)
  ctx.lineTo(bbox.left + bbox.width, y)
  ctx.stroke()
  ctx.restore()
}
