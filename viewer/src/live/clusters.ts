/** Places that lie close to one another as one, so that no symbol hides another. */

export interface Placed { readonly lon: number; readonly lat: number; readonly h: number }

/** Put things into cells of so many degrees; nothing is joined where that is 0. The worst first in each. */
export function clustered<T extends Placed>(things: readonly T[], cell: number, worse: (one: T) => number): T[][] {
  if (cell <= 0) return things.map((one) => [one])
  const found = new Map<string, T[]>()
  for (const one of things) {
    const key = `${Math.floor(one.lon / cell)}/${Math.floor(one.lat / cell)}`
    const same = found.get(key)
    if (same) same.push(one)
    else found.set(key, [one])
  }
  return [...found.values()].map((group) => group.sort((one, other) => worse(other) - worse(one)))
}

const METRE = 1 / 111_320
/** Metres of the camera's height above the ground up to which every device has a symbol of its own. */
const NEAR_M = 350
const SHARE = 1 / 14

/** Degrees of a cell for a camera that high above the ground: a fourteenth of what is seen, in steps of two. */
export function cellAt(height: number): number {
  if (height <= NEAR_M) return 0
  return 2 ** Math.ceil(Math.log2(height * SHARE)) * METRE
}
