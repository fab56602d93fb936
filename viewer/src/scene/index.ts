/** The scene follows the state, and turns clicks into acts on it. Alone here is Cesium known. */
import { effect, signal } from '@preact/signals'
import { type Cartesian2, type CesiumWidget, ScreenSpaceEventType } from '@cesium/engine'
import type { City } from '../api/types'
import { sameView } from '../state'
import type { Store } from '../store'
import { codeName } from '../words'
import { BELOW, Buildings, TO_BE } from './buildings'
import { faces, lookAt, moveByKeys, stand, viewOf } from './camera'
import { type DeviceMark, Devices } from './devices'
import { Ground } from './ground'
import type { Layer, Stage } from './layer'
import { levelOf } from './levels'
import { type Hit, pick } from './pick'
import { Points } from './points'
import { Preview } from './preview'
import { createHandler, createWidget, setSun, setTheme, setUnderground, type StageOptions } from './stage'
import { hookForTests } from './testing'
import { Units } from './units'

const HOVER_PAUSE_MS = 90
const NARROW_PX = 640
const SUN_DEGREES = 10
/** How much nearer a click on a bunch of devices leads, and metres at which that ends. */
const STEP = 3
const NEAREST_M = 150

/** Show the city of the store, as soon as the service has said what it is. */
export async function createScene(store: Store, options: StageOptions): Promise<void> {
  const city = await known(store)
  if (city.tilesets.length === 0) {
    store.city.subscribe((next) => { if (next && next.tilesets.length > 0) location.reload() })
    await asked(store) // an empty city is shown to whoever looks where a file lies
  }
  if (!document.createElement('canvas').getContext('webgl2')) {
    store.say(store.t.value.failed, store.t.value.failed, 'error')
    return
  }
  const level = levelOf(city.grounds)
  const widget = createWidget(options, level, store.t.value.canvas)
  const stage: Stage = {
    widget, city, level, client: store.client, live: store.live, lite: options.lite,
    opened: signal<ReadonlySet<number>>(new Set()),
    redraw: () => widget.scene.requestRender(),
  }
  const layers = {
    ground: new Ground(), buildings: new Buildings(), planned: new Buildings(TO_BE), underground: new Buildings(BELOW),
    points: new Points(), units: new Units(), devices: new Devices(),
  }
  const all: readonly Layer[] = [...Object.values(layers), new Preview(store.preview)]

  followCamera(store, widget, city, options)
  followState(store, widget)
  await Promise.all(all.map((layer) => layer.add(stage)))
  effect(() => {
    const state = store.state.value
    all.forEach((layer) => layer.update(state))
  })
  listen(store, widget, (x, y) => pick(widget.scene, layers, x, y), options)
  moveByKeys(widget.scene)
  if (options.test) {
    const tilesets = [layers.buildings, layers.units, layers.planned, layers.underground].map((one) => one.tileset)
      .concat(layers.points.tilesets)
    hookForTests(widget, store, tilesets.filter((one) => one !== null), (x, y) => pick(widget.scene, layers, x, y))
  }
}

function known(store: Store): Promise<City> {
  return new Promise((resolve) => {
    const stop = effect(() => {
      const city = store.city.value
      if (city) { resolve(city); queueMicrotask(() => stop()) }
    })
  })
}

/** Once there is something to see before the city has tiles. */
function asked(store: Store): Promise<void> {
  return new Promise((resolve) => {
    const stop = effect(() => {
      if (store.preview.value) { resolve(); queueMicrotask(() => stop()) }
    })
  })
}

/** The camera follows links, history and wishes; the link follows the camera. */
function followCamera(store: Store, widget: CesiumWidget, city: City, options: StageOptions): void {
  const { camera } = widget.scene
  const focus = city.focus
  let said = store.state.value.view
  if (said) stand(camera, said)
  else if (focus) {
    const range = Math.min(2500, Math.max(350, focus.height))
    lookAt(camera, { lon: focus.lon, lat: focus.lat, h: focus.ground ?? 0, range, heading: 30, pitch: -26 }, false)
  }
  let noon: number | null = null
  const tell = (): void => {
    said = viewOf(camera)
    // Where cities lie far apart one would be seen at night.
    if (noon === null || Math.abs(said.lon - noon) > SUN_DEGREES) setSun(widget, noon = said.lon)
    if (!sameView(said, store.state.peek().view)) store.setView(said)
  }
  camera.moveEnd.addEventListener(tell)
  tell()
  effect(() => {
    const view = store.state.value.view
    // A view that did not come from the camera itself came from a link.
    if (view && !sameView(view, said)) { said = view; stand(camera, view) }
  })
  effect(() => {
    const wish = store.wish.value
    if (!wish) return
    // On a phone the sheet covers the lower half: what is wanted goes into the upper one.
    const lower = widget.canvas.clientWidth <= NARROW_PX ? wish.range * 0.2 : 0
    const heading = wish.outward === undefined ? undefined : wish.outward + 180
    const place = { ...wish, h: wish.h - lower, heading }
    if (wish.outward === undefined || !faces(widget.scene, place, wish.outward)) {
      lookAt(camera, place, !options.test, tell)
    }
    widget.scene.requestRender()
  })
}

