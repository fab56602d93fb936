/** Does what the officer asks: sends, asks the service, follows the job; all it knows is a signal. */
import { batch, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { Refusal } from '../api/client'
import type { Job, Jobs, Kinds, Sentence } from '../api/types'
import type { Store } from '../store'
import { allSent, asModel, ended, type Happening, type Intake, NOTHING, order, question, type Sending, step, type Wishes } from './machine'
import { type Survey, survey } from './files'
import type { Sender, Sent } from './sending'

export interface Desk {
  readonly intake: ReadonlySignal<Intake>
  readonly kinds: ReadonlySignal<Kinds | null>
  readonly jobs: ReadonlySignal<Jobs | null>
  readonly survey: ReadonlySignal<Survey | null>
  drop(files: readonly File[]): Promise<void>
  pause(): void
  resume(): void
  choose(file: string): void
  wish(part: Partial<Omit<Wishes, 'fields'>>): void
  map(field: string, column: string | null): void
  load(dryRun: boolean): Promise<void>
  cancel(): Promise<void>
  /** Back from a job to what it was asked with, to change that. */
  change(): void
  /** Wait for the mended rows of the job that is shown. */
  mend(): void
  /** Leave the intake for the place on the map where the file lies. */
  show(): Promise<void>
  /** Put everything away and begin with another file. */
  fresh(): void
}

const LOOK_PAUSE_MS = 150
const POLL_MS = 700
const POLL_WAITING_MS = 1000

export function createDesk(store: Store, sender: Sender): Desk {
  const { client } = store
  const intake = signal<Intake>(NOTHING)
  const kinds = signal<Kinds | null>(null)
  const jobs = signal<Jobs | null>(null)
  const surveyed = signal<Survey | null>(null)
  const tell = (happened: Happening): void => { intake.value = step(intake.value, happened) }
  const refuse = (error: unknown): void => tell({ what: 'refused', why: sentenceOf(error) })

  const looking = createLooking(store, intake, tell)
  const courier = createCourier(sender, intake, tell)
  const followed = createFollowing(store, tell, (job) => {
    if (ended(job)) void list()
  })
  const list = async (): Promise<void> => {
    jobs.value = await client.jobs().catch(() => jobs.value)
  }

  const choose: Desk['choose'] = (file) => {
    tell({ what: 'chosen', file })
    store.open('intake')
    looking.soon()
  }
  const begin = async (): Promise<void> => {
    [kinds.value] = await Promise.all([kinds.value ?? client.kinds().catch((error) => { refuse(error); return null }), list()])
  }
  const drop: Desk['drop'] = async (files) => {
    if (files.length === 0) return
    if (!kinds.value) await begin()
    courier.stop()
    const found = survey(files.map((one) => one.name), kinds.value?.formats ?? [])
    const wanted = files.filter((one) => !found.unknown.includes(one.name))
    const group = await groupFor(store, sender, wanted)
    batch(() => {
      surveyed.value = found
      store.open('intake')
      tell({ what: 'dropped', group, files: wanted })
    })
    if (wanted.length === 0) return
    await courier.send(wanted, group)
  }

  effect(() => {
    const now = intake.value
    const first = surveyed.value?.readable[0]
    if (now.file === null && now.files.length > 0 && allSent(now) && first) queueMicrotask(() => {
      if (intake.peek().file === null) choose(first)
    })
  })
  effect(() => {
    const files = store.dropped.value
    if (files) { store.dropped.value = null; void drop(files) }
  })
  let closed = true
  effect(() => {
    const { page, job } = store.state.value
    const mine = intake.peek().job
    followed.follow(page === 'intake' ? job : null)
    if (page === 'intake' && job === null && mine) {
      // Opened again, it shows what it showed; Back from a job leads to what was asked.
      if (closed) queueMicrotask(() => store.change({ job: mine.id }))
      else { tell({ what: 'changing' }); if (!intake.peek().found) looking.soon() }
    }
    closed = page !== 'intake'
  })
  effect(() => {
    const { found } = intake.value
    const shown = store.state.value.page === 'intake' && found !== null
    store.preview.value = shown
      ? { features: found.footprints as never, extent: found.extent }
      : null
  })
  void begin()
  /** A job that came by a link says what was asked, not what the file holds. */
  const known = async (): Promise<void> => {
    const asked = question(intake.peek())
    if (!intake.peek().found && asked && !asModel(intake.peek())) tell({ what: 'found', found: await client.inspect(asked) })
  }

  return {
    intake, kinds, jobs, survey: surveyed, drop, choose,
    pause: courier.pause, resume: courier.resume,
    wish(part) {
      tell({ what: 'wished', part })
      const seen: (keyof Wishes)[] = ['kind', 'crs', 'layer', 'encoding', 'heights']
      if (seen.some((name) => name in part)) looking.soon()
    },
    map(field, column) {
      tell({ what: 'mapped', field, column })
      looking.soon()
    },
    async load(dryRun) {
      try {
        await known()
        const asked = order(intake.value, dryRun)
        if (!asked) return
        const job = await client.order(asked)
        tell({ what: 'job', job })
        store.open('intake', job.id)
        void list()
      } catch (error) { refuse(error) }
    },
    async cancel() {
      const { job } = intake.value
      if (!job) return
      try { tell({ what: 'job', job: await client.cancel(job.id) }) } catch (error) { refuse(error) }
    },
    change() {
      tell({ what: 'changing' })
      store.open('intake')
      if (!intake.value.found) looking.soon()
    },
    mend() {
      tell({ what: 'mending' })
      store.open('intake')
    },
    async show() {
      try { await known() } catch (error) { refuse(error); return }
      const extent = intake.peek().found?.extent ?? null
      store.open('city')
      if (extent) store.preview.value = { features: null, extent }
    },
    fresh() {
      courier.stop()
      batch(() => { surveyed.value = null; tell({ what: 'cleared' }) })
      store.open('intake')
      void list()
    },
  }
}

/** Looks into the file a moment after the last wish, and gives up a look that is outdated. */
function createLooking(store: Store, intake: Signal<Intake>, tell: (one: Happening) => void): { soon(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined
  let last = new AbortController()
  return {
    soon() {
      clearTimeout(timer)
      last.abort()
      if (asModel(intake.peek())) return
      const mine = (last = new AbortController())
      tell({ what: 'looking' })
      timer = setTimeout(() => {
        const asked = question(intake.peek())
        if (!asked) return
        store.client.inspect(asked, mine.signal).then(
          (found) => { if (!mine.signal.aborted) tell({ what: 'found', found }) },
          (error: unknown) => { if (!mine.signal.aborted) tell({ what: 'refused', why: sentenceOf(error) }) },
        )
      }, LOOK_PAUSE_MS)
    },
  }
}

interface Courier { send(files: readonly File[], group: string): Promise<void>; pause(): void; resume(): void; stop(): void }

/** Sends the files of a group one after the other. */
function createCourier(sender: Sender, intake: Signal<Intake>, tell: (one: Happening) => void): Courier {
  let serial = 0
  let current: { readonly name: string; readonly sent: Sent } | null = null
  const stop = (): void => {
    serial += 1
    current?.sent.pause()
    current = null
  }
  return {
    stop,
    async send(files, group) {
      stop()
      const mine = serial
      for (const file of files) {
        const say = (part: Partial<Sending>): void => {
          if (mine === serial) tell({ what: 'sending', name: file.name, part })
        }
        await new Promise<void>((next) => {
          void sender.send(file, group, {
            progress: (sent) => say({ sent, state: 'sending' }),
            done: () => { say({ sent: file.size, state: 'sent' }); next() },
            lost: () => say({ state: 'lost' }),
            refused: (why) => { say({ state: 'refused', why }); next() },
          }).then((sent) => {
            if (mine !== serial) return
            current = { name: file.name, sent }
            say({ state: 'sending' })
            sent.start()
          })
        })
        if (mine !== serial) return
      }
      current = null
    },
    pause() {
      if (!current) return
      current.sent.pause()
      tell({ what: 'sending', name: current.name, part: { state: 'paused' } })
    },
    resume() {
      const still = intake.peek().files.some((one) => one.state === 'paused' || one.state === 'lost')
      if (!current || !still) return
      tell({ what: 'sending', name: current.name, part: { state: 'sending' } })
      current.sent.start()
    },
  }
}

/** Asks after the job of the link until it has ended. */
function createFollowing(
  store: Store, tell: (one: Happening) => void, heard: (job: Job) => void,
): { follow(id: number | null): void } {
  let timer: ReturnType<typeof setTimeout> | undefined
  let last = new AbortController()
  let now: number | null = null
  const ask = (id: number, mine: AbortController): void => {
    store.client.job(id, mine.signal).then((job) => {
      if (mine.signal.aborted) return
      tell({ what: 'job', job })
      heard(job)
      if (!ended(job)) timer = setTimeout(() => ask(id, mine), job.state === 'waiting' ? POLL_WAITING_MS : POLL_MS)
    }, (error: unknown) => {
      if (mine.signal.aborted) return
      if (error instanceof Refusal && error.status === 404) {
        tell({ what: 'refused', why: sentenceOf(error) })
        store.open('intake')
      } else timer = setTimeout(() => ask(id, mine), POLL_WAITING_MS)
    })
  }
  return {
    follow(id) {
      if (id === now) return
      now = id
      clearTimeout(timer)
      last.abort()
      if (id === null) return
      ask(id, (last = new AbortController()))
    },
  }
}

/** The group of an earlier visit if these very files began to arrive in it, else a new one. */
async function groupFor(store: Store, sender: Sender, files: readonly File[]): Promise<string> {
  const before = await Promise.all(files.map((one) => sender.known(one).catch(() => null)))
  const group = before.find((one) => one !== null)
  if (group) {
    const there = await store.client.uploads(group).then((found) => found.uploads, () => [])
    const taken = new Set(there.map((one) => one.file))
    const fits = files.every((one, at) => before[at] === group || !taken.has(one.name))
    if (there.length > 0 && fits) return group
  }
  return identifier()
}

/** A UUID; made by hand where the page has no secure context, as on a plain address of the office. */
function identifier(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID()
  const random = crypto.getRandomValues(new Uint8Array(16))
  return [...random].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

function sentenceOf(error: unknown): Sentence {
  if (error instanceof Refusal) return { en: error.en, zh: error.zh }
  return { en: String(error), zh: String(error) }
}
