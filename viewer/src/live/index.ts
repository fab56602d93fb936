/** What devices say of what is looked at, and the alarms of the city, as signals. */
import { computed, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { createLive, type Heard, type Live, type LiveAsk } from '../api/live'
import type { Client } from '../api/client'
import type { Alarm, WholeAlarm } from '../api/types'
import type { State } from '../state'
import { affected, type Affected, after, ranked, type Unit } from './alarms'
import { Latest } from './latest'

/** Degrees around the camera in which devices are listened to: two kilometres. */
const CELL = 0.01
const AROUND = 1.2
/** The camera's height from which on devices are not listened to, metres. */
const FARTHEST_M = 5000
/** Alarms whose affected units are asked for. */
const LIT = 20

export interface LiveStore {
  /** Readings of what is around the camera, and of what is watched. */
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
  readonly connected: ReadonlySignal<boolean | null>
  /** Listen to some datastreams until what is given back is called. */
  watch(ids: readonly number[]): () => void
  /** An alarm is another now, as the service answered. */
  changed(alarm: WholeAlarm): void
}

export type Listen = (heard: Heard) => Live

/** Through sockets of the service that this page came from. */
export const throughSockets = (client: Client): Listen => (heard) =>
  createLive(client.address('live/socket').replace(/^http/, 'ws'), heard)

/** Where nobody says anything. */
export const SILENCE: Listen = () => ({ ask: () => undefined })

/** The box that is listened to: the same while the camera stays in a cell; smaller where it holds too much. */
export function boxOf(state: State, size = 1): readonly number[] | null {
  const { view } = state
  if (!view || view.h > FARTHEST_M || !(state.layers.devices || state.scheme === 'live')) return null
  const cell = CELL * size
  const [lon, lat] = [view.lon, view.lat].map((value) => Math.round(value / cell) * cell) as [number, number]
  const reach = cell * AROUND
  return [lon - reach, lat - reach, lon + reach, lat + reach].map((value) => Number(value.toFixed(5)))
}

export function createLiveStore(
  client: Client, state: ReadonlySignal<State>, turn: ReadonlySignal<number>, listen: Listen,
): LiveStore {
  const [around, watched] = [new Latest(), new Latest()]
  const pulse = signal(0)
  const alarms = signal<readonly Alarm[]>([])
  const units = signal<ReadonlyMap<number, readonly Unit[]>>(new Map())
  const connected = signal<boolean | null>(null)
  const counts = new Map<number, number>()
  const watching = signal(0)
  const size = signal(1)
  const beat = (news: boolean): void => { if (news) pulse.value += 1 }

  /** Ask whom an alarm affects, once, and again where that changed. */
  const asked = new Map<number, string>()
  const light = (open: readonly Alarm[]): void => {
    const wanted = open.filter((one) => one.affected.units > 0).slice(0, LIT)
    for (const id of asked.keys()) if (!open.some((one) => one.id === id)) asked.delete(id)
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

  const near = listen({
    streams: (about) => { around.know(about); pulse.value += 1 },
    readings: (of) => beat(around.hear(of)),
    alarms: (of) => open(ranked(of)),
    alarm: (happened) => { const next = after(alarms.value, happened); if (next) open(next) },
    // More devices than can be listened to at once stand around: those nearest.
    refused: (why) => { if (why.status === 422 && size.value > 0.1) size.value /= 2 },
    connected: (is) => { connected.value = is },
  })
  const shown = listen({
    streams: (about) => watched.know(about),
    readings: (of) => beat(watched.hear(of)),
  })
  const box = computed(() => JSON.stringify(boxOf(state.value, size.value)))
  effect(() => {
    // Who signed in or out may hear something else: sockets are opened anew.
    if (turn.value > 0) { near.ask(null); shown.ask(null) }
  })
  effect(() => {
    void turn.value
    const bbox = JSON.parse(box.value) as readonly number[] | null
    near.ask({ alarms: 'all', ...(bbox ? { bbox } : {}) } satisfies LiveAsk)
  })
  effect(() => {
    void watching.value
    void turn.value
    const ids = [...counts.keys()].sort((one, other) => one - other)
    shown.ask(ids.length > 0 ? { datastream: ids, alarms: 'none' } : null)
  })

  return {
    around, watched, pulse, alarms, connected,
    affected: computed(() => affected(alarms.value, units.value)),
    alarming: computed(() => new Set(alarms.value.flatMap(({ device }) => (device ? [device.id] : [])))),
    focus: signal(null),
    watch(ids) {
      for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
      watching.value += 1
      return () => {
        for (const id of ids) {
          const left = (counts.get(id) ?? 1) - 1
          if (left > 0) counts.set(id, left)
          else counts.delete(id)
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
