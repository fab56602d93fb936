/** The state as a signal, what the service said about it, and the acts that change it. */
import {
  batch, computed, effect, type ReadonlySignal, type Signal, signal, untracked,
} from '@preact/signals'
import { type Client, Refusal } from './api/client'
import type { Alarm, Building, Card, City, FeatureCollection, FloorGrid, FoundItem, Session } from './api/types'
import type { Who } from './api/live'
import { type Isolation, type LayerName, type Selection, type State, type View } from './state'
import { createLiveStore, type Listen, type LiveStore, SILENCE } from './live'
import { type Words, WORDS } from './words'

export interface Message { readonly en: string; readonly zh: string; readonly kind: 'info' | 'error' }
export interface Hover { readonly x: number; readonly y: number; readonly text: string }
/** Where to look, asked of whoever holds the camera; `serial` makes each wish a new one. */
export interface Wish {
  readonly lon: number; readonly lat: number; readonly h: number; readonly range: number
  /** Which side it is to be seen from, degrees from north; only where it is not seen yet. */
  readonly outward?: number
  readonly serial: number
}
/** What is drawn over the city for a while, and the box to look at: west, south, east, north. */
export interface Preview {
  readonly features: FeatureCollection | null
  readonly extent: readonly [number, number, number, number] | null
}
export type Tab = 'layers' | 'floors' | 'alarms' | 'card' | 'none'

export interface Store {
  readonly client: Client
  readonly live: LiveStore
  readonly state: ReadonlySignal<State>
  readonly t: ReadonlySignal<Words>
  readonly city: Signal<City | null>
  readonly session: Signal<Session | null>
  readonly building: Signal<Building | null>
  readonly floors: Signal<FloorGrid | null>
  readonly card: Signal<Card | null>
  readonly purpose: Signal<string | null>
  readonly message: Signal<Message | null>
  readonly hover: Signal<Hover | null>
  readonly wish: Signal<Wish | null>
  readonly tab: Signal<Tab>
  readonly help: Signal<boolean>
  /** Whether the page on signing in is open. */
  readonly signing: Signal<boolean>
  /** What a one-time link carried that sets a password, or null. */
  readonly link: Signal<string | null>
  readonly preview: Signal<Preview | null>
  /** Files that were dropped on the page and that nobody has taken yet. */
  readonly dropped: Signal<readonly File[] | null>
  /** Whether the caller may bring files in. */
  readonly mayLoad: ReadonlySignal<boolean>
  /** Change parts of the state that a link keeps but the history does not. */
  change(part: Partial<State>): void
  setLayer(name: LayerName, on: boolean): void
  setView(view: View): void
  isolate(isolation: Isolation, storey: number): void
  /** Show the city alone or a page before it, as a step the browser's Back undoes. */
  open(page: State['page'], job?: number | null): void
  /** Select, as a step the browser's Back undoes. `look` also moves the camera there. */
  select(selection: Selection, look?: boolean): void
  /** Select what stands at a point: the building that was hit, and the unit if one is there. */
  selectAt(building: number, lon: number, lat: number, h: number): Promise<void>
  go(found: FoundItem): Promise<void>
  /** Look at a place: degrees, metres above the ellipsoid, and from how far. */
  look(lon: number, lat: number, h: number, range: number): void
  say(en: string, zh: string, kind?: Message['kind']): void
  /** Say what went wrong, in the service's own sentence where it gave one. */
  complain(error: unknown): void
  /** Somebody signed in or out: what is shown is asked anew. */
  signedIn(session: Session): void
  /** Take over a state that came from a link or the history. */
  restore(state: State): void
  start(): Promise<void>
}

/** Severity from which on a new alarm is said besides being listed: important. */
const GRAVE = 3
/** Statuses of what somebody may not, or nobody in particular. */
const NOT_ALLOWED: readonly number[] = [401, 403]

/** Whether it is the same person with the same rights. */
function same(one: Who, other: Who): boolean {
  return one.actor === other.actor && [...one.scopes].sort().join() === [...other.scopes].sort().join()
}

