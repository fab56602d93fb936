/** The latest reading of each datastream, and what is known of it; nothing here knows a page. */
import type { Reading, Streams } from '../api/live'

export interface Known {
  readonly device: number | null
  readonly kind: string | null
  readonly property: string
  readonly unit: string | null
  readonly interval: number | null
  readonly bound: { readonly type: string; readonly id: number } | null
  readonly building: number | null
}

export type Condition = 'online' | 'silent' | 'unknown'

/** Intervals without a reading after which a device is silent, and the least seconds of that. */
const MISSED = 3
const LEAST_S = 600

export class Latest {
  readonly about = new Map<number, Known>()
  readonly values = new Map<number, Reading>()
  private readonly ofDevice = new Map<number, number[]>()

  /** Take what is subscribed to now; what is not is forgotten. */
  know(streams: Streams): void {
    this.about.clear()
    this.ofDevice.clear()
    streams.id.forEach((id, at) => {
      const device = streams.device_id[at] ?? null
      const [type, bound] = [streams.bind_type[at], streams.bind_id[at]]
      this.about.set(id, {
        device, kind: streams.class[at] ?? null, property: streams.property[at] ?? '',
        unit: streams.unit[at] ?? null, interval: streams.interval_s[at] ?? null,
        bound: type && bound ? { type, id: bound } : null, building: streams.building_id[at] ?? null,
      })
      if (device !== null) this.ofDevice.set(device, [...(this.ofDevice.get(device) ?? []), id])
    })
    for (const id of this.values.keys()) if (!this.about.has(id)) this.values.delete(id)
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

  /** Whether a device speaks as often as it should; not known of one that never did. */
  condition(device: number, now: number): Condition {
    let found: Condition = 'unknown'
    for (const id of this.ofDevice.get(device) ?? []) {
      const at = this.values.get(id)?.[1]
      if (at === undefined) continue
      const patience = Math.max(LEAST_S, MISSED * (this.about.get(id)?.interval ?? 0)) * 1000
      if (now - at <= patience) return 'online'
      found = 'silent'
    }
    return found
  }

  /** The properties that are measured here as numbers, the most frequent first. */
  properties(): string[] {
    const counts = new Map<string, number>()
    for (const [id, { property }] of this.about) {
      if (typeof this.values.get(id)?.[2] === 'number') counts.set(property, (counts.get(property) ?? 0) + 1)
    }
    return [...counts].sort((one, other) => other[1] - one[1]).map(([name]) => name)
  }

  /** The latest number of a property for each unit, or for each building by what is not in its units. */
  byPlace(property: string, of: 'unit' | 'building'): Map<number, number> {
    const found = new Map<number, number>()
    for (const [id, known] of this.about) {
      const value = this.values.get(id)?.[2]
      if (known.property !== property || typeof value !== 'number') continue
      const inUnit = known.bound?.type === 'unit'
      const place = of === 'unit' ? (inUnit ? known.bound?.id : null) : inUnit ? null : known.building
      if (place) found.set(place, value)
    }
    return found
  }
}
