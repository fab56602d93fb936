/** What devices say, as it comes: over a socket, or server-sent events where none is let through; opened again where it was cut off. */
import { overEvents } from './events'
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
  readonly name: readonly string[]
  /** What a screen calls each. */
  readonly zh: readonly string[]
  readonly en: readonly string[]
  readonly property: readonly string[]
  readonly unit: readonly (string | null)[]
  readonly interval_s: readonly (number | null)[]
  readonly bind_type: readonly (string | null)[]
  readonly bind_id: readonly (number | null)[]
  readonly building_id: readonly (number | null)[]
}

/** An entry of an alarm's history, with the alarm as it is now. */
export interface Happened { readonly entry: number; readonly what: string; readonly at: number; readonly alarm: Alarm }

/** For whom the service takes who listens; nobody in particular has no name. */
export interface Who { readonly actor: string | null; readonly scopes: readonly string[] }

export interface Refused { readonly status: number; readonly detail: string; readonly detail_zh: string }

/** How it is heard now; `cut`: it is not, and is tried again. */
export type Way = 'socket' | 'events'
export type Link = 'opening' | Way | 'cut'

export interface Heard {
  /** Told once, as each line begins. */
  who?(is: Who): void
  streams?(about: Streams): void
  readings?(of: readonly Reading[]): void
  /** Those that are open; what was known before is forgotten. */
  alarms?(open: readonly Alarm[]): void
  alarm?(happened: readonly Happened[]): void
  refused?(why: Refused): void
  link?(is: Link): void
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

/** How lines of each way are opened, and which of them has worked on this page. */
export interface Ways {
  readonly open: Readonly<Record<Way, (address: string) => Socket>>
  readonly worked: Set<Way>
}

export const throughBrowser = (): Ways => ({
  open: {
    socket: (at) => new WebSocket(`${at.replace(/^http/, 'ws')}/socket`) as unknown as Socket,
    events: (at) => overEvents(at),
  },
  worked: new Set(),
})

const AGAIN_MS = [500, 1000, 2000, 5000, 10_000] as const
/** Tries of one way before the other has its turn as well. */
const PATIENT = 2
/** Milliseconds for a line to open, for its first word, and between two: the service speaks each 15 s. */
const OPEN_MS = 8000
const FIRST_MS = 15_000
const QUIET_MS = 40_000
/** It is cut off only when it stays so: the service ends each line now and then. */
const CUT_MS = 3000

/** Listen to `/live` of the service at this address. */
export function createLive(address: string, heard: Heard, ways: Ways = throughBrowser()): Live {
  let wanted: string | null = null
  let socket: Socket | null = null
  let ready = false
  /** The last event's id, of the subscription that is wanted now. */
  let last: string | null = null
  let tries = 0
  let link: Link = 'opening'
  let timer: ReturnType<typeof setTimeout> | undefined
  let patience: ReturnType<typeof setTimeout> | undefined
  let cut: ReturnType<typeof setTimeout> | undefined

  const tell = (next: Link): void => {
    clearTimeout(cut)
    cut = undefined
    if (next !== link) heard.link?.(link = next)
  }
  /** The way that has worked, a socket before all; the other by turns where that leads nowhere. */
  const way = (): Way => {
    const first: Way = ways.worked.has('events') && !ways.worked.has('socket') ? 'events' : 'socket'
    return tries < PATIENT || tries % 2 === 1 ? first : first === 'socket' ? 'events' : 'socket'
  }
  const within = (ms: number, mine: Socket): void => {
    clearTimeout(patience)
    patience = setTimeout(() => { lost(mine); mine.close() }, ms)
  }
  const say = (): void => {
    if (!socket || !ready || wanted === null) return
    const ask = JSON.parse(wanted) as LiveAsk
    within(FIRST_MS, socket)
    socket.send(JSON.stringify(last === null ? ask : { ...ask, after: last }))
  }
  const take = (text: string): void => {
    const { event, id, data } = JSON.parse(text) as { event: string; id: string | null; data: never }
    if (id) last = id
    if (event === 'who') heard.who?.(data)
    else if (event === 'streams') heard.streams?.(data)
    else if (event === 'readings') heard.readings?.(data)
    else if (event === 'alarms') heard.alarms?.(data)
    else if (event === 'alarm') heard.alarm?.(data)
    else if (event === 'refused') heard.refused?.(data)
  }
  const lost = (mine: Socket): void => {
    if (mine !== socket) return
    socket = null
    ready = false
    clearTimeout(patience)
    cut ??= setTimeout(() => tell('cut'), CUT_MS)
    const pause = AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)] ?? 0
    tries += 1
    // Spread widely: all pages of a city are cut off at the same moment when its service starts anew.
    if (wanted !== null) timer = setTimeout(connect, pause * (0.5 + Math.random()))
  }
  const connect = (): void => {
    clearTimeout(timer)
    const by = way()
    const mine = (socket = ways.open[by](address))
    within(OPEN_MS, mine)
    mine.onopen = () => { if (mine === socket) { ready = true; say() } }
    mine.onmessage = ({ data }) => {
      if (mine !== socket) return
      within(QUIET_MS, mine)
      tries = 0
      ways.worked.add(by)
      tell(by) // not before: some proxies open a line and let nothing through
      take(data)
    }
    mine.onclose = () => lost(mine)
  }
  return {
    ask(next) {
      const text = next === null ? null : JSON.stringify(next)
      if (text === wanted) return
      wanted = text
      last = null
      if (text === null) {
        clearTimeout(timer)
        clearTimeout(patience)
        clearTimeout(cut)
        cut = undefined
        const mine = socket
        socket = null
        ready = false
        tries = 0
        mine?.close()
      } else if (socket) say()
      else connect()
    },
  }
}
