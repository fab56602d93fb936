/** The latest reading of each datastream, and what is known of it; nothing here knows a page. */
import type { Reading, Streams } from '../api/live'

export interface Label { readonly zh: string; readonly en: string }

export interface Known {
  readonly device: number | null
  readonly name: string
  /** What is measured, as a link keeps it: the class of the device and the name of the stream. */
  readonly key: string
  readonly label: Label
  readonly property: string
  readonly unit: string | null
  readonly interval: number | null
  readonly bound: { readonly type: string; readonly id: number } | null
  readonly building: number | null
}

/** What is measured here, and in how many places it speaks as often as it should. */
export interface Measured { readonly key: string; readonly label: Label; readonly unit: string | null; readonly many: number }

export type Condition = 'online' | 'silent' | 'unknown'

/** Intervals without a reading after which a device is silent, and the least seconds of that. */
const MISSED = 3
const LEAST_S = 600
/** Seconds for which a reading is of now where nobody knows how often one is to come. */
const DAY_S = 86_400

export class Latest {
  readonly about = new Map<number, Known>()
  readonly values = new Map<number, Reading>()
  private readonly byDevice = new Map<number, number[]>()

  /** How many devices are known. */
  get devices(): number { return this.byDevice.size }

  /** Take what is subscribed to now; what is not is forgotten. */
  know(streams: Streams): void {
    this.about.clear()
    this.byDevice.clear()
    streams.id.forEach((id, at) => {
      const device = streams.device_id[at] ?? null
      const [type, bound] = [streams.bind_type[at], streams.bind_id[at]]
      const [property, name] = [streams.property[at] ?? '', streams.name[at] ?? '']
      this.about.set(id, {
        device, name, property, key: `${streams.class[at] ?? ''}.${name}`,
        label: { zh: streams.zh[at] ?? name, en: streams.en[at] ?? name },
        unit: streams.unit[at] ?? null, interval: streams.interval_s[at] ?? null,
        bound: type && bound ? { type, id: bound } : null, building: streams.building_id[at] ?? null,
      })
      if (device !== null) this.byDevice.set(device, [...(this.byDevice.get(device) ?? []), id])
    })
    for (const id of this.values.keys()) if (!this.about.has(id)) this.values.delete(id)
  }

  /** Nothing is subscribed to any more. */
  forget(): void {
    for (const known of [this.about, this.values, this.byDevice]) known.clear()
  }

  /** Take readings; one that is older than what is known is none. Whether any was newer. */
  hear(readings: readonly Reading[]): boolean {
    let news = false
    for (const reading of readings) {
      const known = this.values.get(reading[0])
      if (known && known[1] > reading[1]) continue
      this.values.set(reading[0], reading)
      news = true
    }
    return news
  }

  /** What is known of the datastreams of a device, by their ids. */
  ofDevice(device: number): (readonly [number, Known])[] {
    return (this.byDevice.get(device) ?? []).flatMap((id) => {
      const known = this.about.get(id)
      return known ? [[id, known] as const] : []
    })
  }

  /** Whether a device speaks as often as it should; not known of one that never did. */
  condition(device: number, now: number): Condition {
    let found: Condition = 'unknown'
    for (const id of this.byDevice.get(device) ?? []) {
      const at = this.values.get(id)?.[1]
      if (at === undefined) continue
      if (now - at <= this.patience(id, 0)) return 'online'
      found = 'silent'
    }
    return found
  }

  /** What is measured here as numbers; what is told of in the most places first. */
  properties(now: number): Measured[] {
    const found = new Map<string, Measured>()
    for (const [id, { key, label, unit }] of this.about) {
      if (typeof this.values.get(id)?.[2] !== 'number') continue
      found.set(key, { key, label, unit, many: (found.get(key)?.many ?? 0) + (this.holds(id, now) ? 1 : 0) })
    }
    return [...found.values()].sort((one, other) => other.many - one.many || one.key.localeCompare(other.key))
  }

  /** What the state asks to see; a link of before may name the property alone. The most frequent where it asks for none. */
  shown(observed: string | null, now: number): Measured | undefined {
    const known = this.properties(now)
    if (observed === null) return known[0]
    const named = (key: string): boolean => [...this.about.values()].some((one) => one.key === key && one.property === observed)
    return known.find(({ key }) => key === observed) ?? known.find(({ key }) => named(key))
  }

  /**
   * The latest number for each unit, or for each building by what is not in its units; none of what is silent.
   * Where several measure the same in one place, that with the greatest number is told.
   */
  byPlace(key: string | undefined, of: 'unit' | 'building', now: number): Map<number, number> {
    const found = new Map<number, number>()
    for (const [id, known] of this.about) {
      const value = this.values.get(id)?.[2]
      if (known.key !== key || typeof value !== 'number' || !this.holds(id, now)) continue
      const inUnit = known.bound?.type === 'unit'
      const place = of === 'unit' ? (inUnit ? known.bound?.id : null) : inUnit ? null : known.building
      if (place) found.set(place, Math.max(value, found.get(place) ?? value))
    }
    return found
  }

  /** In how many places it is measured by what is silent. */
  silent(key: string, now: number): number {
    return [...this.about].filter(([id, known]) => known.key === key && this.values.has(id) && !this.holds(id, now)).length
  }

  /** Whether a reading is of now. */
  private holds(id: number, now: number): boolean {
    return now - (this.values.get(id)?.[1] ?? 0) <= this.patience(id, DAY_S)
  }

  /** Milliseconds for which a reading holds; `usual` seconds where none are expected at times. */
  private patience(id: number, usual: number): number {
    const interval = this.about.get(id)?.interval
    return Math.max(LEAST_S, interval ? MISSED * interval : usual) * 1000
  }
}
