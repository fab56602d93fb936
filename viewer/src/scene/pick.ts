/** What is under a point of the screen, in the city's own ids. */
import {
  Cartesian2, Cartesian3, Cartographic, Cesium3DTileFeature, Math as CesiumMath, type Scene,
} from '@cesium/engine'
import type { Buildings } from './buildings'
import type { DeviceMark, Devices } from './devices'
import { numberOf } from './tileset'
import type { Units } from './units'

/** How far inside the wall a unit is looked for, metres along the line of sight. */
const NUDGE_M = 0.3

export type Hit =
  | { readonly what: 'unit'; readonly building: number; readonly unit: number }
  | { readonly what: 'building'; readonly building: number; readonly place: Place | null; readonly feature: Cesium3DTileFeature }
  | { readonly what: 'device'; readonly device: DeviceMark }
  | { readonly what: 'ground' }

/** Degrees, and metres above the ellipsoid. */
export interface Place { readonly lon: number; readonly lat: number; readonly h: number }

export interface Layers { readonly underground: Buildings; readonly units: Units; readonly devices: Devices }

/** The thing at canvas pixels x, y. */
export function pick(scene: Scene, layers: Layers, x: number, y: number): Hit {
  const position = new Cartesian2(x, y)
  const picked: unknown = scene.pick(position)
  const device = layers.devices.markOf(picked)
  if (device) return { what: 'device', device }
  if (!(picked instanceof Cesium3DTileFeature)) return { what: 'ground' }
  if (picked.tileset === layers.units.tileset) {
    const [unit, building] = [numberOf(picked, 'id'), numberOf(picked, 'building_id')]
    return unit !== null && building !== null ? { what: 'unit', building, unit } : { what: 'ground' }
  }
  const building = numberOf(picked, picked.tileset === layers.underground.tileset ? 'building_id' : 'id')
  if (building === null) return { what: 'ground' }
  return { what: 'building', building, place: inside(scene, position), feature: picked }
}

/** The place under a point of the screen, a little way into what was hit. */
function inside(scene: Scene, position: Cartesian2): Place | null {
  const hit = scene.pickPosition(position)
  const ray = scene.camera.getPickRay(position)
  if (!hit || !ray) return null
  const within = Cartesian3.add(
    hit, Cartesian3.multiplyByScalar(ray.direction, NUDGE_M, new Cartesian3()), new Cartesian3(),
  )
  const { longitude, latitude, height } = Cartographic.fromCartesian(within)
  return { lon: CesiumMath.toDegrees(longitude), lat: CesiumMath.toDegrees(latitude), h: height }
}
