import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FloorGrid } from '../../src/api/types'
import { arrange, type Move, step } from '../../src/panels/floor-layout'
import { FLOORS } from './fixtures'

const layout = arrange(FLOORS)

const grids: fc.Arbitrary<FloorGrid> = fc
  .array(fc.array(fc.option(fc.integer({ min: 1, max: 3 })), { maxLength: 9 }), { minLength: 1, maxLength: 12 })
  .map((storeys) => ({
    building: { id: 1, name: '' },
    entrances: [1, 2, 3].map((no) => ({ id: no, no, name: `${no}单元`, lift_count: 0 })),
    storeys: storeys.map((doors, at) => ({
      id: at, no: storeys.length - at, label: '', kind: '标准', elev_bottom: 0, elev_top: 3, status: 'generated',
      units: doors.map((entrance, index) => ({
        id: at * 100 + index + 1, room_no: '', entrance, kind: { code: 'residential', zh: '', en: '' }, occupancy: '', alarms: null, geom_status: '', organisations: 0,
      })),
    })),
  }))

describe('the floor grid', () => {
  it('is as wide as the fullest storey of each entrance', () => {
    expect(layout.groups.map((group) => [group.entrance?.no, group.start, group.width])).toEqual([[1, 0, 2], [2, 2, 2]])
    expect(layout.width).toBe(4)
  })

  it('widens the cells of a storey with fewer units', () => {
    const ground = layout.rows[2]
    expect(ground?.cells.map((cell) => [cell.unit.room_no, cell.start, cell.span])).toEqual([['101', 0, 2], ['103', 2, 2]])
  })

  it('lets units of no entrance fill their row', () => {
    expect(layout.rows[3]?.wrap).toBe(true)
    expect(layout.rows[3]?.cells).toHaveLength(3)
  })

  it.each<[number, Move, number]>([
    [301, 'right', 302], [301, 'left', 301], [304, 'right', 304], [301, 'down', 201], [204, 'down', 103],
    [202, 'down', 101], [103, 'down', 13], [11, 'up', 101], [301, 'end', 304], [304, 'start', 301],
    [204, 'first', 304], [301, 'last', 11], [999, 'down', 301],
  ])('leads from %i by %s to %i', (from, move, to) => {
    expect(step(layout, from, move)).toBe(to)
  })

  it('holds every unit once, without overlaps, whatever the building', () => {
    fc.assert(fc.property(grids, (grid) => {
      const all = arrange(grid)
      const ids = all.rows.flatMap((row) => row.cells.map((cell) => cell.unit.id))
      expect(ids.sort()).toEqual(grid.storeys.flatMap((storey) => storey.units.map((unit) => unit.id)).sort())
      for (const row of all.rows.filter((one) => !one.wrap)) {
        row.cells.reduce((end, cell) => {
          expect(cell.start).toBeGreaterThanOrEqual(end)
          return cell.start + cell.span
        }, 0)
        expect(row.cells.every((cell) => cell.start + cell.span <= all.width)).toBe(true)
      }
    }))
  })

  it('reaches every unit by the arrow keys', () => {
    fc.assert(fc.property(grids, (grid) => {
      const all = arrange(grid)
      const ids = all.rows.flatMap((row) => row.cells.map((cell) => cell.unit.id))
      const first = ids[0]
      if (first === undefined) return
      const reached = new Set([first])
      for (const id of reached) {
        for (const move of ['left', 'right', 'up', 'down'] as const) reached.add(step(all, id, move))
      }
      expect(reached.size).toBe(ids.length)
    }))
  })
})
