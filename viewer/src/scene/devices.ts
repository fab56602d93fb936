/** Devices that stand somewhere of their own, as points near the camera. */
import { Cartesian3, Color, PointPrimitive, PointPrimitiveCollection } from '@cesium/engine'
import type { Feature } from '../api/types'
import type { State, View } from '../state'
import type { Layer, Stage } from './layer'

const NORMAL = '#2e9e5b'
const ALARM = '#d7263d'
const FARTHEST_M = 2500
const CELL_DEGREES = 0.02
const AT_MOST = 1000

export interface DeviceMark { readonly name: string; readonly kind: string; readonly building: number | null }

export class Devices implements Layer {
  private stage: Stage | null = null
  private points: PointPrimitiveCollection | null = null
  private cell = ''

  async add(stage: Stage): Promise<void> {
    this.stage = stage
    this.points = new PointPrimitiveCollection()
    stage.widget.scene.primitives.add(this.points)
  }

  update(state: State): void {
    if (!this.points) return
    this.points.show = state.layers.devices
    if (state.layers.devices && state.view) this.follow(state.view)
  }

  remove(): void {
    if (this.points) this.stage?.widget.scene.primitives.remove(this.points)
    this.points = null
  }

  /** The mark behind a picked primitive, if it is one of these points. */
  markOf(picked: unknown): DeviceMark | null {
    const found = picked as { primitive?: unknown; id?: DeviceMark } | undefined
    return found?.primitive instanceof PointPrimitive && found.id ? found.id : null
  }

  private follow(view: View): void {
    const cell = [view.lon, view.lat].map((value) => Math.round(value / CELL_DEGREES)).join('/')
    if (cell === this.cell || view.h > FARTHEST_M * 2) return
    this.cell = cell
    const d = CELL_DEGREES * 1.2
    const box = [view.lon - d, view.lat - d, view.lon + d, view.lat + d].map((value) => Number(value.toFixed(6)))
    this.stage?.client.features('devices', box, AT_MOST).then(
      (found) => this.draw(found.features),
      () => { this.cell = '' },
    )
  }

  private draw(features: readonly Feature[]): void {
    const { points, stage } = this
    if (!points || !stage) return
    points.removeAll()
    for (const { geometry, properties } of features) {
      if (geometry?.type !== 'Point' || properties['placed'] === false) continue
      const [lon = 0, lat = 0] = geometry.coordinates as number[]
      const up = Number(properties['elevation'] ?? 0) || 3
      points.add({
        id: {
          name: String(properties['name'] ?? properties['class']),
          kind: String(properties['class']),
          building: Number(properties['building_id']) || null,
        } satisfies DeviceMark,
        position: Cartesian3.fromDegrees(lon, lat, stage.level(lon, lat) + up),
        pixelSize: 9,
        color: Color.fromCssColorString(properties['status'] === 'faulty' ? ALARM : NORMAL),
        outlineColor: Color.WHITE,
        outlineWidth: 2,
      })
    }
    stage.redraw()
  }
}
