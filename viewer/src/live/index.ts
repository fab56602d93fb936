/** What devices say of what is looked at, and the alarms of the city, as signals. */
import { batch, computed, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { createLive, type Heard, type Link, type Live, type LiveAsk, type Reading, type Streams, throughBrowser, type Who } from '../api/live'
import type { Client } from '../api/client'
import type { Alarm, WholeAlarm } from '../api/types'
import type { State, View } from '../state'
import { affected, type Affected, after, ranked, type Unit } from './alarms'
import { Latest } from './latest'

export type { Label, Measured } from './latest'

/** Degrees around the camera in which devices are listened to: two kilometres. */
const CELL = 0.01
const AROUND = 1.2
/** The least part of that: what is in it is listened to however much it is, or nothing is. */
const LEAST = 1 / 16
/** The camera's height from which on devices are not listened to, metres. */
export const FARTHEST_M = 5000
const METRES = 111_320
/** Metres ahead of the camera that are looked at, at most; and its least pitch, where it looks at the sky. */
const AHEAD_M = 2000
const LEAST_PITCH = 8
/** Milliseconds after which what was heard is judged again, with nothing new: a silent device is seen. */
const JUDGED_MS = 30_000
/** No box, as what is asked for. */
const NOWHERE = 'null'
/** Nobody has said yet which devices have symbols. */
const NOT_KNOWN = 'null'
/** Alarms whose affected units are asked for. */
const LIT = 20

/** A device whose symbol was clicked: its id, what it is called, the code of its class. */
export interface Looked { readonly id: number; readonly name: string; readonly kind: string; readonly faulty: boolean }

export interface LiveStore {
  /** Readings of what is around the camera, and of what is watched, wherever that is. */
  readonly around: Latest
  readonly watched: Latest
  /** Goes up when any reading came. */
  readonly pulse: ReadonlySignal<number>
  readonly alarms: ReadonlySignal<readonly Alarm[]>
  readonly affected: ReadonlySignal<Affected>
  /** Devices that have an open alarm. */
  readonly alarming: ReadonlySignal<ReadonlySet<number>>
  /** The alarm that is looked at. */
  readonly focus: Signal<number | null>
  /** The device that is looked at. */
  readonly device: Signal<Looked | null>
  readonly link: ReadonlySignal<Link>
  /** When it was cut off; null while it is not. */
  readonly since: ReadonlySignal<number | null>
  /** Goes up when it is heard again after it was cut off: what was read meanwhile may have holes. */
  readonly rejoined: ReadonlySignal<number>
  /** Goes up when it is told which devices there are: some may stand elsewhere now. */
  readonly told: ReadonlySignal<number>
  /** Metres around what is looked at in which devices are listened to, where there are too many for all, 0 where even there; else null. */
  readonly reach: ReadonlySignal<number | null>
  /** How many devices have symbols, where there are too many for all; else null. */
  readonly drawn: Signal<number | null>
  /** Classes of the devices that have symbols; null until that is known. */
  readonly kinds: Signal<readonly string[] | null>
  /** Listen to some datastreams until what is given back is called. */
  watch(ids: readonly number[]): () => void
  /** An alarm is another now, as the service answered. */
  changed(alarm: WholeAlarm): void
}

/** What more than this is told of. */
export interface News {
  /** For whom a line takes who listens. */
  met?(who: Who): void
  /** An alarm that there was not. */
  raised?(alarm: Alarm): void
}

export type Listen = (heard: Heard) => Live

/** From the service that this page came from. */
export function fromService(client: Client): Listen {
  const ways = throughBrowser()
  return (heard) => createLive(client.address('live'), heard, ways)
}

/** Where nobody says anything. */
export const SILENCE: Listen = () => ({ ask: () => undefined })

/** The middle between where the camera stands and what it looks at, in degrees. */
export function middle({ lon, lat, h, heading, pitch }: View): readonly [number, number] {
  const down = (Math.max(-pitch, LEAST_PITCH) * Math.PI) / 180
  const ahead = Math.min(AHEAD_M, Math.max(0, h) / Math.tan(Math.min(down, Math.PI / 2))) / 2 / METRES
  const towards = (heading * Math.PI) / 180
  return [lon + (ahead * Math.sin(towards)) / Math.cos((lat * Math.PI) / 180), lat + ahead * Math.cos(towards)]
}

/** The box that is listened to: the same while the camera stays in a cell; smaller where it holds too much. */
export function boxOf(state: State, size = 1): readonly number[] | null {
  const { view } = state
  if (!view || view.h > FARTHEST_M || !(state.layers.devices || state.scheme === 'live')) return null
  const cell = CELL * size
  const [lon, lat] = middle(view).map((value) => Math.round(value / cell) * cell) as [number, number]
  const reach = cell * AROUND
  return [lon - reach, lat - reach, lon + reach, lat + reach].map((value) => Number(value.toFixed(5)))
}

export function createLiveStore(
  client: Client, state: ReadonlySignal<State>, turn: ReadonlySignal<number>, listen: Listen,
  { met, raised }: News = {},
): LiveStore {
  const [around, watched] = [new Latest(), new Latest()]
  const pulse = signal(0)
  const alarms = signal<readonly Alarm[]>([])
  const units = signal<ReadonlyMap<number, readonly Unit[]>>(new Map())
  const link = signal<Link>('opening')
  const since = signal<number | null>(null)
  const [rejoined, told] = [signal(0), signal(0)]
  const counts = new Map<number, number>()
  const watching = signal(0)
  const size = signal(1)
  /** Whether it was told what stands in the box that is asked for. */
  const answered = signal(false)
  const beat = (news: boolean): void => { if (news) pulse.value += 1 }
  const hear = (of: readonly Reading[]): boolean => watched.hear(of.filter(([id]) => counts.has(id)))

  /** Ask whom an alarm affects, once, and again where that changed. */
  const asked = new Map<number, string>()
  const light = (open: readonly Alarm[]): void => {
    const wanted = open.filter((one) => one.affected.units > 0).slice(0, LIT)
    const there = new Set(open.map(({ id }) => id))
    for (const id of asked.keys()) if (!there.has(id)) asked.delete(id)
    if ([...units.peek().keys()].some((id) => !there.has(id))) {
      units.value = new Map([...units.peek()].filter(([id]) => there.has(id)))
    }
    for (const one of wanted) {
      const what = `${one.affected.units} ${one.state}`
      if (asked.get(one.id) === what) continue
      asked.set(one.id, what)
      client.alarm(one.id).then(
        (whole) => { units.value = new Map(units.value).set(one.id, whole.units) },
        () => { asked.delete(one.id) },
      )
    }
  }
  const open = (next: readonly Alarm[]): void => { alarms.value = next; light(next) }

  const know = (about: Streams): void => batch(() => {
    if (box.peek() === NOWHERE) return // what is watched alone is told there
    around.know(about)
    answered.value = true
    pulse.value += 1
    told.value += 1
  })
  const near = listen({
    ...(met ? { who: met } : {}),
    streams: know,
    readings: (of) => {
      const news = box.peek() !== NOWHERE && around.hear(of)
      beat(hear(of) || news)
    },
    alarms: (of) => open(ranked(of)),
    alarm: (happened) => {
      for (const { what, alarm } of happened) {
        // Some are told twice.
        if (what === 'begin' && alarm.ended === null && !alarms.value.some(({ id }) => id === alarm.id)) raised?.(alarm)
      }
      const next = after(alarms.value, happened)
      if (next) open(next)
    },
    // More devices than can be listened to at once stand around: those nearest.
    refused: (why) => { if (why.status === 422 && size.value >= LEAST) size.value /= 2 },
    link: (is) => {
      if (is === 'cut') since.value = Date.now()
      else if (since.value !== null) { since.value = null; rejoined.value += 1 }
      link.value = is
    },
  })
  const beyond = listen({ readings: (of) => beat(hear(of)) })
  const kinds = signal<readonly string[] | null>(null)
  /** For symbols only what has one is listened to: meters in a thousand homes would leave no room for the lifts. */
  const narrow = computed(() => (state.value.scheme === 'live' ? '[]' : JSON.stringify(kinds.value)))
  const box = computed(() => JSON.stringify(
    size.value < LEAST || narrow.value === NOT_KNOWN ? null : boxOf(state.value, size.value),
  ))
  /** Elsewhere there may be fewer. */
  const whole = computed(() => JSON.stringify(boxOf(state.value)))
  effect(() => { if (whole.value && size.peek() < 1) size.value = Math.min(1, size.peek() * 2) })
  effect(() => { if (narrow.value) size.value = 1 })
  setInterval(() => { pulse.value += 1 }, JUDGED_MS)
  const ids = computed(() => { void watching.value; return JSON.stringify([...counts.keys()].sort((one, other) => one - other)) })
  /** What is watched goes on the same line where nothing is listened to around the camera. */
  const alone = computed(() => (box.value === NOWHERE ? ids.value : '[]'))
  effect(() => {
    // Who signed in or out may hear something else: lines are opened anew.
    if (turn.value > 0) { near.ask(null); beyond.ask(null) }
  })
  effect(() => {
    void turn.value
    const bbox = JSON.parse(box.value) as readonly number[] | null
    const datastream = JSON.parse(alone.value) as readonly number[]
    const kind = (bbox && (JSON.parse(narrow.value) as readonly string[])) ?? []
    answered.value = false
    if (!bbox && around.about.size > 0) {
      around.forget()
      pulse.value = pulse.peek() + 1
    }
    near.ask({ alarms: 'all', ...(bbox ? { bbox } : {}), ...(kind.length > 0 ? { class: kind } : {}), ...(datastream.length > 0 ? { datastream } : {}) } satisfies LiveAsk)
  })
  effect(() => {
    void [turn.value, told.value]
    const wanted = JSON.parse(ids.value) as readonly number[]
    if (box.value !== NOWHERE && !answered.value && wanted.length > 0) return // until it is told what the other line has
    const outside = box.value === NOWHERE ? [] : wanted.filter((id) => !around.about.has(id))
    beyond.ask(outside.length > 0 ? { datastream: outside, alarms: 'none' } : null)
  })

  return {
    around, watched, pulse, alarms, link, since, rejoined, told,
    reach: computed(() => {
      if (size.value === 1 || whole.value === NOWHERE) return null
      return size.value < LEAST ? 0 : Math.round(CELL * AROUND * METRES * size.value)
    }),
    drawn: signal(null), kinds,
    affected: computed(() => affected(alarms.value, units.value)),
    alarming: computed(() => new Set(alarms.value.flatMap(({ device }) => (device ? [device.id] : [])))),
    focus: signal(null),
    device: signal(null),
    watch(ids) {
      for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
      beat(hear(ids.map((id) => around.values.get(id)).filter((one) => one !== undefined)))
      watching.value += 1
      return () => {
        for (const id of ids) {
          const left = (counts.get(id) ?? 1) - 1
          if (left > 0) counts.set(id, left)
          else { counts.delete(id); watched.values.delete(id) }
        }
        watching.value += 1
      }
    },
    changed(alarm) {
      const next = after(alarms.value, [{ entry: 0, what: 'answered', at: 0, alarm }])
      if (next) open(next)
    },
  }
}
