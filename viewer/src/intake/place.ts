/** Where a file lies, said in kilometres from the city. */

export type Box = readonly [west: number, south: number, east: number, north: number]

const KM_A_DEGREE = 111.32

/** Kilometres between two boxes in degrees at their nearest; 0 where they touch. */
export function apart(one: Box, other: Box): number {
  const gap = (least: number, most: number, from: number, to: number): number => Math.max(0, from - most, least - to)
  const lat = (Math.max(-90, Math.min(90, one[1])) + other[1]) / 2
  const x = gap(one[0], one[2], other[0], other[2]) * Math.cos((lat * Math.PI) / 180)
  const y = gap(one[1], one[3], other[1], other[3])
  return Math.hypot(x, y) * KM_A_DEGREE
}

/** The box with what is around it: half of itself on each side, and at least `least` degrees in all. */
export function around(box: Box, least = 0.006): Box {
  const grow = (from: number, to: number): [number, number] => {
    const half = Math.max(to - from, least / 2)
    return [(from + to) / 2 - half, (from + to) / 2 + half]
  }
  const [west, east] = grow(box[0], box[2])
  const [south, north] = grow(box[1], box[3])
  return [west, south, east, north]
}

/** The box grown so that what it held is seen beside what covers a share of the screen. */
export function beside(box: Box, covered: { readonly left: number; readonly below: number }): Box {
  const [west, south, east, north] = box
  const share = (part: number): number => Math.min(0.8, Math.max(0, part))
  const wider = ((east - west) * share(covered.left)) / (1 - share(covered.left))
  const higher = ((north - south) * share(covered.below)) / (1 - share(covered.below))
  return [west - wider, south - higher, east, north]
}
