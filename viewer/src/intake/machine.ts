/** One file on its way into the city, as a value, and what may happen to it. Knows no browser. */
import type { Inspection, Job, Order, Question, Sentence } from '../api/types'
import { isModel, stem } from './files'

/** How far a file of the group has been sent. */
export interface Sending {
  readonly name: string
  readonly size: number
  readonly sent: number
  readonly state: 'waiting' | 'sending' | 'paused' | 'lost' | 'sent' | 'refused'
  readonly why: Sentence | null
}

/** What the officer decided; null leaves it to what the look into the file proposes. */
export interface Wishes {
  readonly kind: string | null
  readonly crs: string | null
  readonly layer: string | null
  readonly encoding: string | null
  /** Field → column, or null to leave the field out. */
  readonly fields: Readonly<Record<string, string | null>>
  readonly source: string
  readonly full: boolean
  /** Where a model stands, as typed: longitude, latitude, rotation. */
  readonly at: readonly [string, string, string]
  /** What a raster's heights are above. */
  readonly heights: Heights | null
  /** The day on which a raster was surveyed, as 2026-03-31; empty where it is not known. */
  readonly surveyed: string
}

/** What heights may be above; the first is that of the city. */
export const HEIGHTS = ['1985', 'ellipsoid', 'egm96', 'egm2008'] as const
export type Heights = (typeof HEIGHTS)[number]

export interface Intake {
  readonly group: string | null
  readonly files: readonly Sending[]
  /** The file of the group that is being looked at. */
  readonly file: string | null
  readonly wishes: Wishes
  readonly found: Inspection | null
  readonly looking: boolean
  /** Why the file cannot be looked into, or the order was not taken. */
  readonly refusal: Sentence | null
  readonly job: Job | null
  /** The job whose mended rows are awaited. */
  readonly mends: Job | null
}

/** The kind of building models. */
export const MODEL = 'model'
/** The kind of rasters of heights. */
export const TERRAIN = 'terrain'

export const NO_WISHES: Wishes = {
  kind: null, crs: null, layer: null, encoding: null, fields: {}, source: '', full: false, at: ['', '', ''],
  heights: null, surveyed: '',
}

export const NOTHING: Intake = {
  group: null, files: [], file: null, wishes: NO_WISHES, found: null, looking: false, refusal: null,
  job: null, mends: null,
}

export type Happening =
  | { readonly what: 'dropped'; readonly group: string; readonly files: readonly { name: string; size: number }[] }
  | { readonly what: 'sending'; readonly name: string; readonly part: Partial<Sending> }
  | { readonly what: 'chosen'; readonly file: string }
  | { readonly what: 'wished'; readonly part: Partial<Omit<Wishes, 'fields'>> }
  | { readonly what: 'mapped'; readonly field: string; readonly column: string | null }
  | { readonly what: 'looking' }
  | { readonly what: 'found'; readonly found: Inspection }
  | { readonly what: 'refused'; readonly why: Sentence }
  | { readonly what: 'job'; readonly job: Job }
  | { readonly what: 'changing' }
  | { readonly what: 'mending' }
  | { readonly what: 'cleared' }

/** What is so after something happened. */
export function step(now: Intake, happened: Happening): Intake {
  switch (happened.what) {
    case 'dropped':
      return {
        ...NOTHING, mends: now.mends,
        wishes: now.mends ? now.wishes : NO_WISHES,
        group: happened.group,
        files: happened.files.map(({ name, size }) => ({ name, size, sent: 0, state: 'waiting', why: null })),
      }
    case 'sending':
      return {
        ...now,
        files: now.files.map((one) => (one.name === happened.name ? { ...one, ...happened.part } : one)),
      }
    case 'chosen':
      return {
        ...now, file: happened.file, found: null, refusal: null, job: null,
        wishes: now.mends
          ? now.wishes
          : { ...NO_WISHES, source: stem(happened.file), kind: isModel(happened.file) ? MODEL : null },
      }
    case 'wished':
      return { ...now, refusal: null, wishes: wish(now.wishes, happened.part) }
    case 'mapped':
      return { ...now, wishes: { ...now.wishes, fields: { ...now.wishes.fields, [happened.field]: happened.column } } }
    case 'looking':
      return { ...now, looking: true, refusal: null }
    case 'found':
      return { ...now, looking: false, found: happened.found, refusal: null }
    case 'refused':
      return { ...now, looking: false, refusal: happened.why }
    case 'job':
      return { ...(sameFile(now, happened.job) ? now : taken(happened.job)), job: happened.job, refusal: null }
    case 'changing':
      return { ...now, job: null, refusal: null }
    case 'mending':
      return now.job ? { ...NOTHING, wishes: { ...wishesOf(now.job), full: false }, mends: now.job } : now
    case 'cleared':
      return NOTHING
  }
}

