/** Server-sent events in the shape of a socket: each subscription is a request of its own. */
import type { Socket } from './live'

type Fetch = (address: string, init: RequestInit) => Promise<Response>

/** The status of a subscription that is wrong in itself: to ask for it again is of no use. */
const WRONG = 422

/** Not an EventSource: that tells neither why it was refused nor that all is well, and gives up for ever. */
export function overEvents(address: string, ask: Fetch = (at, init) => fetch(at, init)): Socket {
  let stop = new AbortController()
  const line: Socket = {
    onopen: null,
    onmessage: null,
    onclose: null,
    send(text) {
      stop.abort()
      const mine = (stop = new AbortController())
      const over = (): void => { if (!mine.signal.aborted) line.onclose?.() }
      read(`${address}?${query(text)}`, mine.signal).then((goes) => { if (!goes) over() }, over)
    },
    close() { stop.abort() },
  }
  const say = (event: string, id: string | null, data: string): void =>
    line.onmessage?.({ data: `{"event":"${event}","id":${JSON.stringify(id)},"data":${data}}` })

  /** Read one subscription until it ends; whether it may be left at that. */
  async function read(at: string, signal: AbortSignal): Promise<boolean> {
    const answer = await ask(at, { signal, cache: 'no-store', headers: { Accept: 'text/event-stream' } })
    if (answer.status === WRONG) {
      const { detail, detail_zh } = (await answer.json()) as Record<string, unknown>
      say('refused', null, JSON.stringify({ status: WRONG, detail, detail_zh }))
      return true
    }
    if (!answer.ok || !answer.body) return false
    const [reader, decoder] = [answer.body.getReader(), new TextDecoder()]
    const event = new Event()
    for (let left = ''; ;) {
      const { done, value } = await reader.read()
      if (done) return false
      const lines = (left + decoder.decode(value, { stream: true })).split('\n')
      left = lines.pop() ?? ''
      for (const one of lines) {
        if (one !== '') event.take(one)
        else if (!signal.aborted) event.end(say)
      }
    }
  }
  queueMicrotask(() => line.onopen?.())
  return line
}

/** One event, line by line. */
class Event {
  private fields: Record<string, string> = {}

  take(line: string): void {
    const at = line.indexOf(':')
    if (at > 0) this.fields[line.slice(0, at)] = line.slice(at + 1).replace(/^ /, '')
  }

  /** It is whole; one without data is a beat, one with neither data nor an id is none. */
  end(say: (event: string, id: string | null, data: string) => void): void {
    const { id = null, event = 'beat', data } = this.fields
    this.fields = {}
    if (id !== null || data !== undefined) say(event, id, data ?? 'null')
  }
}

/** A subscription as parameters of an address: lists with commas between. */
export function query(text: string): string {
  return new URLSearchParams(
    Object.entries(JSON.parse(text) as Record<string, unknown>).map(([name, value]) => [name, String(value)]),
  ).toString()
}
