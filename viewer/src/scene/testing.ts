/** What `?test` lends to a browser test: frames drawn on demand, and picks by pixel. */
import { Cartesian3, Cartographic, type Cesium3DTileset, type CesiumWidget } from '@cesium/engine'
import type { Store } from '../store'
import type { Hit } from './pick'

export interface TestHooks {
  /** Draw until the tiles of the view are there. */
  settle(): Promise<void>
  /** The ids at canvas pixels x, y. */
  pick(x: number, y: number): Omit<Hit, 'feature'>
  /** Canvas pixels of a place, if it is in front of the camera. */
  project(lon: number, lat: number, h: number): [number, number] | null
  /** The drawn ground there, metres above the ellipsoid, once it is in view. */
  ground(lon: number, lat: number): number | null
  /** How many colours a small copy of the picture has. */
  colours(): number
  /** The share of the picture that is nearly of the colour r, g, b. */
  near(r: number, g: number, b: number): number
  renderer(): string
  state(): unknown
  /** Whether ground and each tileset have all they need. */
  ready(): boolean[]
  opened(): number | null
  /** Buildings with the units that open alarms affect in them. */
  lit(): [number, number[]][]
}

declare global {
  interface Window { cim?: TestHooks }
}

const QUIET_FRAMES = 5
const FRAME_MS = 20
const NEARLY = 24

export function hookForTests(
  widget: CesiumWidget, store: Store, tilesets: readonly Cesium3DTileset[], at: (x: number, y: number) => Hit,
): void {
  const { scene, canvas } = widget
  const ready = (): boolean => scene.globe.tilesLoaded && tilesets.every((one) => !one.show || one.tilesLoaded)
  const picture = (width: number, height: number): Uint8ClampedArray => {
    const small = Object.assign(document.createElement('canvas'), { width, height })
    const context = small.getContext('2d')
    if (!context) return new Uint8ClampedArray()
    widget.render()
    context.drawImage(canvas, 0, 0, width, height)
    return context.getImageData(0, 0, width, height).data
  }
  window.cim = {
    async settle() {
      for (let quiet = 0; quiet < QUIET_FRAMES;) {
        widget.resize()
        widget.render()
        await new Promise((resolve) => setTimeout(resolve, FRAME_MS))
        quiet = ready() ? quiet + 1 : 0
      }
    },
    pick(x, y) {
      widget.render()
      const hit = at(x, y)
      return Object.fromEntries(Object.entries(hit).filter(([key]) => key !== 'feature')) as Omit<Hit, 'feature'>
    },
    project(lon, lat, h) {
      const place = scene.cartesianToCanvasCoordinates(Cartesian3.fromDegrees(lon, lat, h))
      return place ? [place.x, place.y] : null
    },
    ground: (lon, lat) => scene.globe.getHeight(Cartographic.fromDegrees(lon, lat)) ?? null,
    colours: () => new Set(new Uint32Array(picture(64, 40).buffer)).size,
    near(r, g, b) {
      const data = picture(320, 200)
      let found = 0
      for (let at = 0; at < data.length; at += 4) {
        const away = [r, g, b].map((want, part) => Math.abs(want - (data[at + part] ?? 0)))
        if (Math.max(...away) < NEARLY) found += 1
      }
      return (found * 4) / data.length
    },
    renderer() {
      const gl = document.createElement('canvas').getContext('webgl2')
      const info = gl?.getExtension('WEBGL_debug_renderer_info')
      return gl && info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : ''
    },
    state: () => store.state.value,
    ready: () => [scene.globe.tilesLoaded, ...tilesets.map((one) => one.tilesLoaded)],
    opened: () => (tilesets.some((one) => one.show) ? store.state.value.selection.building : null),
    lit: () => [...store.live.affected.value].map(([building, units]) => [building, [...units]]),
  }
}
