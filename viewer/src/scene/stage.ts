/** The empty stage: globe, light and sky, in paper colours; no imagery, no network. */
import {
  CesiumWidget, Color, EllipsoidTerrainProvider, HeightmapTerrainData, Ion, JulianDate, Math as CesiumMath,
  ScreenSpaceEventHandler, SunLight, type TerrainData,
} from '@cesium/engine'
import '@cesium/engine/Source/Widget/CesiumWidget.css'
import { GROUND } from '../colours'
import type { Level } from './levels'
import type { State, Theme } from '../state'
import { createOutlines, ink } from './outlines'

export interface StageOptions { readonly place: HTMLElement; readonly test: boolean; readonly lite: boolean }

const SAMPLES = 16

/** Ground as the buildings tell its height, until there is terrain. */
class LevelGround extends EllipsoidTerrainProvider {
  constructor(private readonly level: Level) {
    super()
  }

  override requestTileGeometry(x: number, y: number, level: number): Promise<TerrainData> {
    const { west, north, width, height } = this.tilingScheme.tileXYToRectangle(x, y, level)
    const [right, down] = [width, height].map((edge) => CesiumMath.toDegrees(edge) / (SAMPLES - 1)) as [number, number]
    const [lon, lat] = [CesiumMath.toDegrees(west), CesiumMath.toDegrees(north)]
    const buffer = Float32Array.from({ length: SAMPLES * SAMPLES }, (_, at) => (
      this.level(lon + (at % SAMPLES) * right, lat - Math.floor(at / SAMPLES) * down)
    ))
    return Promise.resolve(new HeightmapTerrainData({ buffer, width: SAMPLES, height: SAMPLES }))
  }
}

/** A widget that asks no host for anything, with ground at that level. */
export function createWidget(options: StageOptions, level: Level, label: string): CesiumWidget {
  Ion.defaultAccessToken = undefined as unknown as string
  const container = document.createElement('main')
  container.className = 'scene'
  const credits = document.createElement('footer')
  credits.className = 'credits'
  options.place.prepend(container)
  options.place.append(credits)

  const widget = new CesiumWidget(container, {
    baseLayer: false,
    terrainProvider: new LevelGround(level),
    skyBox: false,
    skyAtmosphere: false,
    scene3DOnly: true,
    requestRenderMode: !options.test,
    maximumRenderTimeChange: Number.POSITIVE_INFINITY,
    useDefaultRenderLoop: !options.test,
    msaaSamples: options.lite ? 1 : 4,
    creditContainer: document.createElement('div'),
    showRenderLoopErrors: false,
  })
  credits.textContent = 'CesiumJS · cimtwin'
  const { canvas } = widget
  canvas.tabIndex = 0
  canvas.setAttribute('role', 'application')
  canvas.setAttribute('aria-label', label)
  prepare(widget)
  if (options.lite) widget.scene.globe.maximumScreenSpaceError = 4
  else widget.scene.postProcessStages.add(createOutlines())
  return widget
}

function prepare(widget: CesiumWidget): void {
  const { scene } = widget
  const { globe } = scene
  scene.fog.enabled = false
  scene.highDynamicRange = false
  if (scene.sun) scene.sun.show = false
  if (scene.moon) scene.moon.show = false
  globe.showGroundAtmosphere = false
  globe.enableLighting = false
  globe.depthTestAgainstTerrain = true
  scene.screenSpaceCameraController.minimumZoomDistance = 4
  scene.screenSpaceCameraController.maximumZoomDistance = 400_000
  // Hard shadows: soft ones stripe, and must be chosen before the first frame.
  scene.shadowMap.softShadows = false
  scene.shadowMap.size = 2048
  scene.shadowMap.darkness = 0.6
  scene.shadowMap.maximumDistance = 3500
  widget.clock.shouldAnimate = false
}

/** Half past three on 20 March, by the sun of that longitude. */
export function setSun(widget: CesiumWidget, lon: number): void {
  const utc = Date.UTC(2026, 2, 20) + (15.5 - lon / 15) * 3_600_000
  widget.clock.currentTime = JulianDate.fromDate(new Date(utc))
}

/** Ground, sky and light of a theme. */
export function setTheme(widget: CesiumWidget, theme: Theme): void {
  const { scene } = widget
  scene.backgroundColor = Color.fromCssColorString(GROUND[theme].sky)
  scene.globe.baseColor = Color.fromCssColorString(GROUND[theme].land)
  scene.globe.undergroundColor = Color.fromCssColorString(GROUND[theme].casing)
  Color.fromCssColorString(GROUND[theme].ink, ink)
  scene.light = new SunLight({ intensity: theme === 'light' ? 2.2 : 1.5 })
  scene.requestRender()
}

/** Look through the ground, and let the camera go below it; or neither. */
export function setUnderground(widget: CesiumWidget, state: State): void {
  const { scene } = widget
  scene.globe.translucency.enabled = state.underground
  scene.globe.translucency.frontFaceAlpha = 0.35
  scene.screenSpaceCameraController.enableCollisionDetection = !state.underground
  scene.requestRender()
}

/** Pointer events of the canvas, less often than the mouse sends them. */
export function createHandler(widget: CesiumWidget): ScreenSpaceEventHandler {
  return new ScreenSpaceEventHandler(widget.canvas)
}
