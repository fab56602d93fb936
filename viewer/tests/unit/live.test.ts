import { signal } from '@preact/signals'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../src/api/client'
import { createLive, type Heard, type LiveAsk, type Socket, type Streams } from '../../src/api/live'
import type { Alarm, WholeAlarm } from '../../src/api/types'
import { affected, after, ranked } from '../../src/live/alarms'
import { classes, measured } from '../../src/live/classes'
import { cellAt, clustered } from '../../src/live/clusters'
import { boxOf, createLiveStore } from '../../src/live'
import { Latest } from '../../src/live/latest'
import { extend, lineOf } from '../../src/panels/chart'
import { INITIAL } from '../../src/state'

const alarm = (id: number, more: Partial<Alarm> = {}): Alarm => ({
  id, kind: '故障', severity: 3, state: 'open', message: { zh: '电梯故障', en: 'lift fault' }, ended: null,
  begun: `2026-03-20T07:3${id % 10}:00Z`, acknowledged: null, device: { id: 70 + id },
  place: { text: '3栋', building_id: 7, lon: 113, lat: 23, height: 5 }, affected: { units: 2, buildings: [7] }, ...more,
} as unknown as Alarm)

const STREAMS = {
  id: [1, 2, 3], device_id: [10, 20, 30], class: ['lift', 'power_meter', 'power_meter'], property: ['floor', 'power', 'power'],
  unit: [null, 'kW', 'kW'], interval_s: [60, 900, 900], bind_type: ['facility', 'unit', 'building'], bind_id: [5, 301, 7], building_id: [7, 7, 7],
} as unknown as Streams