/** Fields belong to a kind, and columns to a layer: with another of these they are forgotten. */
function wish(now: Wishes, part: Partial<Wishes>): Wishes {
  const other = (name: 'kind' | 'layer'): boolean => part[name] !== undefined && part[name] !== now[name]
  return { ...now, ...(other('kind') || other('layer') ? { fields: {} } : {}), ...part }
}

function sameFile(now: Intake, job: Job): boolean {
  return now.group === job.group && now.file === job.file
}

/** The draft that a job was made from, as far as the service remembers it. */
function taken(job: Job): Intake {
  return { ...NOTHING, group: job.group, file: job.file, wishes: wishesOf(job) }
}

function wishesOf(job: Job): Wishes {
  const text = (name: string): string | null => {
    const value = job.request[name]
    return typeof value === 'string' ? value : null
  }
  const fields = job.request['fields']
  const at = (text('at') ?? '').split(',')
  return {
    kind: job.kind, crs: text('crs'), layer: text('layer'), encoding: text('encoding'),
    fields: fields && typeof fields === 'object' ? (fields as Wishes['fields']) : {},
    source: text('source') ?? job.report?.source ?? stem(job.file),
    full: job.request['full'] === true,
    at: [at[0] ?? '', at[1] ?? '', at[2] ?? ''],
    heights: HEIGHTS.find((one) => one === text('heights')) ?? null, surveyed: text('surveyed') ?? '',
  }
}

export const STEPS = ['files', 'check', 'load', 'result'] as const
export type Step = (typeof STEPS)[number]

/** Which of the steps the officer is at. */
export function stepOf(now: Intake): Step {
  if (now.job) return ended(now.job) ? 'result' : 'load'
  return now.file !== null ? 'check' : 'files'
}

/** Whether a job goes on no more. */
export function ended(job: Job): boolean {
  return job.state !== 'waiting' && job.state !== 'running'
}

/** Whether every file of the group is with the service. */
export function allSent(now: Intake): boolean {
  return now.files.every((one) => one.state === 'sent')
}

/** The kind the file is loaded as: the officer's, else the likeliest. */
export function kindOf(now: Intake): string | null {
  return now.wishes.kind ?? now.found?.kind ?? null
}

/** Whether somebody must say in which system the coordinates are. */
export function needsCrs(now: Intake): boolean {
  return now.found !== null && now.found.crs === null && now.wishes.crs === null && now.found.crs_proposals.length > 0
}

/** Whether the file is loaded as a model, with nothing to look at or to map before. */
export function asModel(now: Intake): boolean {
  return now.file !== null && isModel(now.file) && kindOf(now) === MODEL
}

/** What is asked about the file; null while there is none. */
export function question(now: Intake): Question | null {
  if (now.group === null || now.file === null) return null
  const { kind, crs, layer, encoding, fields, heights } = now.wishes
  const raster = kindOf(now) === TERRAIN ? { heights } : {}
  return { group: now.group, file: now.file, kind, crs, layer, encoding, fields: { ...fields }, ...raster }
}

/** What stands in the way of loading; empty where nothing does. */
export function obstacles(now: Intake): readonly ('looking' | 'kind' | 'crs' | 'missing' | 'place')[] {
  const misplaced = place(now.wishes.at) === 'wrong' ? ['place' as const] : []
  if (asModel(now)) return misplaced
  if (!now.found || now.looking) return ['looking']
  const found = [
    kindOf(now) === null && 'kind' as const,
    needsCrs(now) && 'crs' as const,
    now.found.missing.length > 0 && 'missing' as const,
  ]
  return [...found.filter((one) => one !== false), ...misplaced]
}

/** The order as it stands: exactly the columns that are shown are read; null where it is not ready. */
export function order(now: Intake, dryRun: boolean): Order | null {
  const asked = question(now)
  const kind = kindOf(now)
  if (!asked || kind === null || obstacles(now).length > 0) return null
  const at = place(now.wishes.at)
  return {
    ...asked, kind,
    fields: { ...Object.fromEntries((now.found?.mapping ?? []).map((one) => [one.field, one.column])), ...now.wishes.fields },
    source: now.wishes.source.trim() || null,
    full: now.wishes.full, dry_run: dryRun, units: true,
    ...(at === null || at === 'wrong' ? {} : { at }),
    ...(kind === TERRAIN ? { surveyed: now.wishes.surveyed || null } : {}),
  }
}

/** A place as typed: nothing, three numbers, or wrong. The rotation may be left out. */
export function place(typed: Wishes['at']): [number, number, number] | null | 'wrong' {
  if (typed.every((one) => one.trim() === '')) return null
  const [lon, lat, turn] = typed.map((one, index) => (one.trim() === '' ? (index === 2 ? 0 : NaN) : Number(one)))
  const right = lon !== undefined && lat !== undefined && turn !== undefined &&
    Math.abs(lon) <= 180 && Math.abs(lat) <= 90 && Math.abs(turn) <= 360
  return right ? [lon, lat, turn] : 'wrong'
}
