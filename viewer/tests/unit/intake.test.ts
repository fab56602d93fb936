import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Job } from '../../src/api/types'
import { bytes, ending, stem, survey } from '../../src/intake/files'
import {
  allSent, type Happening, type Intake, kindOf, NOTHING, obstacles, order, place, question, step, stepOf,
} from '../../src/intake/machine'
import { apart, around, beside, type Box } from '../../src/intake/place'
import { FOUND, JOB } from './intake-fixtures'

const FORMATS = ['.csv', '.gpkg', '.json', '.shp', '.xlsx', '.zip']

const after = (...happened: Happening[]): Intake => happened.reduce(step, NOTHING)
const DROPPED: Happening[] = [
  { what: 'dropped', group: 'g1234567', files: [{ name: '房屋.shp', size: 300 }, { name: '房屋.dbf', size: 100 }] },
  { what: 'sending', name: '房屋.shp', part: { state: 'sent' } },
  { what: 'sending', name: '房屋.dbf', part: { state: 'sent' } },
  { what: 'chosen', file: '房屋.shp' },
]

describe('files that were dropped', () => {
  it('are one thing to read where they are the parts of a shapefile', () => {
    expect(survey(['房屋.shp', '房屋.dbf', '房屋.shx', '房屋.prj', '房屋.cpg'], FORMATS))
      .toEqual({ readable: ['房屋.shp'], unknown: [], lacking: [] })
  })

  it('say which part is not there, whatever the case of the letters', () => {
    expect(survey(['A.SHP', 'a.dbf'], FORMATS).lacking.map(({ part, needed }) => [part, needed]))
      .toEqual([['.shx', true], ['.prj', false]])
  })

  it('are not read where they belong to nothing', () => {
    expect(survey(['a.dbf', 'plan.dwg', 'x.csv', 'x.csv.map.json'], FORMATS))
      .toEqual({ readable: ['x.csv'], unknown: ['a.dbf', 'plan.dwg'], lacking: [] })
  })

  it('each are read, left, or part of one that is read', () => {
    const name = fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom('.shp', '.dbf', '.csv', '.exe', '.map.json', '')).map((one) => one.join(''))
    fc.assert(fc.property(fc.uniqueArray(name), (names) => {
      const { readable, unknown } = survey(names, FORMATS)
      expect(readable.filter((one) => unknown.includes(one))).toEqual([])
      const along = names.filter((one) => !readable.includes(one) && !unknown.includes(one))
      for (const one of along) expect(one.endsWith('.map.json') || readable.includes(`${stem(one)}.shp`)).toBe(true)
    }))
  })

  it('have endings, stems and sizes', () => {
    expect([ending('a.b.CSV'), ending('.profile'), stem('新 村.xlsx')]).toEqual(['.csv', '', '新 村'])
    expect([0, 999, 1500, 25_000_000, 3e12].map(bytes)).toEqual(['0 B', '999 B', '1.5 kB', '25.0 MB', '3.0 TB'])
  })
})

