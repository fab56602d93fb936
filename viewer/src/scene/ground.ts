/**
 * The ground: terrain where the city has it, and streets and estates drawn on it: small canvases,
 * filled from the service's features.
 */
import {
  CesiumTerrainProvider, type Credit, Event, GeographicTilingScheme, type ImageryLayer, type ImageryProvider,
  Math as CesiumMath, Rectangle, type TerrainProvider,
} from '@cesium/engine'
import type { Client } from '../api/client'
import type { Feature } from '../api/types'
import { GROUND } from '../colours'
import type { State, Theme } from '../state'
import type { Layer, Stage } from './layer'

/** Features are fetched by cells of this level (2.4 km) and drawn at it and finer. */
const CELL_LEVEL = 13
const FINEST = 18
const SIZE = 512
const CELLS_KEPT = 64
const FEATURES_A_CELL = 2000
const PADDING_DEGREES = 0.0004
const METRES_A_DEGREE = 111_320
/** How much of the ground's colour the sun adds, and how much a slope has that looks away from it. */
const SUNLIT = 0.8
const SHADED = 0.5

type Position = readonly [number, number]
interface Cell { readonly streets: readonly Feature[]; readonly estates: readonly Feature[] }
export interface GroundShown { readonly streets: boolean; readonly estates: boolean; readonly theme: Theme }

export class Ground implements Layer {
  private stage: Stage | null = null
  private layer: ImageryLayer | null = null
  private shown: GroundShown | null = null
  private cells: Cells | null = null
  /** What was there before the terrain: ground of one height. */
  private level: TerrainProvider | null = null

  async add(stage: Stage): Promise<void> {
    this.stage = stage
    this.cells = new Cells(stage.client)
    const { terrain } = stage.city
    if (!terrain) return
    const { scene } = stage.widget
    this.level = scene.terrainProvider
    scene.terrainProvider = await CesiumTerrainProvider.fromUrl(stage.client.address(terrain.url), {
      requestVertexNormals: true,
    })
    scene.globe.enableLighting = true // else no slope shows
    scene.globe.lambertDiffuseMultiplier = SUNLIT
    scene.globe.vertexShadowDarkness = SHADED
  }

  update(state: State): void {
    const { streets, estates } = state.layers
    const now = { streets, estates, theme: state.theme }
    const same = this.shown && (Object.keys(now) as (keyof GroundShown)[]).every((key) => this.shown?.[key] === now[key])
    if (same || !this.stage || !this.cells) return
    this.drop()
    this.shown = now
    const bounds = this.stage.city.bounds
    if (bounds && (streets || estates)) {
      const provider = new GroundProvider(this.cells, now, bounds) as unknown as ImageryProvider
      this.layer = this.stage.widget.imageryLayers.addImageryProvider(provider)
    }
    this.stage.redraw()
  }

  remove(): void {
    this.drop()
    this.shown = null
    if (!this.stage || !this.level) return
    const { scene } = this.stage.widget
    scene.terrainProvider = this.level
    scene.globe.enableLighting = false
    this.level = null
  }

  private drop(): void {
    if (this.layer) this.stage?.widget.imageryLayers.remove(this.layer, true)
    this.layer = null
  }
}

/** What the service has in a cell, asked for once. */
class Cells {
  private readonly kept = new Map<string, Promise<Cell>>()

  constructor(private readonly client: Client) {}

  at(x: number, y: number): Promise<Cell> {
    const key = `${x}/${y}`
    const cell = this.kept.get(key) ?? this.fetch(x, y)
    this.kept.delete(key)
    this.kept.set(key, cell)
    const oldest = this.kept.keys().next().value
    if (this.kept.size > CELLS_KEPT && oldest !== undefined) this.kept.delete(oldest)
    return cell
  }

  private async fetch(x: number, y: number): Promise<Cell> {
    const step = 180 / 2 ** CELL_LEVEL
    const [west, north] = [x * step - 180, 90 - y * step]
    const box = [
      west - PADDING_DEGREES, north - step - PADDING_DEGREES, west + step + PADDING_DEGREES, north + PADDING_DEGREES,
    ].map((value) => Number(value.toFixed(6)))
    const none = { type: 'FeatureCollection' as const, features: [] }
    const [streets, estates] = await Promise.all(
      ['streets', 'estates'].map((name) => this.client.features(name, box, FEATURES_A_CELL).catch(() => none)),
    )
    return { streets: streets?.features ?? [], estates: estates?.features ?? [] }
  }
}

