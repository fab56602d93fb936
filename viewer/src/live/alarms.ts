/** Alarms that are open, and whom they affect; nothing here knows a page. */
import type { Happened } from '../api/live'
import type { Alarm } from '../api/types'

/** The worst first, then the latest. */
export function ranked(alarms: Iterable<Alarm>): Alarm[] {
  return [...alarms].sort((one, other) =>
    (other.severity ?? 0) - (one.severity ?? 0) || Date.parse(other.begun) - Date.parse(one.begun) || other.id - one.id)
}

/** What is open after something happened; null where nothing is another than before. */
export function after(open: readonly Alarm[], happened: readonly Happened[]): Alarm[] | null {
  const known = new Map(open.map((one) => [one.id, one]))
  let changed = false
  for (const { alarm } of happened) {
    if (alarm.ended === null) { known.set(alarm.id, alarm); changed = true }
    else changed = known.delete(alarm.id) || changed
  }
  return changed ? ranked(known.values()) : null
}

/** Units that are affected, by their buildings; a building whose alarm affects no unit has none. */
export type Affected = ReadonlyMap<number, ReadonlySet<number>>

export interface Unit { readonly id: number; readonly building_id: number; readonly affected_still: boolean }

/** All that open alarms affect together. `units` are those of each alarm, as far as they are known. */
export function affected(open: readonly Alarm[], units: ReadonlyMap<number, readonly Unit[]>): Affected {
  const found = new Map<number, Set<number>>()
  const of = (building: number): Set<number> => {
    const known = found.get(building) ?? new Set()
    found.set(building, known)
    return known
  }
  for (const alarm of open) {
    for (const building of alarm.affected.buildings) of(building)
    for (const unit of units.get(alarm.id) ?? []) if (unit.affected_still) of(unit.building_id).add(unit.id)
  }
  return found
}

/** Which alarms somebody wants to see: as bad as that, and with these words. */
export interface Wanted { readonly least: number; readonly text: string }

/** Those with all the words in what they say, where they are, or their device. */
export function found(alarms: readonly Alarm[], { least, text }: Wanted): readonly Alarm[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (least <= 1 && words.length === 0) return alarms
  return alarms.filter((one) => {
    if ((one.severity ?? 0) < least && least > 1) return false
    const said = [
      one.kind, one.message?.zh, one.message?.en, one.place.text, one.device?.name, one.device?.class.zh, one.device?.class.en,
    ].join(' ').toLowerCase()
    return words.every((word) => said.includes(word))
  })
}