describe('the intake', () => {
  it('goes from files to a check to a job to its result', () => {
    const ended: Job = { ...JOB, state: 'done' }
    expect([
      after(), after(...DROPPED.slice(0, 2)), after(...DROPPED), after(...DROPPED, { what: 'job', job: JOB }),
      after(...DROPPED, { what: 'job', job: ended }),
    ].map(stepOf)).toEqual(['files', 'files', 'check', 'load', 'result'])
  })

  it('knows when the whole group has been sent', () => {
    const half = after(...DROPPED.slice(0, 1), { what: 'sending', name: '房屋.shp', part: { state: 'sending', sent: 200 } })
    expect([allSent(half), allSent(after(...DROPPED))]).toEqual([false, true])
  })

  it('waits for a coordinate system that the file does not say', () => {
    const found = after(...DROPPED, { what: 'found', found: FOUND })
    expect(obstacles(found)).toEqual(['crs'])
    expect(order(found, true)).toBeNull()
    expect(obstacles(step(found, { what: 'wished', part: { crs: 'EPSG:4547' } }))).toEqual([])
  })

  it('waits for a column of each required field, and for the look itself', () => {
    const said: Happening[] = [...DROPPED, { what: 'wished', part: { crs: 'EPSG:4547' } }]
    expect(obstacles(after(...said, { what: 'found', found: { ...FOUND, missing: ['name'] } }))).toEqual(['missing'])
    expect(obstacles(after(...said, { what: 'found', found: FOUND }, { what: 'looking' }))).toEqual(['looking'])
    expect(obstacles(after(...said))).toEqual(['looking'])
  })

  it('orders exactly the columns that are shown, in the name of the file', () => {
    const ready = after(...DROPPED, { what: 'found', found: FOUND }, { what: 'wished', part: { crs: 'EPSG:4547' } },
      { what: 'mapped', field: 'ext_id', column: '编号' })
    expect(order(ready, true)).toMatchObject({
      group: 'g1234567', file: '房屋.shp', kind: 'buildings', crs: 'EPSG:4547', source: '房屋', dry_run: true, full: false,
      fields: { floors_above: '层数', ext_id: '编号' },
    })
    expect(order(step(ready, { what: 'mapped', field: 'floors_above', column: null }), false)?.fields)
      .toEqual({ floors_above: null, ext_id: '编号' })
  })

  it('forgets the columns of one kind when another is chosen, and keeps them when the same is', () => {
    const mapped = after(...DROPPED, { what: 'wished', part: { kind: 'buildings' } }, { what: 'mapped', field: 'ext_id', column: '编号' })
    expect(step(mapped, { what: 'wished', part: { kind: 'buildings' } }).wishes.fields).toEqual({ ext_id: '编号' })
    expect(step(mapped, { what: 'wished', part: { kind: 'estates' } }).wishes.fields).toEqual({})
    expect(kindOf(step(mapped, { what: 'wished', part: { kind: 'estates' } }))).toBe('estates')
  })

  it('takes up a job of an earlier visit with all that it was asked with', () => {
    const taken = after({ what: 'job', job: JOB })
    expect(taken.wishes).toMatchObject({ kind: 'buildings', crs: 'EPSG:4547', source: '规划局', full: true, fields: { ext_id: '编号' } })
    expect(after({ what: 'job', job: { ...JOB, request: { at: '113.7,23.01,12.0' } } }).wishes.at).toEqual(['113.7', '23.01', '12.0'])
    expect(question(step(taken, { what: 'changing' }))).toMatchObject({ group: 'g1234567', file: '房屋.shp', encoding: 'GBK' })
  })

  it('awaits mended rows under the same source, kind and columns, but never as the whole file', () => {
    const mended = after(...DROPPED, { what: 'job', job: JOB }, { what: 'mending' },
      { what: 'dropped', group: 'other-group', files: [{ name: '17.csv', size: 9 }] }, { what: 'chosen', file: '17.csv' })
    expect([mended.group, mended.file, mended.job]).toEqual(['other-group', '17.csv', null])
    expect(mended.wishes).toMatchObject({ source: '规划局', kind: 'buildings', crs: 'EPSG:4547', full: false, fields: { ext_id: '编号' } })
    expect(step(mended, { what: 'cleared' })).toEqual(NOTHING)
  })

  it('keeps what was found while it looks again, and says why it could not', () => {
    const again = after(...DROPPED, { what: 'found', found: FOUND }, { what: 'looking' })
    expect([again.found, again.looking]).toEqual([FOUND, true])
    const refused = step(again, { what: 'refused', why: { en: 'No.', zh: '不行。' } })
    expect([refused.refusal?.zh, refused.looking]).toEqual(['不行。', false])
  })
})

