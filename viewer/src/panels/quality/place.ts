/** Findings as features, and the box around them. */
import type { FeatureCollection } from '../../api/types'

export interface Placed { readonly lon: number | null; readonly lat: number | null }
type Box = readonly [number, number, number, number]

/** Points of those that have a place. */
export function onTheMap(items: readonly Placed[]): FeatureCollection {
  const features = items.flatMap(({ lon, lat }, at) =>
    lon === null || lat === null
      ? []
      : [{ type: 'Feature' as const, id: at, geometry: { type: 'Point', coordinates: [lon, lat] }, properties: {} }])
  return { type: 'FeatureCollection', features, numberReturned: features.length, truncated: false } as FeatureCollection
}

/** West, south, east, north of those that have a place; null where none has. */
export function boxOf(items: readonly Placed[]): Box | null {
  const lons = items.flatMap(({ lon }) => (lon === null ? [] : [lon]))
  const lats = items.flatMap(({ lat }) => (lat === null ? [] : [lat]))
  if (lons.length === 0 || lats.length === 0) return null
  return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)]
}
