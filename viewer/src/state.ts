/** What is looked at, as a value, and that value as a link. Nothing here knows a browser. */

export const LANGUAGES = ['zh-CN', 'en'] as const
export const THEMES = ['light', 'dark'] as const
export const SCHEMES = ['use', 'height', 'live', 'none'] as const
export const LAYERS = ['buildings', 'planned', 'points', 'streets', 'estates', 'devices', 'shadows'] as const
export const ISOLATIONS = ['all', 'upto', 'only'] as const
export const PAGES = ['city', 'intake', 'quality'] as const

export type Language = (typeof LANGUAGES)[number]
export type Theme = (typeof THEMES)[number]
export type Scheme = (typeof SCHEMES)[number]
export type LayerName = (typeof LAYERS)[number]
export type Isolation = (typeof ISOLATIONS)[number]
export type Page = (typeof PAGES)[number]

/** Where the camera stands: degrees, and metres above the ellipsoid. */
export interface View {
  readonly lon: number
  readonly lat: number
  readonly h: number
  readonly heading: number
  readonly pitch: number
}

/** Ids of what is selected; a unit never without its building. */
export interface Selection {
  readonly building: number | null
  readonly unit: number | null
}

export interface State {
  readonly view: View | null
  readonly selection: Selection
  readonly layers: Readonly<Record<LayerName, boolean>>
  readonly scheme: Scheme
  /** What was measured that the scheme `live` colours by; the most frequent where null. */
  readonly observed: string | null
  /** Whether the list of alarms is open. */
  readonly alarms: boolean
  readonly isolation: Isolation
  /** The storey number that the isolation is about; basements are negative. */
  readonly storey: number
  readonly underground: boolean
  /** What stands before the city: nothing, the page where files are brought in, or that on data quality. */
  readonly page: Page
  /** The job that the intake shows; none without the intake. */
  readonly job: number | null
  readonly language: Language
  readonly theme: Theme
}

/** The state of a first visit; a link says only what differs from it. */
export const INITIAL: State = {
  view: null,
  selection: { building: null, unit: null },
  layers: { buildings: true, planned: true, points: true, streets: true, estates: true, devices: true, shadows: false },
  scheme: 'use',
  observed: null,
  alarms: false,
  isolation: 'all',
  storey: 1,
  underground: false,
  page: 'city',
  job: null,
  language: 'zh-CN',
  theme: 'light',
}

const DIGITS = { lon: 6, lat: 6, h: 1, heading: 1, pitch: 1 } as const
const RANGES = {
  lon: [-180, 180],
  lat: [-90, 90],
  h: [-12_000, 50_000_000],
  heading: [0, 360],
  pitch: [-90, 90],
} as const
const PARTS = ['lon', 'lat', 'h', 'heading', 'pitch'] as const

/** The view rounded to what a link keeps: 0.1 m and 0.1°. */
export function round(view: View): View {
  const part = (name: (typeof PARTS)[number]): number => Number(view[name].toFixed(DIGITS[name])) + 0
  const heading = part('heading')
  return {
    lon: part('lon'),
    lat: part('lat'),
    h: part('h'),
    heading: heading === 360 ? 0 : heading,
    pitch: part('pitch'),
  }
}

/** Whether two views are the same link. */
export function sameView(one: View | null, other: View | null): boolean {
  if (!one || !other) return one === other
  const [a, b] = [round(one), round(other)]
  return PARTS.every((name) => a[name] === b[name])
}