/** Canvases for Cesium's globe; above the level of the cells there is nothing to draw. */
class GroundProvider {
  readonly tileWidth = SIZE
  readonly tileHeight = SIZE
  readonly minimumLevel = 0
  readonly maximumLevel = FINEST
  readonly tilingScheme = new GeographicTilingScheme()
  readonly rectangle: Rectangle
  readonly hasAlphaChannel = true
  readonly errorEvent = new Event()
  readonly tileDiscardPolicy = undefined
  readonly credit = undefined
  readonly proxy = undefined

  constructor(
    private readonly cells: Cells, private readonly shown: GroundShown, bounds: readonly number[],
  ) {
    const [w = 0, s = 0, e = 0, n = 0] = bounds
    this.rectangle = Rectangle.fromDegrees(w - 0.02, s - 0.02, e + 0.02, n + 0.02)
  }

  getTileCredits(): Credit[] {
    return []
  }

  pickFeatures(): undefined {
    return undefined
  }

  async requestImage(x: number, y: number, level: number): Promise<HTMLCanvasElement> {
    const canvas = document.createElement('canvas')
    if (level < CELL_LEVEL) {
      canvas.width = canvas.height = 1
      return canvas
    }
    canvas.width = canvas.height = SIZE
    const up = 2 ** (level - CELL_LEVEL)
    const cell = await this.cells.at(Math.floor(x / up), Math.floor(y / up))
    const { west, south, east, north } = this.tilingScheme.tileXYToRectangle(x, y, level)
    const box = [west, south, east, north].map((radians) => CesiumMath.toDegrees(radians))
    drawCell(canvas, cell, box, this.shown)
    return canvas
  }
}

function drawCell(canvas: HTMLCanvasElement, cell: Cell, box: readonly number[], shown: GroundShown): void {
  const [west = 0, south = 0, east = 0, north = 0] = box
  const context = canvas.getContext('2d')
  if (!context) return
  const colours = GROUND[shown.theme]
  const toX = (lon: number): number => ((lon - west) / (east - west)) * SIZE
  const toY = (lat: number): number => ((north - lat) / (north - south)) * SIZE
  const pixels = SIZE / ((north - south) * METRES_A_DEGREE)
  const path = (positions: readonly Position[]): void => {
    positions.forEach(([lon, lat], at) => {
      if (at === 0) context.moveTo(toX(lon), toY(lat))
      else context.lineTo(toX(lon), toY(lat))
    })
  }
  context.lineJoin = context.lineCap = 'round'
  if (shown.estates) {
    context.fillStyle = colours.estate
    context.strokeStyle = colours.estateLine
    context.lineWidth = Math.max(1, 1.2 * pixels)
    for (const feature of cell.estates) {
      context.beginPath()
      for (const ring of rings(feature)) path(ring)
      context.fill('evenodd')
      context.stroke()
    }
  }
  if (!shown.streets) return
  for (const [style, extra] of [[colours.casing, 1.6], [colours.street, 0]] as const) {
    context.strokeStyle = style
    for (const feature of cell.streets) {
      context.lineWidth = Math.max(extra ? 2 : 1, (streetWidth(feature) + extra) * pixels)
      context.beginPath()
      for (const line of lines(feature)) path(line)
      context.stroke()
    }
  }
}

/** Metres; what a street's kind lets one expect. */
function streetWidth(feature: Feature): number {
  const kind = String(feature.properties['kind'] ?? '')
  if (/motorway|trunk|快速|高速/.test(kind)) return 26
  if (/primary|主干/.test(kind)) return 20
  if (/secondary|tertiary|次干/.test(kind)) return 14
  if (/foot|path|step|walk|步|径/.test(kind)) return 2.5
  return 8
}

function rings(feature: Feature): Position[][] {
  const { type, coordinates } = feature.geometry ?? { type: '', coordinates: [] }
  if (type === 'Polygon') return coordinates as Position[][]
  return type === 'MultiPolygon' ? (coordinates as Position[][][]).flat() : []
}

function lines(feature: Feature): Position[][] {
  const { type, coordinates } = feature.geometry ?? { type: '', coordinates: [] }
  if (type === 'LineString') return [coordinates as Position[]]
  return type === 'MultiLineString' ? (coordinates as Position[][]) : []
}
