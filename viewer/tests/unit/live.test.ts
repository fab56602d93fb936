import { signal } from '@preact/signals'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../src/api/client'
import { overEvents } from '../../src/api/events'
import { createLive, type Heard, type Link, type LiveAsk, type Socket, type Streams, type Ways } from '../../src/api/live'
import type { Alarm, WholeAlarm } from '../../src/api/types'
import { affected, after, found, ranked } from '../../src/live/alarms'
import { classes, measured } from '../../src/live/classes'
import { cellAt, clustered } from '../../src/live/clusters'
import { boxOf, createLiveStore, middle } from '../../src/live'
import { Latest } from '../../src/live/latest'
import { changesOf, extend, lineOf, rangeOf, spanOf } from '../../src/panels/chart'
import { INITIAL } from '../../src/state'

const alarm = (id: number, more: Partial<Alarm> = {}): Alarm => ({
  id, kind: '故障', severity: 3, state: 'open', message: { zh: '电梯故障', en: 'lift fault' }, ended: null,
  begun: `2026-03-20T07:3${id % 10}:00Z`, acknowledged: null, device: { id: 70 + id, name: null, class: { code: 'lift', zh: '电梯', en: 'lift' } },
  place: { text: '3栋', building_id: 7, lon: 113, lat: 23, height: 5 }, affected: { units: 2, buildings: [7] }, ...more,
} as unknown as Alarm)