/** The part of an address after `#` that brings this state back; `initial` is left out. */
export function encode(state: State, initial: State = INITIAL): string {
  const link: string[] = []
  if (state.view) {
    const view = round(state.view)
    link.push(`v=${PARTS.map((name) => view[name]).join(',')}`)
  }
  if (state.selection.building !== null) link.push(`b=${state.selection.building}`)
  if (state.selection.unit !== null) link.push(`u=${state.selection.unit}`)
  if (state.isolation !== 'all') link.push(`s=${state.isolation}:${state.storey}`)
  if (state.scheme !== initial.scheme) link.push(`c=${state.scheme}`)
  if (state.scheme === 'live' && state.observed !== null) link.push(`o=${encodeURIComponent(state.observed)}`)
  if (state.alarms) link.push('a=1')
  const changed = LAYERS.filter((name) => state.layers[name] !== initial.layers[name])
  if (changed.length > 0) {
    link.push(`l=${changed.map((name) => (state.layers[name] ? name : `-${name}`)).join(',')}`)
  }
  if (state.underground) link.push('g=1')
  if (state.page !== 'city') link.push(`p=${state.page}`)
  if (state.page === 'intake' && state.job !== null) link.push(`job=${state.job}`)
  if (state.language !== initial.language) link.push(`lang=${state.language}`)
  if (state.theme !== initial.theme) link.push(`t=${state.theme}`)
  return link.length > 0 ? `#${link.join('&')}` : ''
}

/** The state a link asks for; what it does not say, or says wrongly, is as in `initial`. */
export function decode(hash: string, initial: State = INITIAL): State {
  const said = new Map<string, string>()
  for (const part of hash.replace(/^#/, '').split('&')) {
    const [name, ...rest] = part.split('=')
    if (name) said.set(name, rest.join('='))
  }
  const unit = id(said.get('u'))
  const building = id(said.get('b'))
  const [isolation, storey] = parseStorey(said.get('s'))
  const page = member(PAGES, said.get('p')) ?? 'city'
  return {
    view: parseView(said.get('v')) ?? initial.view,
    selection: { building, unit: building === null ? null : unit },
    layers: parseLayers(said.get('l'), initial.layers),
    scheme: member(SCHEMES, said.get('c')) ?? initial.scheme,
    observed: said.get('c') === 'live' ? observed(said.get('o')) : null,
    alarms: said.get('a') === '1',
    isolation,
    storey: isolation === 'all' ? initial.storey : storey,
    underground: said.get('g') === '1',
    page,
    job: page === 'intake' ? id(said.get('job')) : null,
    language: member(LANGUAGES, said.get('lang')) ?? initial.language,
    theme: member(THEMES, said.get('t')) ?? initial.theme,
  }
}

function member<T extends string>(allowed: readonly T[], value: string | undefined): T | null {
  return allowed.find((one) => one === value) ?? null
}

/** Characters of what is measured, at most. */
const LONGEST = 100

function observed(text: string | undefined): string | null {
  try {
    return text ? [...decodeURIComponent(text)].slice(0, LONGEST).join('') : null
  } catch {
    return null // half an escape
  }
}

function id(text: string | undefined): number | null {
  const value = Number(text)
  return text && /^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0 ? value : null
}

function parseView(text: string | undefined): View | null {
  const numbers = (text ?? '').split(',').map((part) => (part.trim() === '' ? NaN : Number(part)))
  if (numbers.length !== PARTS.length) return null
  const view = Object.fromEntries(PARTS.map((name, at) => [name, numbers[at]])) as unknown as View
  const within = (name: (typeof PARTS)[number]): boolean =>
    view[name] >= RANGES[name][0] && view[name] <= RANGES[name][1]
  return PARTS.every(within) ? round(view) : null
}

function parseStorey(text: string | undefined): [Isolation, number] {
  const [mode, no] = (text ?? '').split(':')
  const isolation = member(ISOLATIONS, mode)
  const storey = Number(no)
  const known = isolation && no && Number.isInteger(storey) && Math.abs(storey) < 1000
  return known ? [isolation, storey] : ['all', INITIAL.storey]
}

function parseLayers(text: string | undefined, initial: State['layers']): State['layers'] {
  const layers = { ...initial }
  for (const word of (text ?? '').split(',')) {
    const name = member(LAYERS, word.replace(/^-/, ''))
    if (name) layers[name] = !word.startsWith('-')
  }
  return layers
}
