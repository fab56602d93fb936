/** A day of a datastream as a line, and what comes while it is open; the library comes with the first chart. */
import { effect, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Datastream, Series } from '../api/types'
import type { Store } from '../store'

/** Points on the screen at most: as many as it is wide. */
const POINTS = 500

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

/** Put a reading at the end; one that is not newer than the last is none. */
export function extend(line: Line, ms: number, value: number): boolean {
  const last = line[0].at(-1)
  if (last !== undefined && last >= ms / 1000) return false
  line[0].push(ms / 1000)
  line[1].push(value)
  return true
}

export function Chart({ stream, store }: { stream: Datastream; store: Store }) {
  const place = useRef<HTMLDivElement>(null)
  const state = useSignal<'loading' | 'empty' | 'drawn'>('loading')
  const { theme } = store.state.value
  const t = store.t.value
  useEffect(() => {
    const stop = new AbortController()
    let undo = (): void => undefined
    const drawn = async (): Promise<void> => {
      const line = lineOf(await store.client.series(stream.id, POINTS, stop.signal))
      if (!place.current || stop.signal.aborted) return
      const draw = await plotter(place.current, line, stream)
      const told = effect(() => {
        void store.live.pulse.value
        const [, ms, value] = store.live.watched.values.get(stream.id) ?? []
        if (ms !== undefined && typeof value === 'number' && extend(line, ms, value)) draw.again()
        state.value = line[0].length > 1 ? 'drawn' : 'empty'
      })
      undo = () => { told(); draw.remove() }
      if (stop.signal.aborted) undo()
    }
    drawn().catch(() => { if (!stop.signal.aborted) state.value = 'empty' })
    return () => { stop.abort(); undo() }
  }, [stream.id, theme])
  return (
    <div class={`chart ${state.value}`} ref={place} role="img" aria-label={`${t.chart}: ${stream.name}`}>
      {state.value === 'loading' && <p class="hint">{t.loading}</p>}
      {state.value === 'empty' && <p class="hint">{t.noReadings}</p>}
    </div>
  )
}

async function plotter(
  place: HTMLElement, line: Line, stream: Datastream,
): Promise<{ again(): void; remove(): void }> {
  const [{ default: Plot }] = await Promise.all([import('uplot'), import('uplot/dist/uPlot.min.css')])
  const token = (name: string): string => getComputedStyle(place).getPropertyValue(name).trim()
  const axis = { stroke: token('--muted'), grid: { stroke: token('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui' }
  const plot = new Plot(
    {
      width: place.clientWidth, height: 130, legend: { show: false }, cursor: { y: false },
      axes: [{ ...axis, space: 60 }, { ...axis, size: 42 }],
      series: [{}, { label: stream.name, stroke: token('--accent'), width: 1.5, fill: `${token('--accent')}22`, points: { show: false } }],
    },
    line,
    place,
  )
  return { again: () => plot.setData(line), remove: () => plot.destroy() }
}