const STREAMS = {
  id: [1, 2, 3], device_id: [10, 20, 30], class: ['lift', 'power_meter', 'power_meter'], property: ['floor', 'power', 'power'],
  name: ['floor', 'power', 'power'], zh: ['所在楼层', '功率', '功率'], en: ['floor', 'power', 'power'],
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

describe('a line to the service', () => {
  beforeEach(() => { vi.useFakeTimers(); vi.spyOn(Math, 'random').mockReturnValue(0.5); Wire.made = [] })
  afterEach(() => { vi.useRealTimers(); vi.restoreAllMocks() })
  const ways = (): Ways => ({ open: { socket: (at) => new Wire(`ws ${at}`), events: (at) => new Wire(`sse ${at}`) }, worked: new Set() })
  const made = (): (string | undefined)[] => Wire.made.map(({ address }) => address.split(' ')[0])
  const newest = (): Wire | undefined => Wire.made.at(-1)

  it('asks once it is open, and again for another subscription', () => {
    const live = createLive('x', {}, ways())
    live.ask({ alarms: 'all' })
    const [wire] = Wire.made
    expect(wire?.sent).toEqual([])
    wire?.onopen?.()
    live.ask({ alarms: 'all' })
    live.ask({ datastream: [1], alarms: 'none' })
    expect(wire?.sent).toEqual([{ alarms: 'all' }, { datastream: [1], alarms: 'none' }])
  })

  it('comes again where it was cut off, and says up to where it had all', () => {
    const links: Link[] = []
    const live = createLive('x', { link: (is) => links.push(is) }, ways())
    live.ask({ alarms: 'all' })
    newest()?.onopen?.()
    expect(links).toEqual([]) // open, but nothing came through yet
    newest()?.tell('readings', [], '41-7')
    newest()?.onclose?.()
    vi.advanceTimersByTime(700)
    newest()?.onopen?.()
    expect(newest()?.sent).toEqual([{ alarms: 'all', after: '41-7' }])
    newest()?.tell('beat', null)
    vi.advanceTimersByTime(10_000)
    expect(links).toEqual(['socket']) // each line ends now and then: nobody is told of that
    newest()?.onclose?.()
    vi.advanceTimersByTime(3500)
    expect(links).toEqual(['socket', 'cut'])
    live.ask({ datastream: [2], alarms: 'none' })
    newest()?.onopen?.()
    expect(newest()?.sent.at(-1)).toEqual({ datastream: [2], alarms: 'none' })
  })

  it('waits longer each time while nobody answers, and not at all once it is not wanted', () => {
    const live = createLive('x', {}, ways())
    live.ask({ alarms: 'all' })
    const cut = (): void => { newest()?.onclose?.(); vi.advanceTimersByTime(700) }
    cut()
    expect(Wire.made.length).toBe(2)
    cut()
    expect(Wire.made.length).toBe(2)
    live.ask(null)
    vi.advanceTimersByTime(60_000)
    expect(Wire.made.length).toBe(2)
  })

  it('takes to server-sent events where no socket comes through, and stays with them', () => {
    const links: Link[] = []
    const mine = ways()
    const live = createLive('x', { link: (is) => links.push(is) }, mine)
    live.ask({ alarms: 'all' })
    for (const pause of [600, 1100]) { newest()?.onclose?.(); vi.advanceTimersByTime(pause) }
    expect(made()).toEqual(['ws', 'ws', 'sse'])
    newest()?.onopen?.()
    newest()?.tell('alarms', [], '41-7')
    expect(links.at(-1)).toBe('events')
    newest()?.onclose?.() // its quarter of an hour is over
    vi.advanceTimersByTime(600)
    createLive('y', {}, mine).ask({ alarms: 'none' })
    expect(made().slice(3)).toEqual(['sse', 'sse'])
  })

  it('goes back to sockets where they worked before the service was gone for a while', () => {
    const mine = ways()
    const live = createLive('x', {}, mine)
    live.ask({ alarms: 'all' })
    newest()?.tell('alarms', [])
    for (const pause of [600, 1100, 2100, 5100]) { newest()?.onclose?.(); vi.advanceTimersByTime(pause) }
    expect(made()).toEqual(['ws', 'ws', 'sse', 'ws', 'sse'])
    newest()?.tell('alarms', [])
    newest()?.onclose?.()
    vi.advanceTimersByTime(600)
    expect(made().at(-1)).toBe('ws')
  })

  it('is given up where it does not open, says nothing, or has gone silent', () => {
    const live = createLive('x', {}, ways())
    live.ask({ alarms: 'all' })
    vi.advanceTimersByTime(8600) // a proxy that neither lets it through nor refuses it
    expect(Wire.made.map(({ closed }) => closed)).toEqual([true, false])
    newest()?.onopen?.()
    vi.advanceTimersByTime(16_100) // one that lets it be opened and nothing through
    expect(Wire.made.length).toBe(3)
    newest()?.onopen?.()
    newest()?.tell('alarms', [])
    vi.advanceTimersByTime(39_000)
    newest()?.tell('beat', null)
    vi.advanceTimersByTime(39_000)
    expect(Wire.made.length).toBe(3)
    vi.advanceTimersByTime(1600)
    expect(Wire.made.length).toBe(4)
  })
})

describe('server-sent events in the shape of a socket', () => {
  const answered = (body: string, status = 200) => {
    const asked: string[] = []
    const told: unknown[] = []
    let over = 0
    const line = overEvents('http://x/live', (at) => { asked.push(at); return Promise.resolve(new Response(body, { status })) })
    line.onmessage = ({ data }) => told.push(JSON.parse(data))
    line.onclose = () => { over += 1 }
    return { line, asked, told, over: () => over }
  }

  it('ask for lists with commas between, and tell events, beats and the end', async () => {
    const { line, asked, told, over } = answered(
      'retry: 2000\n\nevent: who\ndata: {"actor":null}\n\nid: 4-1\nevent: readings\ndata: [[7,1000,"开: 1"]]\n\nid: 5-1\n\nid: 6-1\nevent: alarms\nda',
    )
    line.send('{"bbox":[1,2,3,4],"class":["lift","smoke"],"alarms":"all","after":"3-1"}')
    await vi.waitFor(() => expect(over()).toBe(1))
    expect(asked).toEqual(['http://x/live?bbox=1%2C2%2C3%2C4&class=lift%2Csmoke&alarms=all&after=3-1'])
    expect(told).toEqual([
      { event: 'who', id: null, data: { actor: null } },
      { event: 'readings', id: '4-1', data: [[7, 1000, '开: 1']] }, { event: 'beat', id: '5-1', data: null },
    ])
  })

  it('say why a subscription is wrong, and end where the service cannot answer', async () => {
    const wrong = answered('{"detail":"too many","detail_zh":"过多"}', 422)
    wrong.line.send('{}')
    await vi.waitFor(() => expect(wrong.told).toEqual([
      { event: 'refused', id: null, data: { status: 422, detail: 'too many', detail_zh: '过多' } },
    ]))
    expect(wrong.over()).toBe(0)
    const down = answered('', 503)
    down.line.send('{}')
    await vi.waitFor(() => expect(down.over()).toBe(1))
  })

  it('forget what was asked before', async () => {
    const { line, over } = answered('id: 4-1\n\n')
    line.send('{}')
    line.close()
    await new Promise((resolve) => { setTimeout(resolve, 5) })
    expect(over()).toBe(0)
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
    expect(latest.properties(1000).map(({ key, many }) => [key, many])).toEqual([['power_meter.power', 2], ['lift.floor', 1]])
    expect(latest.shown(null, 1000)).toEqual({ key: 'power_meter.power', label: { zh: '功率', en: 'power' }, unit: 'kW', many: 2 })
    expect(latest.shown('power', 1000)?.key).toBe('power_meter.power') // as links said it before
    expect(latest.shown('lift.floor', 1000)?.unit).toBeNull()
    expect(latest.shown('smoke', 1000)).toBeUndefined()
    expect([...latest.byPlace('power_meter.power', 'unit', 1000)]).toEqual([[301, 0.7]])
    expect([...latest.byPlace('power_meter.power', 'building', 1000)]).toEqual([[7, 80]])
  })

  it('are of nothing once they are too old', () => {
    const latest = new Latest()
    latest.know(STREAMS)
    latest.hear([[2, 0, 0.7], [3, 2_000_000, 80]])
    const now = 3 * 900_000 + 1
    expect(latest.byPlace('power_meter.power', 'unit', now).size).toBe(0)
    expect(latest.byPlace('power_meter.power', 'building', now).size).toBe(1)
    expect(latest.silent('power_meter.power', now)).toBe(1)
    expect(latest.shown(null, now)?.many).toBe(1)
    latest.forget()
    expect([latest.devices, latest.values.size]).toEqual([0, 0])
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
    const lit = affected([alarm(1), alarm(2, { affected: { units: 0, buildings: [9] } })], units)
    expect([...lit].map(([building, lit]) => [building, [...lit]])).toEqual([[7, [301]], [8, [801]], [9, []]])
  })
})

describe('the list of alarms', () => {
  it('shows those as bad as that, with all the words', () => {
    const open = [alarm(1), alarm(2, { severity: 1, place: { ...alarm(2).place, text: '5栋' } })]
    const ids = (least: number, text: string): number[] => found(open, { least, text }).map(({ id }) => id)
    expect(ids(1, ' ')).toEqual([1, 2])
    expect(ids(2, '')).toEqual([1])
    expect(ids(1, 'LIFT 5栋')).toEqual([2])
    expect(ids(1, '消防')).toEqual([])
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
  const view = { lon: 113.013, lat: 23.004, h: 300, heading: 0, pitch: -90 }

  it('lies between the camera and what it looks at', () => {
    expect(middle(view).map((one) => Number(one.toFixed(5)))).toEqual([113.013, 23.004])
    const [lon, lat] = middle({ ...view, heading: 90, pitch: -45 })
    expect([lon > 113.0144 && lon < 113.0146, Number(lat.toFixed(5))]).toEqual([true, 23.004])
    expect(middle({ ...view, pitch: 30 })[1]).toBeLessThan(23.004 + 1001 / 111_320) // at the sky
  })

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
    const near = heard.at(-2)
    const nearAsked = asked.at(-2) ?? []
    expect(nearAsked).toEqual([{ alarms: 'all' }])
    state.value = { ...INITIAL, view }
    expect(nearAsked.length).toBe(1) // nobody knows yet what has a symbol
    live.kinds.value = ['lift']
    expect(nearAsked.at(-1)).toEqual({ alarms: 'all', bbox: [112.998, 22.988, 113.022, 23.012], class: ['lift'] })
    live.kinds.value = []
    expect(nearAsked.at(-1)).toEqual({ alarms: 'all', bbox: [112.998, 22.988, 113.022, 23.012] })
    near?.refused?.({ status: 422, detail: '', detail_zh: '' })
    expect(nearAsked.at(-1)?.bbox).toEqual([113.009, 22.999, 113.021, 23.011])
    expect(live.reach.value).toBe(668)
    for (let step = 0; step < 5; step += 1) near?.refused?.({ status: 422, detail: '', detail_zh: '' })
    expect([nearAsked.at(-1), live.reach.value]).toEqual([{ alarms: 'all' }, 0])
    state.value = { ...INITIAL, view: { ...view, lon: 113.3 } } // there is room for more elsewhere
    expect(live.reach.value).toBe(83)
    near?.streams?.(STREAMS)
    expect(live.around.devices).toBe(3)
    state.value = { ...INITIAL, view: { ...view, h: 9000 } }
    expect(live.around.devices).toBe(0) // what is not heard any more colours nothing
    near?.link?.('cut')
    expect([live.link.value, live.rejoined.value, live.since.value !== null]).toEqual(['cut', 0, true])
    near?.link?.('socket')
    expect([live.rejoined.value, live.since.value]).toEqual([1, null])
    near?.alarms?.([alarm(1)])
    await vi.waitFor(() => expect(live.affected.value.get(7)).toEqual(new Set([301])))
    expect(live.alarming.value).toEqual(new Set([71]))
    near?.alarm?.([{ entry: 5, what: 'end', at: 0, alarm: alarm(1, { ended: '2026-03-20T08:00:00Z' }) }])
    expect(live.affected.value.size).toBe(0)
    const before = live.pulse.value
    near?.readings?.([[1, 5, 2]])
    expect(live.pulse.value).toBe(before) // nothing around is listened to
    turn.value = 1 // somebody signed in: both are asked anew
    expect(nearAsked.slice(-2)).toEqual([null, expect.objectContaining({ alarms: 'all' })])
  })

  it('goes over one line, and over a second only as far as it stands elsewhere', () => {
    const [state, turn] = [signal({ ...INITIAL, view: { ...view, h: 9000 } }), signal(0)]
    const live = createLiveStore(client as unknown as Client, state, turn, listen)
    const [near, beyond] = [heard.at(-2), heard.at(-1)]
    const [nearAsked, beyondAsked] = [asked.at(-2) ?? [], asked.at(-1) ?? []]
    live.kinds.value = []
    const one = live.watch([1, 9]) // from afar nothing is listened to around the camera
    expect([nearAsked.at(-1), beyondAsked.at(-1)]).toEqual([{ alarms: 'all', datastream: [1, 9] }, null])
    near?.streams?.({ ...STREAMS, id: [1] })
    near?.readings?.([[1, 5, 2]])
    expect([live.around.about.size, live.watched.values.get(1)]).toEqual([0, [1, 5, 2]])
    state.value = { ...INITIAL, view }
    expect([nearAsked.at(-1), beyondAsked.at(-1)]).toEqual([{ alarms: 'all', bbox: [112.998, 22.988, 113.022, 23.012] }, null])
    near?.streams?.(STREAMS) // 1 stands here, 9 does not
    expect(beyondAsked.at(-1)).toEqual({ datastream: [9], alarms: 'none' })
    near?.readings?.([[1, 7, 3], [2, 7, 4]])
    beyond?.readings?.([[9, 7, 1]])
    expect([...live.watched.values.keys()]).toEqual([1, 9])
    const two = live.watch([2])
    expect(live.watched.values.get(2)).toEqual([2, 7, 4]) // known already
    one()
    expect([beyondAsked.at(-1), [...live.watched.values.keys()]]).toEqual([null, [2]])
    two()
    turn.value = 1
    expect(nearAsked.slice(-2)[0]).toBeNull()
  })

  it('forgets whom an alarm affected once that has ended', async () => {
    const live = createLiveStore(client as unknown as Client, signal(INITIAL), signal(0), listen)
    const near = heard.at(-2)
    near?.alarms?.([alarm(1), alarm(2)])
    await vi.waitFor(() => expect(live.affected.value.get(7)?.size).toBe(1))
    near?.alarms?.([alarm(3, { affected: { units: 0, buildings: [9] } })])
    near?.alarms?.([alarm(1, { affected: { units: 0, buildings: [7] } })])
    expect(live.affected.value.get(7)?.size).toBe(0)
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
    expect(extend(line, 99_500, 5, 60)).toBe(true)
    expect(line.map((column) => column.slice(-3))).toEqual([[9.5, 9.501, 99.5], [4, null, 5]])
  })

  it('show a limit that is near, an hour around what is alone, and texts as what changed', () => {
    expect(rangeOf(10, 20, [30, 500])).toEqual([8.4, 31.6])
    expect(rangeOf(5, 5, [])[0]).toBeLessThan(5)
    expect(spanOf([7200], 7200, 7200 + 86_400_000)).toEqual([5400, 9000])
    expect(spanOf([1, 5], 1, 5)).toEqual([1, 5])
    expect(spanOf([1, 5], 2, 3)).toEqual([2, 3])
    expect(changesOf({ t: [1, 2, 3], v: ['关', '关', '开'] })).toEqual([[3, '开'], [1, '关']])
  })
})
