/** How high the ground lies, as far as the buildings tell it: below none of them, and without steps. */
import type { Grounds } from '../api/types'

/** Metres above the ellipsoid at a place in degrees. */
export type Level = (lon: number, lat: number) => number

/**
 * The level between the cells of a city, which may be several cities far from one another.
 *
 * A corner of cells lies as low as the lowest cell around it, and within a cell the level is that between
 * its four corners: so it is above the ground of no building. A corner that touches no cell takes the
 * level of cells twice as large, and so on.
 */
export function levelOf({ step, cells }: Grounds): Level {
  if (cells.length === 0) return () => 0
  const known = new Map<string, number>()
  const lower = (x: number, y: number, ground: number): void => {
    const key = `${x}/${y}`
    known.set(key, Math.min(ground, known.get(key) ?? ground))
  }
  const grounds = cells.map(([, , ground]) => ground)
  const lowest = Math.min(...grounds)
  if (Math.max(...grounds) === lowest) return () => lowest
  for (const [x, y, ground] of cells) {
    for (const [right, up] of [[0, 0], [1, 0], [0, 1], [1, 1]] as const) lower(x + right, y + up, ground)
  }
  const wider = step > 360 ? () => lowest : levelOf({ step: step * 2, cells: halved(cells) })
  const corner = (x: number, y: number): number => {
    const key = `${x}/${y}`
    let found = known.get(key)
    if (found === undefined) known.set(key, found = wider(x * step, y * step)) // asked for by each cell around
    return found
  }
  return (lon, lat) => {
    const [x, y] = [Math.floor(lon / step), Math.floor(lat / step)]
    const [u, v] = [lon / step - x, lat / step - y]
    const between = (row: number): number => corner(x, row) * (1 - u) + corner(x + 1, row) * u
    return between(y) * (1 - v) + between(y + 1) * v
  }
}

function halved(cells: Grounds['cells']): Grounds['cells'] {
  const found = new Map<string, Grounds['cells'][number]>()
  for (const [x, y, ground] of cells) {
    const [column, row] = [Math.floor(x / 2), Math.floor(y / 2)]
    const key = `${column}/${row}`
    found.set(key, [column, row, Math.min(ground, found.get(key)?.[2] ?? ground)])
  }
  return [...found.values()]
}