describe('the model of a building', () => {
  it('is loaded as what it is, without columns and without a look, where it is told to stand', () => {
    const model = after({ what: 'dropped', group: 'g1234567', files: [{ name: 'duplex.ifc', size: 9 }] }, { what: 'chosen', file: 'duplex.ifc' })
    expect([kindOf(model), obstacles(model)]).toEqual(['model', []])
    const placed = step(model, { what: 'wished', part: { at: ['113.75', '23.02', '12'] } })
    expect(order(placed, true)).toMatchObject({ file: 'duplex.ifc', kind: 'model', at: [113.75, 23.02, 12], fields: {} })
    expect(obstacles(step(model, { what: 'wished', part: { at: ['113.75', '', ''] } }))).toEqual(['place'])
    expect(obstacles(step(model, { what: 'wished', part: { kind: 'buildings' } }))).toEqual(['looking'])
  })
})

describe('a raster of heights', () => {
  const raster = after(...DROPPED, { what: 'found', found: { ...FOUND, crs: 'EPSG:4490', kind: 'terrain', mapping: [] } })

  it('is looked into and loaded above what the officer says, and surveyed on her day', () => {
    expect(order(raster, true)).toMatchObject({ kind: 'terrain', heights: null, surveyed: null })
    const said = step(raster, { what: 'wished', part: { heights: 'egm96', surveyed: '2026-03-31' } })
    expect(question(said)).toMatchObject({ heights: 'egm96' })
    expect(order(said, false)).toMatchObject({ heights: 'egm96', surveyed: '2026-03-31' })
    const other = order(step(said, { what: 'wished', part: { kind: 'buildings' } }), false)
    expect([other?.heights, other?.surveyed]).toEqual([undefined, undefined])
  })

  it('is shown from its job as it was asked for', () => {
    const request = { heights: 'ellipsoid', surveyed: '2026-03-31' }
    expect(after({ what: 'job', job: { ...JOB, kind: 'terrain', request } }).wishes).toMatchObject(request)
    expect(after({ what: 'job', job: { ...JOB, request: { heights: 'sea' } } }).wishes.heights).toBeNull()
  })
})

describe('the place of a model', () => {
  it('is three numbers, two, or nothing', () => {
    expect(place(['', ' ', ''])).toBeNull()
    expect(place(['113.7', '23.01', ''])).toEqual([113.7, 23.01, 0])
    expect(place(['113.7', '23.01', '-12.5'])).toEqual([113.7, 23.01, -12.5])
    for (const wrong of [['113.7', '', ''], ['x', '23', ''], ['23', '113', ''], ['', '', '5']] as const) {
      expect(place(wrong)).toBe('wrong')
    }
  })
})

describe('the place of a file', () => {
  const degrees = (least: number, most: number): fc.Arbitrary<number> => fc.double({ min: least, max: most, noNaN: true })
  const box: fc.Arbitrary<Box> = fc.tuple(degrees(-170, 170), degrees(-80, 80), degrees(0, 5), degrees(0, 5))
    .map(([w, s, x, y]) => [w, s, w + x, s + y])

  it('is no way from the city it lies in, and as far as the map says from another', () => {
    expect(apart([113.7, 23, 113.8, 23.1], [113, 22, 114, 24])).toBe(0)
    expect(apart([116, 39.5, 117, 40.5], [113.5, 22.5, 114.5, 23.5])).toBeGreaterThan(1700)
    expect(apart([0, 1, 0, 1], [0, 0, 0, 0])).toBeCloseTo(111.32)
  })

  it('is shown whole, with its surroundings, in the part of the screen that is free', () => {
    fc.assert(fc.property(box, degrees(0, 0.7), degrees(0, 0.7), (one, left, below) => {
      const near = around(one)
      const [w, s, e, n] = beside(near, { left, below })
      expect(near[0]).toBeLessThan(one[0])
      expect(near[3]).toBeGreaterThan(one[3])
      expect(w + (e - w) * left).toBeCloseTo(near[0], 6)
      expect(s + (n - s) * below).toBeCloseTo(near[1], 6)
      expect([e, n]).toEqual([near[2], near[3]])
    }))
  })
})
