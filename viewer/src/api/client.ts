/** The service, asked. Errors come back as the sentence the service gives, in both languages. */
import type {
  AlarmAct, Building, Card, City, FloorGrid, FeatureCollection, Found, Inspection, Job, Jobs, Kinds, Located,
  Findings, Match, Matches, Order, Quality, Question, Series, Session, Uploads, WholeAlarm,
} from './types'

/** A question the service did not answer; `zh` and `en` are fit to show. */
export class Refusal extends Error {
  constructor(readonly status: number, readonly en: string, readonly zh: string) {
    super(en)
  }
}

export interface Client {
  city(): Promise<City>
  session(): Promise<Session>
  signIn(name: string, password: string, code: string): Promise<Session>
  signOut(): Promise<void>
  /** Set a password by a one-time link, and be signed in. */
  redeem(link: string, password: string): Promise<Session>
  changePassword(old: string, fresh: string, code: string): Promise<Session>
  /** What a request carries that changes something. */
  proof(): Record<string, string>
  building(id: number, signal?: AbortSignal): Promise<Building>
  floorGrid(id: number, signal?: AbortSignal): Promise<FloorGrid>
  card(id: number, purpose: string | null, signal?: AbortSignal): Promise<Card>
  locate(lon: number, lat: number, h: number, signal?: AbortSignal): Promise<Located>
  /** What may be meant by what was typed so far. */
  suggest(q: string, limit: number, signal?: AbortSignal): Promise<Found>
  /** A day of a datastream, in as many points as a chart is wide. */
  series(id: number, points: number, signal?: AbortSignal): Promise<Series>
  features(collection: string, box: readonly number[], limit: number): Promise<FeatureCollection>
  alarm(id: number): Promise<WholeAlarm>
  /** Do something with an alarm, and write a note into its history. */
  act(id: number, what: AlarmAct, note?: string): Promise<WholeAlarm>
  kinds(): Promise<Kinds>
  uploads(group: string): Promise<Uploads>
  inspect(question: Question, signal?: AbortSignal): Promise<Inspection>
  order(order: Order): Promise<Job>
  jobs(): Promise<Jobs>
  job(id: number, signal?: AbortSignal): Promise<Job>
  cancel(id: number): Promise<Job>
  quality(): Promise<Quality>
  /** What a check found, from the one after `after` on. */
  findings(check: string, after: number): Promise<Findings>
  matches(decision: Match['decision']): Promise<Matches>
  decide(id: number, decision: Match['decision']): Promise<Match>
  /** The full address of a tileset, for whoever loads it. */
  address(path: string): string
}

type Values = Record<string, string | number>

/** A client of the service that this page came from; `ask` is the browser's fetch. */
export function createClient(base: string, ask: typeof fetch): Client {
  const address = (path: string): string => new URL(path.replace(/^\//, ''), base).href
  let csrf: string | null = null
  const proof = (): Record<string, string> => (csrf ? { 'X-CSRF-Token': csrf } : {})

  async function get<T>(path: string, values: Values = {}, options: RequestInit = {}): Promise<T> {
    return (await (await answered(path, values, options)).json()) as T
  }
  async function answered(path: string, values: Values, options: RequestInit): Promise<Response> {
    const query = new URLSearchParams(Object.entries(values).map(([k, v]) => [k, String(v)]))
    const answer = await ask(address(path) + (query.size > 0 ? `?${query}` : ''), {
      ...options,
      headers: { Accept: 'application/json', ...(options.method ? proof() : {}), ...options.headers },
    }).catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'AbortError') throw error
      throw new Refusal(0, 'The service does not answer.', '服务没有应答。')
    })
    if (!answer.ok) throw await refusal(answer)
    return answer
  }
  /** Who the caller is; what the service gave for changes is kept here and nowhere else. */
  const known = async (asked: Promise<Session>): Promise<Session> => {
    const session = await asked
    csrf = session.csrf
    return session
  }
  const post = <T>(path: string, body?: unknown, options: RequestInit = {}): Promise<T> =>
    get(path, {}, {
      method: 'POST',
      ...options,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    })
  const aborted = (signal?: AbortSignal): RequestInit => (signal ? { signal } : {})

  return {
    address,
    city: () => get('city'),
    proof,
    session: () => known(get('session')),
    signIn: (name, password, code) => known(post('session', { name, password, code })),
    signOut: async () => { await answered('session', {}, { method: 'DELETE' }) },
    redeem: (link, password) => known(post('session/link', { link, password })),
    changePassword: (old, fresh, code) =>
      known(post('session/password', { old, new: fresh, code }, { method: 'PUT' })),
    building: (id, signal) => get(`buildings/${id}`, {}, aborted(signal)),
    floorGrid: (id, signal) => get(`buildings/${id}/floor-grid`, {}, aborted(signal)),
    card: (id, purpose, signal) =>
      get(`units/${id}/card`, {}, {
        ...aborted(signal),
        // A header, because addresses end up in logs and histories.
        headers: purpose ? { 'X-Purpose': purpose } : {},
      }),
    locate: (lon, lat, h, signal) =>
      get('locate', { lon, lat, h, datum: 'ellipsoid' }, aborted(signal)),
    suggest: (q, limit, signal) => get('addresses/suggest', { q, limit }, aborted(signal)),
    series: (id, points, signal) => get(`datastreams/${id}/series`, { points }, aborted(signal)),
    features: (collection, box, limit) =>
      get(`features/${collection}`, { bbox: box.join(','), limit }),
    alarm: (id) => get(`alarms/${id}`),
    act: (id, what, note) => post(`alarms/${id}/${what}`, note ? { note } : undefined),
    kinds: () => get('kinds'),
    uploads: (group) => get('uploads', { group }),
    inspect: (question, signal) => post('imports/inspect', question, aborted(signal)),
    order: (order) => post('imports', order),
    jobs: () => get('imports', { limit: 20 }),
    job: (id, signal) => get(`imports/${id}`, {}, aborted(signal)),
    cancel: (id) => post(`imports/${id}/cancel`),
    quality: () => get('quality'),
    findings: (check, after) => get(`quality/${check}`, { limit: 200, after }),
    matches: (decision) => get('matches', { decision, limit: 100 }),
    decide: (id, decision) => post(`matches/${id}`, { decision }, { method: 'PUT' }),
  }
}

async function refusal(answer: Response): Promise<Refusal> {
  const problem = (await answer.json().catch(() => ({}))) as { detail?: unknown; detail_zh?: unknown }
  const said = (text: unknown): string | null => (typeof text === 'string' ? text : null)
  const en = said(problem.detail) ?? `The service answered ${answer.status}.`
  return new Refusal(answer.status, en, said(problem.detail_zh) ?? said(problem.detail) ?? `服务应答 ${answer.status}。`)
}
