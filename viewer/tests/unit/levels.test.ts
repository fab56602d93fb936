import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Grounds } from '../../src/api/types'
import { levelOf } from '../../src/scene/levels'

const FAR: Grounds = { step: 0.005, cells: [[873, 10402, 0], [1706, 9476, 402], [3695, -6704, 187]] }
const middle = ([x, y]: readonly number[]): [number, number] => [((x ?? 0) + 0.5) * 0.005, ((y ?? 0) + 0.5) * 0.005]

describe('the level of the ground', () => {
  it('is each city’s own, however far apart they are', () => {
    const level = levelOf(FAR)
    expect(FAR.cells.map((cell) => level(...middle(cell)))).toEqual([0, 402, 187])
  })

  it('is known everywhere at once, the seas between included', () => {
    const level = levelOf(FAR)
    const places = Array.from({ length: 4096 }, (_, at) => level((at % 64) * 5.6 - 180, Math.floor(at / 64) * 2.8 - 90))
    expect(Math.min(...places)).toBe(0)
  })

  it('is that of the only city everywhere, and 0 where there is none', () => {
    expect(levelOf({ step: 0.005, cells: [[22776, 4584, 8.5]] })(-70, -30)).toBe(8.5)
    expect(levelOf({ step: 0.005, cells: [] })(113, 23)).toBe(0)
  })

  const cells = fc.uniqueArray(
    fc.tuple(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -20, max: 20 }), fc.integer({ min: -50, max: 3000 })),
    { minLength: 1, maxLength: 40, selector: ([x, y]) => `${x}/${y}` },
  )
  const within = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))

  it('is above no building’s ground', () => {
    fc.assert(fc.property(cells, within, (found, [u, v]) => {
      const level = levelOf({ step: 0.25, cells: found })
      for (const [x, y, ground] of found) expect(level((x + u) * 0.25, (y + v) * 0.25)).toBeLessThanOrEqual(ground + 1e-6)
    }))
  })

  it('has no steps', () => {
    fc.assert(fc.property(cells, fc.double({ min: -12, max: 12, noNaN: true }), fc.double({ min: -6, max: 6, noNaN: true }), (found, lon, lat) => {
      const level = levelOf({ step: 0.25, cells: found })
      expect(Math.abs(level(lon, lat) - level(lon + 1e-7, lat + 1e-7))).toBeLessThan(0.02)
    }))
  })
})