class Wire implements Socket {
  static made: Wire[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: (() => void) | null = null
  sent: unknown[] = []
  closed = false
  constructor(readonly address: string) { Wire.made.push(this) }
  send(text: string): void { this.sent.push(JSON.parse(text)) }
  close(): void { this.closed = true }
  tell(event: string, data: unknown, id = '9-1'): void { this.onmessage?.({ data: JSON.stringify({ event, id, data }) }) }
}

describe('a socket', () => {
  beforeEach(() => { vi.useFakeTimers(); Wire.made = [] })
  afterEach(() => vi.useRealTimers())

  it('asks once it is open, and again for another subscription', () => {
    const live = createLive('ws://x', {}, (at) => new Wire(at))
    live.ask({ alarms: 'all' })
    const [wire] = Wire.made
    expect(wire?.sent).toEqual([])
    wire?.onopen?.()
    live.ask({ alarms: 'all' })
    live.ask({ datastream: [1], alarms: 'none' })
    expect(wire?.sent).toEqual([{ alarms: 'all' }, { datastream: [1], alarms: 'none' }])
  })

  it('comes again where it was cut off, and says up to where it had all', () => {
    const states: boolean[] = []
    const live = createLive('ws://x', { connected: (is) => states.push(is) }, (at) => new Wire(at))
    live.ask({ alarms: 'all' })
    Wire.made[0]?.onopen?.()
    Wire.made[0]?.tell('readings', [], '41-7')
    Wire.made[0]?.onclose?.()
    vi.advanceTimersByTime(700)
    Wire.made[1]?.onopen?.()
    expect(Wire.made[1]?.sent).toEqual([{ alarms: 'all', after: '41-7' }])
    expect(states).toEqual([true, false, true])
    live.ask({ datastream: [2], alarms: 'none' })
    expect(Wire.made[1]?.sent.at(-1)).toEqual({ datastream: [2], alarms: 'none' })
  })

  it('waits longer each time while nobody answers, and not at all once it is not wanted', () => {
    const live = createLive('ws://x', {}, (at) => new Wire(at))
    live.ask({ alarms: 'all' })
    const cut = (): void => { Wire.made.at(-1)?.onclose?.(); vi.advanceTimersByTime(700) }
    cut()
    expect(Wire.made.length).toBe(2)
    cut()
    expect(Wire.made.length).toBe(2)
    live.ask(null)
    vi.advanceTimersByTime(60_000)
    expect(Wire.made.length).toBe(2)
  })
})

describe('the latest readings', () => {
  it('are not taken back by an older one', () => {
    const latest = new Latest()
    latest.know(STREAMS)
    expect(latest.hear([[1, 2000, 5]])).toBe(true)
    expect(latest.hear([[1, 1000, 4]])).toBe(false)
    expect(latest.values.get(1)).toEqual([1, 2000, 5])
    latest.know({ ...STREAMS, id: [2] })
    expect(latest.values.size).toBe(0)
  })

  it('say whether a device speaks as often as it should', () => {
    const latest = new Latest()
    latest.know(STREAMS)
    latest.hear([[1, 0, 5], [2, 0, 1]])
    expect([10, 20, 30].map((id) => latest.condition(id, 599_000))).toEqual(['online', 'online', 'unknown'])
    expect([10, 20].map((id) => latest.condition(id, 1_000_000))).toEqual(['silent', 'online'])
  })

  it('are of a unit where the device is in it, else of its building', () => {
    const latest = new Latest()
    latest.know(STREAMS)
    latest.hear([[1, 1, 5], [2, 1, 0.7], [3, 1, 80]])
    expect(latest.properties()).toEqual(['power', 'floor'])
    expect([...latest.byPlace('power', 'unit')]).toEqual([[301, 0.7]])
    expect([...latest.byPlace('power', 'building')]).toEqual([[7, 80]])
  })
})

describe('alarms', () => {
  it('stand with the worst first, then the latest', () => {
    expect(ranked([alarm(1), alarm(2), alarm(3, { severity: 4 })]).map(({ id }) => id)).toEqual([3, 2, 1])
  })

  it('come and go with what happens', () => {
    const begun = after([alarm(1)], [{ entry: 1, what: 'begin', at: 0, alarm: alarm(2) }])
    expect(begun?.map(({ id }) => id)).toEqual([2, 1])
    const ended = alarm(2, { ended: '2026-03-20T08:00:00Z' })
    expect(after(begun ?? [], [{ entry: 2, what: 'end', at: 0, alarm: ended }])?.map(({ id }) => id)).toEqual([1])
    expect(after([alarm(1)], [{ entry: 2, what: 'end', at: 0, alarm: ended }])).toBeNull()
  })

  it('light the units that are affected still', () => {
    const units = new Map([[1, [
      { id: 301, building_id: 7, affected_still: true }, { id: 302, building_id: 7, affected_still: false },
      { id: 801, building_id: 8, affected_still: true },
    ]]])
    const found = affected([alarm(1), alarm(2, { affected: { units: 0, buildings: [9] } })], units)
    expect([...found].map(([building, lit]) => [building, [...lit]])).toEqual([[7, [301]], [8, [801]], [9, []]])
  })
})

describe('what is listened to', () => {
  const heard: Heard[] = []
  const asked: (LiveAsk | null)[][] = []
  const listen = (one: Heard) => {
    const mine: (LiveAsk | null)[] = []
    heard.push(one)
    asked.push(mine)
    return { ask: (wanted: LiveAsk | null) => { mine.push(wanted) } }
  }
  const client = { alarm: (id: number) => Promise.resolve({ ...alarm(id), units: [{ id: 301, building_id: 7, affected_still: true }] } as unknown as WholeAlarm) }
  const view = { lon: 113.013, lat: 23.004, h: 300, heading: 0, pitch: -30 }

  it('is what stands around the camera, less of it where that is too much', () => {
    expect(boxOf({ ...INITIAL, view })).toEqual([112.998, 22.988, 113.022, 23.012])
    expect(boxOf({ ...INITIAL, view: { ...view, lon: 113.0131 } })).toEqual([112.998, 22.988, 113.022, 23.012])
    expect(boxOf({ ...INITIAL, view }, 0.5)).toEqual([113.009, 22.999, 113.021, 23.011])
    expect(boxOf({ ...INITIAL, view: { ...view, h: 9000 } })).toBeNull()
    expect(boxOf({ ...INITIAL, view, layers: { ...INITIAL.layers, devices: false } })).toBeNull()
    expect(boxOf({ ...INITIAL, view, layers: { ...INITIAL.layers, devices: false }, scheme: 'live' })).not.toBeNull()
  })

  it('follows state, alarms and what is watched', async () => {
    const [state, turn] = [signal(INITIAL), signal(0)]
    const live = createLiveStore(client as unknown as Client, state, turn, listen)
    const [near, shown] = [heard.at(-2), heard.at(-1)]
    const [nearAsked, shownAsked] = [asked.at(-2) ?? [], asked.at(-1) ?? []]
    expect(nearAsked).toEqual([{ alarms: 'all' }])
    state.value = { ...INITIAL, view }
    expect(nearAsked.at(-1)).toEqual({ alarms: 'all', bbox: [112.998, 22.988, 113.022, 23.012] })
    near?.refused?.({ status: 422, detail: '', detail_zh: '' })
    expect(nearAsked.at(-1)?.bbox).toEqual([113.009, 22.999, 113.021, 23.011])
    near?.alarms?.([alarm(1)])
    await vi.waitFor(() => expect(live.affected.value.get(7)).toEqual(new Set([301])))
    expect(live.alarming.value).toEqual(new Set([71]))
    near?.alarm?.([{ entry: 5, what: 'end', at: 0, alarm: alarm(1, { ended: '2026-03-20T08:00:00Z' }) }])
    expect(live.affected.value.size).toBe(0)
    const [one, two] = [live.watch([4, 5]), live.watch([5])]
    expect(shownAsked.at(-1)).toEqual({ datastream: [4, 5], alarms: 'none' })
    one()
    expect(shownAsked.at(-1)).toEqual({ datastream: [5], alarms: 'none' })
    two()
    expect(shownAsked.at(-1)).toBeNull()
    shown?.readings?.([[5, 1, 2]])
    expect(live.pulse.value).toBeGreaterThan(0)
    turn.value = 1 // somebody signed in: both are asked anew
    expect(nearAsked.slice(-2)).toEqual([null, expect.objectContaining({ alarms: 'all' })])
  })
})

describe('pictures of numbers', () => {
  it('have classes as full as one another', () => {
    const steps = classes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(steps).toEqual([3, 5, 7, 9])
    expect(measured(0, steps)).not.toBe(measured(3, steps))
    expect(classes([5, 5, 5])).toEqual([])
    expect(classes([])).toEqual([])
  })

  it('join devices that lie close together, the worst on top', () => {
    const place = (lon: number, bad: number) => ({ lon, lat: 23, h: 0, bad })
    const things = [place(113.0001, 0), place(113.0002, 3), place(113.1, 1)]
    expect(clustered(things, 0, ({ bad }) => bad)).toHaveLength(3)
    expect(clustered(things, 0.001, ({ bad }) => bad).map((group) => group.map(({ bad }) => bad))).toEqual([[3, 0], [1]])
    expect(cellAt(100)).toBe(0)
    expect(cellAt(3000)).toBeGreaterThan(cellAt(500))
  })

  it('break a line where nothing was measured, and go on with what comes', () => {
    const line = lineOf({ t: [1000, 2000, 9000], v: [1, 2, 3], gaps: [[2000, 9000]] })
    expect(line).toEqual([[1, 2, 2.001, 9], [1, 2, null, 3]])
    expect(extend(line, 9000, 4)).toBe(false)
    expect(extend(line, 9500, 4)).toBe(true)
    expect(line[0].at(-1)).toBe(9.5)
  })
})
