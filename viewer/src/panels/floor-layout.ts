/** Where each unit stands in the floor grid (楼盘表), and where the arrow keys lead. */
import type { FloorGrid, GridEntrance, GridStorey, GridUnit } from '../api/types'

export interface Cell { readonly unit: GridUnit; readonly start: number; readonly span: number }
export interface Row {
  readonly storey: GridStorey
  readonly cells: readonly Cell[]
  /** Units of no entrance fill the row, as many lines as they need. */
  readonly wrap: boolean
}
export interface Group { readonly entrance: GridEntrance | null; readonly start: number; readonly width: number }
export interface Layout {
  readonly groups: readonly Group[]
  readonly width: number
  readonly rows: readonly Row[]
}
export type Move = 'left' | 'right' | 'up' | 'down' | 'start' | 'end' | 'first' | 'last'

/** Columns by entrance, each as wide as its fullest storey; one row a storey, top first. */
export function arrange(grid: FloorGrid): Layout {
  const known = new Set(grid.entrances.map((one) => one.no))
  const door = (unit: GridUnit): number | null =>
    unit.entrance !== null && known.has(unit.entrance) ? unit.entrance : null
  const of = (storey: GridStorey, no: number | null): GridUnit[] =>
    storey.units.filter((unit) => door(unit) === no)
  const wraps = (storey: GridStorey): boolean => storey.units.every((unit) => door(unit) === null)

  const groups: Group[] = []
  let width = 0
  for (const entrance of [...grid.entrances, null]) {
    const storeys = entrance ? grid.storeys : grid.storeys.filter((storey) => !wraps(storey))
    const widest = Math.max(0, ...storeys.map((storey) => of(storey, entrance?.no ?? null).length))
    if (widest === 0) continue
    groups.push({ entrance, start: width, width: widest })
    width += widest
  }
  const rows = grid.storeys.map((storey): Row => {
    if (wraps(storey)) {
      const cells = storey.units.map((unit, at) => ({ unit, start: at, span: 1 }))
      return { storey, cells, wrap: true }
    }
    const cells = groups.flatMap((group) => spread(of(storey, group.entrance?.no ?? null), group))
    return { storey, cells, wrap: false }
  })
  return { groups, width: Math.max(1, width), rows }
}

/** Units over the columns of their entrance: wider cells where they divide it evenly. */
function spread(units: readonly GridUnit[], group: Group): Cell[] {
  const span = units.length > 0 && group.width % units.length === 0 ? group.width / units.length : 1
  return units.map((unit, at) => ({ unit, start: group.start + at * span, span }))
}

/** The unit that a key leads to from `unit`; the same one at the edge. */
export function step(layout: Layout, unit: number, move: Move): number {
  const rows = layout.rows.filter((row) => row.cells.length > 0)
  const y = rows.findIndex((row) => row.cells.some((cell) => cell.unit.id === unit))
  const row = rows[y]
  if (!row) return rows[0]?.cells[0]?.unit.id ?? unit
  const x = row.cells.findIndex((cell) => cell.unit.id === unit)
  const at = (cells: readonly Cell[], index: number): number => cells.at(index)?.unit.id ?? unit
  switch (move) {
    case 'left': return x > 0 ? at(row.cells, x - 1) : unit
    case 'right': return x + 1 < row.cells.length ? at(row.cells, x + 1) : unit
    case 'start': return at(row.cells, 0)
    case 'end': return at(row.cells, -1)
    case 'first': return nearest(rows[0], middle(row, x, layout)) ?? unit
    case 'last': return nearest(rows.at(-1), middle(row, x, layout)) ?? unit
    case 'up': return nearest(rows[y - 1], middle(row, x, layout)) ?? unit
    case 'down': return nearest(rows[y + 1], middle(row, x, layout)) ?? unit
  }

  /** The middle of a cell, 0 at the left of the table and 1 at its right. */
  function middle(of: Row, index: number, all: Layout): number {
    const cell = of.cells[index]
    if (of.wrap || !cell) return (index + 0.5) / of.cells.length
    return (cell.start + cell.span / 2) / all.width
  }
  function nearest(of: Row | undefined, x0: number): number | null {
    if (!of) return null
    const distance = (index: number): number => Math.abs(middle(of, index, layout) - x0)
    let best = 0
    of.cells.forEach((_, index) => { if (distance(index) < distance(best)) best = index })
    return of.cells[best]?.unit.id ?? null
  }
}
