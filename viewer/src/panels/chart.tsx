/** A datastream's readings as a line; the library comes only when a chart is opened. */
import { useEffect, useRef } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import type { Datastream } from '../api/types'
import type { Store } from '../store'

export function Chart({ stream, store }: { stream: Datastream; store: Store }) {
  const place = useRef<HTMLDivElement>(null)
  const state = useSignal<'loading' | 'empty' | 'drawn'>('loading')
  const { theme } = store.state.value
  const t = store.t.value
  useEffect(() => {
    const stop = new AbortController()
    let undo = (): void => undefined
    const drawn = async (): Promise<void> => {
      const { points } = await store.client.observations(stream.id, stop.signal)
      const known = points.filter((point): point is [string, number] => typeof point[1] === 'number')
      state.value = known.length > 1 ? 'drawn' : 'empty'
      if (known.length > 1 && place.current) undo = await draw(place.current, known, stream)
      if (stop.signal.aborted) undo()
    }
    drawn().catch(() => { if (!stop.signal.aborted) state.value = 'empty' })
    return () => { stop.abort(); undo() }
  }, [stream.id, theme])
  return (
    <div class="chart" ref={place} role="img" aria-label={`${t.chart}: ${stream.name}`}>
      {state.value === 'loading' && <p class="hint">{t.loading}</p>}
      {state.value === 'empty' && <p class="hint">{t.noReadings}</p>}
    </div>
  )
}

async function draw(
  place: HTMLElement, points: readonly [string, number][], stream: Datastream,
): Promise<() => void> {
  const [{ default: Plot }] = await Promise.all([import('uplot'), import('uplot/dist/uPlot.min.css')])
  const token = (name: string): string => getComputedStyle(place).getPropertyValue(name).trim()
  const axis = { stroke: token('--muted'), grid: { stroke: token('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui' }
  const plot = new Plot(
    {
      width: place.clientWidth, height: 130, legend: { show: false }, cursor: { y: false },
      axes: [{ ...axis, space: 60 }, { ...axis, size: 42 }],
      series: [{}, { label: stream.name, stroke: token('--accent'), width: 1.5, fill: `${token('--accent')}22`, points: { show: false } }],
    },
    [points.map(([at]) => Date.parse(at) / 1000), points.map(([, value]) => value)],
    place,
  )
  return () => plot.destroy()
}