/** Theme, shadows and the underground follow the state; the label follows the language. */
function followState(store: Store, widget: CesiumWidget): void {
  effect(() => setTheme(widget, store.state.value.theme))
  effect(() => setUnderground(widget, store.state.value))
  effect(() => {
    widget.scene.shadowMap.enabled = store.state.value.layers.shadows
    widget.scene.requestRender()
  })
  effect(() => widget.canvas.setAttribute('aria-label', store.t.value.canvas))
}

function listen(store: Store, widget: CesiumWidget, at: (x: number, y: number) => Hit, options: StageOptions): void {
  const handler = createHandler(widget)
  handler.setInputAction(({ position }: { position: Cartesian2 }) => {
    act(store, at(position.x, position.y))
  }, ScreenSpaceEventType.LEFT_CLICK)
  widget.canvas.addEventListener('pointerleave', () => { store.hover.value = null })
  if (options.lite) return
  let timer = 0
  handler.setInputAction(({ endPosition }: { endPosition: Cartesian2 }) => {
    clearTimeout(timer)
    const { x, y } = endPosition
    timer = window.setTimeout(() => {
      const text = label(store, at(x, y))
      store.hover.value = text ? { x, y, text } : null
      widget.canvas.style.cursor = text ? 'pointer' : ''
    }, HOVER_PAUSE_MS)
  }, ScreenSpaceEventType.MOUSE_MOVE)
}

/** What a click means: it changes the state, and the scene follows. */
function act(store: Store, hit: Hit): void {
  store.hover.value = null
  if (hit.what === 'unit') store.select({ building: hit.building, unit: hit.unit })
  else if (hit.what === 'device' && hit.device.alarm !== null) {
    store.live.focus.value = hit.device.alarm
    store.change({ alarms: true })
    if (hit.device.building !== null) store.select({ building: hit.device.building, unit: null })
  } else if (hit.what === 'device' && hit.device.many > 1) nearer(store, hit.device)
  else if (hit.what === 'device' && hit.device.id !== null) {
    const { id, name, kind, faulty, building } = hit.device
    store.live.device.value = { id, name, kind, faulty }
    store.tab.value = 'card'
    if (building !== null) store.select({ building, unit: null })
  }
  else if (hit.what === 'building' && hit.place) void store.selectAt(hit.building, hit.place.lon, hit.place.lat, hit.place.h)
  else if (hit.what === 'building') store.select({ building: hit.building, unit: null })
  else if (hit.what === 'ground') { store.live.device.value = null; store.select({ building: null, unit: null }) }
}

/** A bunch of devices comes apart as one comes nearer. */
function nearer(store: Store, { place }: DeviceMark): void {
  const { view } = store.state.peek()
  store.look(place.lon, place.lat, place.h, Math.max(NEAREST_M, ((view?.h ?? 0) - place.h) / STEP))
}

function label(store: Store, hit: Hit): string | null {
  const { language } = store.state.value
  const legend = store.city.value?.legend
  if (hit.what === 'device') {
    const alarm = store.live.alarms.value.find((one) => one.id === hit.device.alarm)
    if (alarm?.message) return alarm.message[language === 'en' ? 'en' : 'zh']
    if (hit.device.many > 1) return store.t.value.devicesHere(hit.device.many)
    const kind = codeName(legend?.['device_class'], hit.device.kind, language)
    const state = store.t.value.deviceStates[hit.device.state]
    return [kind, hit.device.name === kind ? '' : hit.device.name, state].filter(Boolean).join(' · ')
  }
  if (hit.what === 'unit') {
    const units = store.floors.value?.storeys.flatMap((storey) => storey.units)
    return units?.find((one) => one.id === hit.unit)?.room_no ?? null
  }
  const below: unknown = hit.what === 'building' ? hit.feature.getProperty('no') : undefined
  if (hit.what === 'building' && typeof below === 'number') {
    const kind = hit.feature.getProperty('kind') as string | null | undefined
    return [`B${-below}`, kind ? codeName(legend?.['unit_kind'], kind, language) : ''].filter(Boolean).join(' · ')
  }
  if (hit.what === 'building') {
    const use = hit.feature.getProperty('use') as string | null | undefined
    const height = Number(hit.feature.getProperty('height') ?? 0)
    return [use ? codeName(legend?.['use'], use, language) : '', `${height.toFixed(0)} m`].filter(Boolean).join(' · ')
  }
  return null
}
