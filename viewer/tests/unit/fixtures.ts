/** A small building as the service would tell it; nobody in it is real. */
import type {
  Building, Card, Checked, City, FloorGrid, GridUnit, Match, Quality, Session,
} from '../../src/api/types'

const HOME = { code: 'residential', zh: '住宅', en: 'Flat' }

const unit = (id: number, room_no: string, entrance: number | null, kind = 'residential'): GridUnit =>
  ({ id, room_no, entrance, kind: { ...HOME, code: kind }, occupancy: '自住', alarms: id === 304 ? 2 : 0, geom_status: 'generated', organisations: 0 })

/** Two entrances of two flats on storeys 3 and 2, one shop and a lobby below, parking under it. */
export const FLOORS: FloorGrid = {
  building: { id: 7, name: '3栋' },
  entrances: [
    { id: 1, no: 1, name: '1单元', lift_count: 1 },
    { id: 2, no: 2, name: '2单元', lift_count: 1 },
  ],
  storeys: [3, 2, 1, -1].map((no) => ({
    id: no + 10, no, label: no < 0 ? `B${-no}` : String(no), kind: no < 0 ? '地下' : '标准',
    elev_bottom: no * 3, elev_top: no * 3 + 3, status: 'generated',
    units: no > 1
      ? [unit(no * 100 + 1, `${no}01`, 1), unit(no * 100 + 2, `${no}02`, 1), unit(no * 100 + 3, `${no}03`, 2), unit(no * 100 + 4, `${no}04`, 2)]
      : no === 1
        ? [unit(101, '101', 1, 'shop'), unit(103, '103', 2)]
        : [unit(11, 'P1', null, 'parking'), unit(12, 'P2', null, 'parking'), unit(13, 'P3', null, 'parking')],
  })),
}

export const BUILDING = {
  id: 7, name: '3栋', address: '东莞市示范小区3栋', height: 12, floors_above: 3, floors_below: 1,
  use: HOME, footprint_area: 300, ground_elev: 5, height_shift: -3, built_year: 2010,
  estate: { id: 1, name: '示范小区' }, areas: [], grid: null,
  counts: { units: 13, residents: 20, entrances: 2 }, bounds: [113, 23, 113.001, 23.001],
  centre: [113.0005, 23.0005],
} as unknown as Building

export const CITY: City = {
  name: '示范市', bounds: [113, 23, 113.1, 23.1], focus: null, grounds: { step: 0.005, cells: [] },
  counts: {} as City['counts'], tilesets: [], terrain: null,
  legend: { use: [{ code: 'residential', zh: '居住', en: 'Residential' }], unit_kind: [{ code: 'residential', zh: '住宅', en: 'Flat' }] },
}

export const SESSION: Session = {
  actor: 'demo', roles: ['residents'], demo: true, default_purpose: 'demonstration',
  scopes: ['city.read', 'living.read', 'residents.read'], signed_in: false, until: null, csrf: null,
  must_change: false, ways: { password: true, elsewhere: null },
  purposes: [{ code: 'demonstration', zh: '演示', en: 'Demonstration' }, { code: 'emergency', zh: '应急处置', en: 'Emergency' }],
}

export function card(id: number, shown = true): Card {
  return {
    unit: { id, room_no: String(id), kind: HOME, occupancy: '自住', area_gross: null, area: 88.5, geom_status: 'generated', rooms: null, layout: null },
    building: { id: 7, name: '3栋', use: HOME, height: 12, floors_above: 3 },
    storey: { id: 12, no: 2, label: '2', elev_bottom: 3, elev_top: 6 },
    entrance: { id: 1, no: 1, name: '1单元' }, estate: { id: 1, name: '示范小区' }, areas: [], grid: null,
    centre: [113.0005, 23.0006, 8],
    address: { text: `东莞市示范小区3栋1单元${id}室`, levels: {}, source: 'composed' },
    residents: {
      count: 2, shown, reason: shown ? null : { en: 'State a purpose.', zh: '请说明目的。' },
      people: shown ? [{ name: '张*', id_no: '0000**********000X', phone: '000****0000', role: '户主', kind: '常住', birth_year: 1980 }] : [],
    },
    tenure: { shown: false, reason: null, items: [] },
    spaces: [{ id: 71, name: '主卧', kind: '室', area: 14.6, storey: '2' }, { id: 72, name: '厨房', kind: '厨', area: null, storey: '2' }],
    organisations: [], facilities: [],
    alarms: id !== 304 ? [] : [{
      id: 8, kind: '故障', about: { type: 'facility', label: '2单元电梯' }, severity: 2, state: 'open', since: '2026-03-20T07:30:00Z', device_id: 3, affects: 'lift',
    }],
    devices: [{
      id: 3, name: '1号电梯', class: { code: 'lift', zh: '电梯', en: 'lift' }, bound_to: { type: 'entrance', label: '1单元' }, status: 'active', withheld: false,
      datastreams: [{ id: 9, name: 'trips', label: { zh: '运行次数', en: 'trips so far' }, property: 'trips', unit: null, value: 41, text: null, at: '2026-03-20T07:30:00Z' }],
    }],
  }
}

