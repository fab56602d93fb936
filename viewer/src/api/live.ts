/** What devices say, as it comes: a socket whose subscription may change, opened again where it was cut off. */
import type { Alarm } from './types'

/** What is subscribed to; all that is named is sent, as far as class, property and box allow. */
export interface LiveAsk {
  readonly datastream?: readonly number[]
  readonly building?: readonly number[]
  /** West, south, east, north in degrees. */
  readonly bbox?: readonly number[]
  readonly class?: readonly string[]
  readonly property?: readonly string[]
  readonly alarms: 'all' | 'here' | 'none'
}

/** Id of the datastream, milliseconds since 1970, value, and the quality where it is not good. */
export type Reading = readonly [id: number, ms: number, value: number | string | null, quality?: number]

/** What is known of each datastream that is subscribed to, a column a list. */
export interface Streams {
  readonly id: readonly number[]
  readonly device_id: readonly (number | null)[]
  readonly class: readonly (string | null)[]
  readonly property: readonly string[]
  readonly unit: readonly (string | null)[]
  readonly interval_s: readonly (number | null)[]
  readonly bind_type: readonly (string | null)[]
  readonly bind_id: readonly (number | null)[]
  readonly building_id: readonly (number | null)[]
}

/** An entry of an alarm's history, with the alarm as it is now. */
export interface Happened { readonly entry: number; readonly what: string; readonly at: number; readonly alarm: Alarm }

export interface Refused { readonly status: number; readonly detail: string; readonly detail_zh: string }

export interface Heard {
  streams?(about: Streams): void
  readings?(of: readonly Reading[]): void
  /** Those that are open; what was known before is forgotten. */
  alarms?(open: readonly Alarm[]): void
  alarm?(happened: readonly Happened[]): void
  refused?(why: Refused): void
  connected?(is: boolean): void
}

/** As much of a WebSocket as is used. */
export interface Socket {
  onopen: (() => void) | null
  onmessage: ((event: { data: string }) => void) | null
  onclose: (() => void) | null
  send(text: string): void
  close(): void
}

export interface Live {
  /** Subscribe to this, and to nothing else any more; null closes the socket. */
  ask(wanted: LiveAsk | null): void
}

const AGAIN_MS = [500, 1000, 2000, 5000, 10_000] as const
const SPREAD = 0.3

/** Listen through a socket of this address; `open` is the browser's. */
export function createLive(
  address: string, heard: Heard, open: (address: string) => Socket = (at) => new WebSocket(at) as unknown as Socket,
): Live {
  let wanted: string | null = null
  let socket: Socket | null = null
  let ready = false
  /** The last event's id, of the subscription that is wanted now. */
  let last: string | null = null
  let tries = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  const say = (): void => {
    if (!socket || !ready || wanted === null) return
    const ask = JSON.parse(wanted) as LiveAsk
    socket.send(JSON.stringify(last === null ? ask : { ...ask, after: last }))
  }
  const take = (text: string): void => {
    const { event, id, data } = JSON.parse(text) as { event: string; id: string | null; data: never }
    if (id) last = id
    if (event === 'streams') heard.streams?.(data)
    else if (event === 'readings') heard.readings?.(data)
    else if (event === 'alarms') heard.alarms?.(data)
    else if (event === 'alarm') heard.alarm?.(data)
    else if (event === 'refused') heard.refused?.(data)
  }
  const connect = (): void => {
    clearTimeout(timer)
    const mine = (socket = open(address))
    mine.onopen = () => { ready = true; tries = 0; heard.connected?.(true); say() }
    mine.onmessage = ({ data }) => { if (mine === socket) take(data) }
    mine.onclose = () => {
      if (mine !== socket) return
      socket = null
      if (ready) heard.connected?.(false)
      ready = false
      const pause = AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)] ?? 0
      tries += 1
      if (wanted !== null) timer = setTimeout(connect, pause * (1 + Math.random() * SPREAD))
    }
  }
  return {
    ask(next) {
      const text = next === null ? null : JSON.stringify(next)
      if (text === wanted) return
      wanted = text
      last = null
      if (text === null) {
        clearTimeout(timer)
        const mine = socket
        socket = null
        ready = false
        mine?.close()
      } else if (socket) say()
      else connect()
    },
  }
}
