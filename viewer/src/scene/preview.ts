/** What a file would bring, drawn at its place over the city; the camera goes there. */
import {
  Cartesian3, Color, ColorGeometryInstanceAttribute, GeometryInstance, PerInstanceColorAppearance,
  PointPrimitiveCollection, PolygonGeometry, PolygonHierarchy, PolylineColorAppearance, PolylineGeometry, Primitive,
  PrimitiveCollection, Rectangle,
} from '@cesium/engine'
import { effect, type ReadonlySignal } from '@preact/signals'
import type { Feature } from '../api/types'
import { around, beside, type Box } from '../intake/place'
import type { Preview as Shown } from '../store'
import type { Layer, Stage } from './layer'

const FILL = Color.fromCssColorString('#d6006e').withAlpha(0.35)
const EDGE = Color.fromCssColorString('#d6006e')
const ABOVE_GROUND_M = 0.6
const FLIGHT_S = 1.2
const NARROW_PX = 640
const CROWD = 150

type Position = readonly [number, number]

export class Preview implements Layer {
  private stage: Stage | null = null
  private drawn: PrimitiveCollection | null = null
  private undo: (() => void) | null = null

  constructor(private readonly shown: ReadonlySignal<Shown | null>) {}

  async add(stage: Stage): Promise<void> {
    this.stage = stage
    this.drawn = new PrimitiveCollection()
    stage.widget.scene.primitives.add(this.drawn)
    this.undo = effect(() => {
      const now = this.shown.value
      this.draw(now?.features?.features ?? [])
      if (now?.extent) this.fly(now.extent)
      stage.redraw()
    })
  }

  /** Follows its own signal: nothing of it is in a link. */
  update(): void {}

  remove(): void {
    this.undo?.()
    if (this.drawn) this.stage?.widget.scene.primitives.remove(this.drawn)
    this.drawn = null
  }

  private draw(features: readonly Feature[]): void {
    const { drawn, stage } = this
    if (!drawn || !stage) return
    drawn.removeAll()
    const at = ([lon, lat]: Position): Cartesian3 => Cartesian3.fromDegrees(lon, lat, stage.level(lon, lat) + ABOVE_GROUND_M)
    const shapes = features.map((one) => partsOf(one))
    const fills = shapes.flatMap(({ polygons }) => polygons).map((rings) => filled(rings, at))
    const edges = shapes.flatMap(({ lines, polygons }) => [...lines, ...polygons.flat()]).filter((one) => one.length > 1)
      .map((line) => edge(line, at))
    // Seen through buildings too: what is loaded again stands inside them.
    const flat = (): PerInstanceColorAppearance => new PerInstanceColorAppearance({ flat: true, translucent: true })
    if (fills.length > 0) {
      drawn.add(new Primitive({ geometryInstances: fills, appearance: flat(), depthFailAppearance: flat(), asynchronous: false }))
    }
    if (edges.length > 0) {
      drawn.add(new Primitive({
        geometryInstances: edges, appearance: new PolylineColorAppearance(),
        depthFailAppearance: new PolylineColorAppearance(), asynchronous: false,
      }))
    }
    const points = new PointPrimitiveCollection()
    const places = shapes.flatMap((one) => one.points)
    // Rings of hundreds would hide each other's points.
    const [pixelSize, outlineWidth] = places.length > CROWD ? [5, 0] : [9, 2]
    for (const place of places) {
      points.add({
        position: at(place), pixelSize, color: EDGE, outlineColor: Color.WHITE, outlineWidth,
        disableDepthTestDistance: Number.POSITIVE_INFINITY,
      })
    }
    drawn.add(points)
  }

  /** From above, beside the panel or over the sheet. */
  private fly(extent: Box): void {
    const { stage } = this
    if (!stage) return
    const { widget } = stage
    const { clientWidth, clientHeight } = widget.canvas
    const panel = document.querySelector('.intake')?.getBoundingClientRect()
    const narrow = clientWidth <= NARROW_PX
    const covered = {
      left: panel && !narrow ? panel.right / clientWidth : 0,
      below: panel && narrow ? 1 - panel.top / clientHeight : 0,
    }
    const still = !widget.useDefaultRenderLoop || matchMedia('(prefers-reduced-motion: reduce)').matches
    widget.camera.flyTo({
      destination: Rectangle.fromDegrees(...beside(around(extent), covered)), duration: still ? 0 : FLIGHT_S,
    })
  }
}

function filled(rings: readonly (readonly Position[])[], at: (place: Position) => Cartesian3): GeometryInstance {
  const [outer = [], ...holes] = rings.map((ring) => ring.map(at))
  return new GeometryInstance({
    geometry: new PolygonGeometry({
      polygonHierarchy: new PolygonHierarchy(outer, holes.map((one) => new PolygonHierarchy(one))),
      perPositionHeight: true, vertexFormat: PerInstanceColorAppearance.FLAT_VERTEX_FORMAT,
    }),
    attributes: { color: ColorGeometryInstanceAttribute.fromColor(FILL), depthFailColor: ColorGeometryInstanceAttribute.fromColor(FILL) },
  })
}

function edge(line: readonly Position[], at: (place: Position) => Cartesian3): GeometryInstance {
  return new GeometryInstance({
    geometry: new PolylineGeometry({ positions: line.map(at), width: 2, vertexFormat: PolylineColorAppearance.VERTEX_FORMAT }),
    attributes: { color: ColorGeometryInstanceAttribute.fromColor(EDGE), depthFailColor: ColorGeometryInstanceAttribute.fromColor(EDGE) },
  })
}

interface Parts { readonly points: Position[]; readonly lines: Position[][]; readonly polygons: Position[][][] }

/** A feature's geometry as plain points, lines and polygons. */
export function partsOf(feature: Feature): Parts {
  const none: Parts = { points: [], lines: [], polygons: [] }
  const { type, coordinates } = (feature.geometry ?? {}) as { type?: string; coordinates?: unknown }
  switch (type) {
    case 'Point': return { ...none, points: [coordinates as Position] }
    case 'MultiPoint': return { ...none, points: coordinates as Position[] }
    case 'LineString': return { ...none, lines: [coordinates as Position[]] }
    case 'MultiLineString': return { ...none, lines: coordinates as Position[][] }
    case 'Polygon': return { ...none, polygons: [coordinates as Position[][]] }
    case 'MultiPolygon': return { ...none, polygons: coordinates as Position[][][] }
    default: return none
  }
}