const check = (name: string, en: string, count: number): Checked =>
  ({ name, en, zh: en, object_type: 'building', count, examples: [] })

export const QUALITY: Quality = {
  at: '2026-03-20T07:30:00Z',
  result: {
    whole: true, invariants: [check('units_apart', 'units overlap', 0)], stale_months: 24,
    findings: [check('no_estate', 'buildings in no estate', 1), check('no_outline', 'units without an outline', 0)],
    collections: [{ name: 'addresses', objects: 8, placed: 7, rate: 0.875, days_since_change: 2, stale: 1 }],
  },
}

export const MATCH: Match = {
  id: 17, score: 93, overlap: 0.81, reasons: { code: true, address: false, name: false }, decision: 'proposed',
  a_id: 7, a_name: '3栋', a_key: 'B7', b_id: 9, b_name: null, b_key: 'K-9', a_height: 18, b_height: 17.6,
  a_floors: 6, b_floors: 6, lon: 113, lat: 23,
}

/** The browser's fetch over these answers; every request is kept for the test to look at. */
export function service(): { ask: typeof fetch; asked: Request[] } {
  const asked: Request[] = []
  const answers: [RegExp, (match: RegExpExecArray, request: Request) => unknown][] = [
    [/\/city$/, () => CITY],
    [/\/quality$/, () => QUALITY],
    [/\/quality\/no_estate$/, () => ({
      items: [{ no: 1, object_type: 'building', object_id: 7, building_id: 7, label: '3栋', lon: 113, lat: 23 }], next: null,
    })],
    [/\/matches$/, () => ({ items: [MATCH] })],
    [/\/matches\/17$/, () => ({ ...MATCH, decision: 'different' })],
    [/\/session$/, () => SESSION],
    [/\/buildings\/7$/, () => BUILDING],
    [/\/buildings\/7\/floor-grid$/, () => FLOORS],
    [/\/units\/(\d+)\/card$/, (match, request) => card(Number(match[1]), request.headers.has('X-Purpose'))],
    [/\/locate$/, () => ({ unit: { id: 202, room_no: '202' }, storey: null, building: { id: 7, name: '3栋' }, grid: null, areas: [] })],
    [/\/addresses\/suggest$/, () => ({
      items: [
        ...[1, 2].map((id) => ({
          id, text: `示范小区3栋20${id}室`, level: 15, score: 80, object: { type: 'unit', id: 200 + id },
          building_id: 7, unit_id: 200 + id, lon: 113, lat: 23, marks: [[0, 2], [6, 7]],
        })),
        {
          id: null, text: '示范社区', level: 4, score: 90, object: null, building_id: null, unit_id: null,
          lon: null, lat: null, marks: [[0, 2]],
        },
      ],
    })],
  ]
  const ask = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init)
    asked.push(request)
    const { pathname } = new URL(request.url)
    for (const [path, answer] of answers) {
      const match = path.exec(pathname)
      if (match) return Response.json(answer(match, request))
    }
    return Response.json(
      { title: 'Not found', status: 404, detail: 'No such building.', detail_zh: '没有这栋楼。' },
      { status: 404, headers: { 'Content-Type': 'application/problem+json' } },
    )
  }
  return { ask: ask as typeof fetch, asked }
}
