/** The camera as a view, and the ways it is moved. */
import {
  BoundingSphere, type Camera, Cartesian3, Cartographic, HeadingPitchRange, Math as CesiumMath, type Scene,
} from '@cesium/engine'
import type { View } from '../state'

const FLIGHT_S = 1.2
const { toDegrees, toRadians } = CesiumMath

/** Where the camera is, in degrees and metres above the ellipsoid. */
export function viewOf(camera: Camera): View {
  const { longitude, latitude, height } = camera.positionCartographic
  return {
    lon: toDegrees(longitude), lat: toDegrees(latitude), h: height,
    heading: toDegrees(CesiumMath.zeroToTwoPi(camera.heading)),
    pitch: toDegrees(camera.pitch),
  }
}

/** Put the camera there at once. */
export function stand(camera: Camera, view: View): void {
  camera.setView({
    destination: Cartesian3.fromDegrees(view.lon, view.lat, view.h),
    orientation: { heading: toRadians(view.heading), pitch: toRadians(view.pitch), roll: 0 },
  })
}

export interface Target {
  readonly lon: number; readonly lat: number; readonly h: number; readonly range: number
  /** Degrees from north; as it is now, unless given. */
  readonly heading?: number | undefined
  readonly pitch?: number | undefined
}

/** Look at a place from `range` metres, in a flight or at once. */
export function lookAt(camera: Camera, target: Target, flying: boolean, done?: () => void): void {
  const sphere = new BoundingSphere(Cartesian3.fromDegrees(target.lon, target.lat, target.h), 1)
  const heading = target.heading === undefined ? camera.heading : toRadians(target.heading)
  const offset = new HeadingPitchRange(heading, toRadians(target.pitch ?? -24), target.range)
  camera.flyToBoundingSphere(sphere, {
    offset,
    duration: flying && !matchMedia('(prefers-reduced-motion: reduce)').matches ? FLIGHT_S : 0,
    ...(done ? { complete: done } : {}),
  })
}

/** Whether a place is on the screen and seen from its own side, `outward` degrees from north. */
export function faces(scene: Scene, target: Target, outward: number): boolean {
  const place = Cartesian3.fromDegrees(target.lon, target.lat, target.h)
  const at = scene.cartesianToCanvasCoordinates(place)
  const { clientWidth, clientHeight } = scene.canvas
  const inside = at && at.x > 300 && at.x < clientWidth - 370 && at.y > 60 && at.y < clientHeight - 30
  const there = Cartographic.fromCartesian(place)
  const here = scene.camera.positionCartographic
  const bearing = toDegrees(Math.atan2(
    (here.longitude - there.longitude) * Math.cos(there.latitude), here.latitude - there.latitude,
  ))
  const off = Math.abs(((bearing - outward + 540) % 360) - 180)
  return Boolean(inside) && off < 75
}

/** Arrow keys and + − move a camera whose canvas has the focus. */
export function moveByKeys(scene: Scene): () => void {
  const { camera, canvas } = scene
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const step = Math.max(5, camera.positionCartographic.height * 0.12)
    const up = scene.ellipsoid.geodeticSurfaceNormal(camera.position, new Cartesian3())
    const level = Cartesian3.normalize(Cartesian3.cross(up, camera.right, new Cartesian3()), new Cartesian3())
    const acts: Record<string, () => void> = {
      ArrowLeft: () => camera.moveLeft(step),
      ArrowRight: () => camera.moveRight(step),
      ArrowUp: () => camera.move(level, step),
      ArrowDown: () => camera.move(level, -step),
      '+': () => camera.moveForward(step),
      '=': () => camera.moveForward(step),
      '-': () => camera.moveBackward(step),
    }
    const act = acts[event.key]
    if (!act) return
    act()
    event.preventDefault()
    scene.requestRender()
  }
  canvas.addEventListener('keydown', onKeyDown)
  return () => canvas.removeEventListener('keydown', onKeyDown)
}