/** What the store needs of the browser's address and history. */
export interface Trail { push(state: State): void; replace(state: State): void }

export function createStore(
  client: Client, initial: State, trail: Trail, carried: string | null = null,
  listen: Listen = SILENCE,
): Store {
  const state = signal(initial)
  const t = computed(() => WORDS[state.value.language])
  const city = signal<City | null>(null)
  const session = signal<Session | null>(null)
  /** Goes up when somebody signs in or out: what was asked may be answered otherwise now. */
  const turn = signal(0)
  const building = signal<Building | null>(null)
  const floors = signal<FloorGrid | null>(null)
  const card = signal<Card | null>(null)
  const purpose = signal<string | null>(null)
  const message = signal<Message | null>(null)
  const wish = signal<Wish | null>(null)
  const tab = signal<Tab>(initial.selection.unit === null ? 'none' : 'card')
  let serial = 0

  const say: Store['say'] = (en, zh, kind = 'info') => {
    message.value = { en, zh, kind }
  }
  const complain = (error: unknown): void => {
    if (error instanceof DOMException && error.name === 'AbortError') return
    // What was refused may have been asked for by who is signed in no longer.
    if (error instanceof Refusal && NOT_ALLOWED.includes(error.status) && session.peek()?.signed_in) who()
    if (error instanceof Refusal) say(error.en, error.zh, 'error')
    else say(String(error), String(error), 'error')
  }
  const signedIn: Store['signedIn'] = (now) => batch(() => {
    session.value = now
    purpose.value = now.default_purpose
    turn.value += 1
  })
  /** Ask who one is, and follow where that is another than the page knows: a session ended elsewhere, or by disuse. */
  const who = (): void => {
    client.session().then(
      (now) => {
        const before = session.peek()
        if (before === null || same(before, now)) return
        signedIn(now)
        if (!before.signed_in) return
        const what = now.signed_in ? 'another' : 'over'
        say(WORDS.en.signIn[what], WORDS['zh-CN'].signIn[what], 'error')
      },
      () => undefined, // the next line says it again
    )
  }
  /** A line says whom it takes us for. To ask is a use of the session, so nobody does before. */
  const met = (is: Who): void => {
    const known = session.peek()
    if (known !== null && !same(known, is)) who()
  }
  /** What is grave is said wherever one looks; what went wrong is not talked over. */
  const raised = ({ kind, message: said, severity }: Alarm): void => {
    if ((severity ?? 0) < GRAVE || message.peek()?.kind === 'error') return
    const { en, 'zh-CN': zh } = WORDS
    say(en.alarmList.begun(said?.en ?? kind), zh.alarmList.begun(said?.zh ?? kind))
  }
  const change: Store['change'] = (part) => {
    state.value = { ...state.value, ...part }
    trail.replace(state.value)
  }
  const look = (lon: number, lat: number, h: number, range: number, outward?: number): void => {
    wish.value = { lon, lat, h, range, serial: ++serial, ...(outward === undefined ? {} : { outward }) }
  }
  const lookAtBuilding = (one: Building): void => {
    const ground = one.ground_elev + one.height_shift
    const [lon, lat] = one.centre
    if (lon !== undefined && lat !== undefined) {
      look(lon, lat, ground + one.height / 2, Math.max(140, one.height * 2.6))
    }
  }

  /** See the unit of the card from its own side of the building. */
  const lookAtUnit = (one: Card, of: Building): void => {
    const [lon, lat, h] = one.centre
    const [west, south] = of.centre
    if (lon === undefined || lat === undefined || h === undefined) return
    const east = (lon - (west ?? lon)) * Math.cos((lat * Math.PI) / 180)
    const outward = (Math.atan2(east, lat - (south ?? lat)) * 180) / Math.PI
    look(lon, lat, h, Math.max(110, of.height * 2), outward)
  }

  // A link that names a thing and no view shows the thing.
  let looking = initial.view === null
  const select: Store['select'] = (selection, alsoLook = false) => {
    const before = state.value.selection
    looking = alsoLook
    if (before.building === selection.building && before.unit === selection.unit) {
      if (alsoLook && building.value) lookAtBuilding(building.value)
      return // already selected
    }
    const other = before.building !== selection.building
    batch(() => {
      state.value = { ...state.value, selection, ...(other ? { isolation: 'all' as const, storey: 1 } : {}) }
      if (selection.unit !== null) tab.value = 'card'
      else if (selection.building === null) tab.value = 'none'
    })
    trail.push(state.value)
  }

  const selectAt: Store['selectAt'] = async (id, lon, lat, h) => {
    try {
      const there = await client.locate(lon, lat, h)
      const inside = there.building?.id === id && there.unit
      select({ building: id, unit: inside ? inside.id : null })
    } catch (error) {
      select({ building: id, unit: null })
      complain(error)
    }
  }

  const go: Store['go'] = async (found) => {
    if (found.building_id !== null) return select({ building: found.building_id, unit: found.unit_id }, true)
    if (found.lon !== null && found.lat !== null) look(found.lon, found.lat, ground(), reach(found.level))
  }
  /** Metres from which a place of a level of the address ladder is seen: a town, a community, an estate. */
  const reach = (level: number): number => (level <= 3 ? 9000 : level <= 4 ? 3000 : 600)
  const ground = (): number => building.value?.ground_elev ?? 0

  follow(
    () => `${state.value.selection.building ?? ''} ${turn.value}`,
    async (_, signal) => {
      const id = state.peek().selection.building
      if (id === null) {
        batch(() => { building.value = null; floors.value = null })
        return
      }
      const [one, grid] = await Promise.all([client.building(id, signal), client.floorGrid(id, signal)])
      batch(() => { building.value = one; floors.value = grid })
      if (looking && state.peek().selection.unit === null) lookAtBuilding(one)
    },
    complain,
  )
  const wanted = computed(
    () => `${state.value.selection.unit ?? ''} ${purpose.value ?? ''} ${turn.value}`,
  )
  follow(
    () => wanted.value,
    async (_, signal) => {
      const unit = state.peek().selection.unit
      card.value = unit === null ? null : await client.card(unit, purpose.peek(), signal)
    },
    complain,
  )
  let seen: number | null = null
  effect(() => {
    const [one, of] = [card.value, building.value]
    if (one === null || of === null || one.building.id !== of.id || one.unit.id === seen) return
    seen = one.unit.id
    if (looking) lookAtUnit(one, of)
  })

  return {
    client, live: createLiveStore(client, state, turn, listen, { met, raised }), look, state, t, city, session, building, floors, card, purpose, message, wish, tab,
    hover: signal(null),
    help: signal(false),
    signing: signal(false),
    link: signal(carried),
    preview: signal(null),
    dropped: signal(null),
    mayLoad: computed(() => session.value?.scopes.includes('intake') ?? false),
    open(page, job = null) {
      if (state.value.page === page && state.value.job === job) return
      state.value = { ...state.value, page, job }
      trail.push(state.value)
    },
    change, say, complain, select, selectAt, go, signedIn,
    setLayer: (name, on) => change({ layers: { ...state.value.layers, [name]: on } }),
    setView: (view) => change({ view }),
    isolate: (isolation, storey) => change({ isolation, storey }),
    restore: (next) => { state.value = next },
    async start() {
      const [isCity, isSession] = await Promise.allSettled([client.city(), client.session()])
      batch(() => {
        if (isSession.status === 'fulfilled') {
          session.value = isSession.value
          purpose.value = isSession.value.default_purpose
        }
        if (isCity.status === 'fulfilled') city.value = isCity.value
        else complain(isCity.reason)
      })
    },
  }
}

/** Run a task whenever a value changes, giving up the one before. */
function follow<T>(
  value: () => T,
  task: (value: T, signal: AbortSignal) => Promise<void>,
  failed: (error: unknown) => void,
): void {
  const watched = computed(value)
  let last = new AbortController()
  effect(() => {
    const now = watched.value
    last.abort()
    const mine = (last = new AbortController())
    untracked(() => task(now, mine.signal)).catch((error: unknown) => { if (!mine.signal.aborted) failed(error) })
  })
}
