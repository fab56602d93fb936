export interface Code { code: string; zh: string; en: string }
export interface Session {
  actor: string | null; roles: string[]; purposes: Code[]; demo: boolean; default_purpose: string | null
}
export interface TilesetInfo {
  name: string; url: string; version: string; built_at: string; features: number; height_shift: number
}
export interface City {
  name: string
  bounds: number[] | null
  focus: { lon: number; lat: number; height: number; ground?: number; name?: string | null } | null
  counts: Record<string, number>
  tilesets: TilesetInfo[]
  legend: Record<string, Code[]>
}
export interface Named { id: number; name: string | null }
export interface Area { id: number; code: string | null; name: string | null; level: string | null }
export interface Grid { id: number; code: string | null; name: string | null }
export interface Building {
  id: number; name: string | null; address: string | null; kind: string; state: string
  use: string | null; height: number; height_method: string; floors_above: number
  floors_below: number; floors_method: string; built_year: number | null; footprint_area: number
  ground_elev: number; height_shift: number; estate: Named | null; areas: Area[]; grid: Grid | null
  counts: Record<string, number>; bounds: number[]; centre: number[]
}
export interface GridUnit {
  id: number; room_no: string; entrance: number | null; kind: string; occupancy: string
  geom_status: string; organisations: number
}
export interface GridStorey {
  id: number; no: number; label: string; kind: string; elev_bottom: number | null
  elev_top: number | null; status: string; units: GridUnit[]
}
export interface GridEntrance { id: number; no: number; name: string; lift_count: number | null }
export interface FloorGrid {
  building: Named; entrances: GridEntrance[]; storeys: GridStorey[]
}
export interface Person {
  name: string; id_no: string | null; phone: string | null; role: string | null; kind: string | null
  birth_year: number | null
}
export interface Datastream {
  id: number; name: string; property: string; unit: string | null; value: number | null
  text: string | null; at: string | null
}
export interface Bound { type: string; label: string | null }
export interface Device {
  id: number; name: string | null; class: string; bound_to: Bound | null; status: string
  datastreams: Datastream[]
}
export interface Card {
  unit: {
    id: number; room_no: string; kind: string; occupancy: string; area_gross: number | null
    area: number | null; geom_status: string; rooms: number | null; layout: string | null
  }
  building: { id: number; name: string | null; use: string | null; height: number; floors_above: number }
  storey: { id: number; no: number; label: string; elev_bottom: number | null; elev_top: number | null }
  entrance: { id: number; no: number; name: string } | null
  estate: Named | null
  areas: Area[]
  grid: Grid | null
  centre: number[]
  address: { text: string; levels: Record<string, unknown>; source: string }
  residents: { count: number; shown: boolean; reason: { en: string; zh: string } | null; people: Person[] }
  organisations: { id: number; name: string; kind: string | null; tags: string[] | null; role: string | null }[]
  facilities: { id: number; name: string | null; class: string; serves: Bound | null }[]
  devices: Device[]
}
export interface Observations { datastream: Record<string, unknown>; points: [string, number | null][] }
export interface Located {
  unit: { id: number; room_no: string } | null
  storey: { id: number; no: number; label: string } | null
  building: Named | null
  grid: Grid | null
  areas: Area[]
}
export interface FoundItem {
  id: number; text: string; level: number; score: number; object: { type: string; id: number } | null
  building_id: number | null; unit_id: number | null; lon: number | null; lat: number | null
}
export interface Found { items: FoundItem[] }
export interface Feature {
  type: 'Feature'; id?: number | string
  geometry: { type: string; coordinates: unknown } | null
  properties: Record<string, unknown>
}
export interface FeatureCollection { type: 'FeatureCollection'; features: Feature[] }
