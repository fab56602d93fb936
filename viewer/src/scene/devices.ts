/** Devices as symbols with their state, near the camera one by one; and open alarms as signs above their places. */
import {
  Billboard, BillboardCollection, Cartesian2, Cartesian3, HorizontalOrigin, NearFarScalar, VerticalOrigin,
} from '@cesium/engine'
import { effect } from '@preact/signals'
import { middle } from '../live'
import type { Feature } from '../api/types'
import { AFFECTED, DEVICE } from '../colours'
import { cellAt, clustered, type Placed } from '../live/clusters'
import type { State, View } from '../state'
import type { Layer, Stage } from './layer'
import { bunch, pin, symbol } from './symbols'

const FARTHEST_M = 2500
const CELL_DEGREES = 0.02
/** Symbols at most, and how often a box that holds more is halved: those nearest are drawn. */
const AT_MOST = 1000
const HALVED = 4
const DRAWN_EVERY_MS = 1000
/** Nothing of the city hides what is nearer than this, metres. */
const SEEN_THROUGH_M = 60
const ABOVE_M = 3
/** Towards the eye, metres: the walls around a device, a lift in the middle of its house, do not cut its symbol in half. */
const BEFORE = new Cartesian3(0, 0, -25)
/** A sign stands above the symbol of its device, pixels. */
const RAISED = new Cartesian2(0, -12)

export type DeviceState = keyof typeof DEVICE
const WORSE: Readonly<Record<DeviceState, number>> = { stale: 0, unheard: 0, unknown: 0, online: 1, silent: 2, faulty: 3, alarm: 4 }

export interface DeviceMark {
  /** The device, or the worst of those the symbol stands for; null of an alarm's sign. */
  readonly id: number | null
  readonly place: Placed
  readonly name: string
  readonly kind: string
  readonly building: number | null
  readonly state: DeviceState
  readonly faulty: boolean
  /** How many devices the symbol stands for. */
  readonly many: number
  /** The alarm that the sign is of, where it is one. */
  readonly alarm: number | null
}

interface Device extends Placed { readonly id: number; readonly name: string; readonly kind: string; readonly building: number | null; readonly faulty: boolean }

export class Devices implements Layer {
  private stage: Stage | null = null
  private symbols: BillboardCollection | null = null
  private signs: BillboardCollection | null = null
  private devices: readonly Device[] = []
  private cell = ''
  private place: readonly [number, number] | null = null
  private asked = 0
  private apart = -1
  private undo: (() => void)[] = []
  private timer = 0
  /** What is drawn now. */
  private picture = ''

  async add(stage: Stage): Promise<void> {
    this.stage = stage
    const collection = (): BillboardCollection => stage.widget.scene.primitives.add(
      new BillboardCollection({ scene: stage.widget.scene }),
    ) as BillboardCollection
    this.symbols = collection()
    this.signs = collection()
    this.undo = [
      effect(() => { void stage.live.pulse.value; this.soon() }),
      effect(() => { void stage.live.alarming.value; void stage.live.link.value; this.draw() }),
      effect(() => { if (stage.live.told.value > 1) this.again() }),
      effect(() => { void stage.live.alarms.value; this.sign() }),
    ]
  }

  update(state: State): void {
    if (!this.symbols || !this.stage) return
    this.symbols.show = state.layers.devices
    if (!state.layers.devices || !state.view) return
    this.follow(state.view)
    const { lon, lat, h } = state.view
    const apart = cellAt(h - this.stage.level(lon, lat))
    if (apart !== this.apart) { this.apart = apart; this.draw() }
  }

  remove(): void {
    this.undo.forEach((one) => one())
    clearTimeout(this.timer)
    for (const one of [this.symbols, this.signs]) if (one) this.stage?.widget.scene.primitives.remove(one)
    this.symbols = this.signs = null
  }

  /** The mark behind a picked primitive, if it is one of these. */
  markOf(picked: unknown): DeviceMark | null {
    const found = picked as { primitive?: unknown; id?: DeviceMark } | undefined
    return found?.primitive instanceof Billboard && found.id ? found.id : null
  }

  private follow(view: View): void {
    const place = middle(view)
    const cell = place.map((value) => Math.round(value / CELL_DEGREES)).join('/')
    if (cell === this.cell || view.h > FARTHEST_M * 2) return
    this.cell = cell
    this.place = place
    this.again()
  }

  /** Ask again for those that stand here; the answer to what was asked before is of no use then. */
  private again(): void {
    const { stage, place } = this
    if (!stage || !place) return
    const asked = ++this.asked
    this.nearest(stage, place).then(
      ([found, all]) => {
        if (asked !== this.asked) return
        this.devices = found.flatMap((one) => this.placed(one))
        const kinds = [...new Set(this.devices.map(({ kind }) => kind))].sort()
        if (kinds.join() !== stage.live.kinds.peek()?.join()) stage.live.kinds.value = kinds
        stage.live.drawn.value = all ? null : this.devices.length
        this.draw()
      },
      () => {
        if (asked === this.asked) this.cell = ''
        stage.live.kinds.value ??= [] // what is heard is of use without symbols too
      },
    )
  }

  /** The devices around a place, and whether that is all: where there are too many, those nearest. Alarms have signs besides. */
  private async nearest({ client }: Stage, [lon, lat]: readonly [number, number]): Promise<[Feature[], boolean]> {
    const around = (d: number): number[] => [lon - d, lat - d, lon + d, lat + d].map((value) => Number(value.toFixed(6)))
    let d = CELL_DEGREES * 1.2
    let found = await client.features('devices', around(d), AT_MOST)
    // Those with a place of their own come first: where one has none, all that are drawn were told.
    const more = (): boolean => found.truncated && found.features.every(({ properties }) => properties['placed'] !== false)
    const all = !more()
    for (let step = 0; step < HALVED && more(); step += 1) {
      found = await client.features('devices', around(d /= 2), AT_MOST)
    }
    return [found.features, all]
  }

  private placed({ id, geometry, properties }: Feature): Device[] {
    const { stage } = this
    if (!stage || geometry?.type !== 'Point' || properties['placed'] === false) return []
    const [lon = 0, lat = 0] = geometry.coordinates as number[]
    return [{
      id: Number(id), lon, lat, h: stage.level(lon, lat) + (Number(properties['elevation'] ?? 0) || ABOVE_M),
      name: String(properties['name'] ?? properties['class']), kind: String(properties['class']),
      building: Number(properties['building_id']) || null, faulty: properties['status'] === 'faulty',
    }]
  }

  private stateOf(device: Device, stage: Stage): DeviceState {
    if (stage.live.alarming.peek().has(device.id)) return 'alarm'
    if (device.faulty) return 'faulty'
    if (stage.live.link.peek() === 'cut') return 'stale'
    const { around, reach } = stage.live
    return reach.peek() !== null && around.ofDevice(device.id).length === 0 ? 'unheard' : around.condition(device.id, Date.now())
  }

  /** Readings come often; states change seldom. */
  private soon(): void {
    if (this.timer === 0) this.timer = window.setTimeout(() => { this.timer = 0; this.draw() }, DRAWN_EVERY_MS)
  }

  private draw(): void {
    const { symbols, stage } = this
    if (!symbols || !stage) return
    const states = new Map(this.devices.map((one) => [one.id, this.stateOf(one, stage)]))
    const worse = (one: Device): number => WORSE[states.get(one.id) ?? 'unknown']
    const bunches = clustered(this.devices, Math.max(0, this.apart), worse)
      .flatMap(([first, ...rest]) => (first ? [{ first, state: states.get(first.id) ?? 'unknown', many: rest.length + 1 }] : []))
    // Readings come all the time; a thousand symbols are not drawn anew for each.
    const picture = bunches.map(({ first, state, many }) => `${first.id} ${first.lon} ${first.lat} ${first.h} ${state} ${many}`).join()
    if (picture === this.picture) return
    this.picture = picture
    symbols.removeAll()
    for (const { first, state, many } of bunches) {
      symbols.add({
        id: { ...first, place: first, state, many, alarm: null } satisfies DeviceMark,
        position: Cartesian3.fromDegrees(first.lon, first.lat, first.h),
        image: many > 1 ? bunch(many, DEVICE[state]) : symbol(first.kind, DEVICE[state]),
        scale: 0.5, scaleByDistance: new NearFarScalar(150, 1, FARTHEST_M, 0.6),
        disableDepthTestDistance: SEEN_THROUGH_M, eyeOffset: BEFORE,
      })
    }
    stage.redraw()
  }

  private sign(): void {
    const { signs, stage } = this
    if (!signs || !stage) return
    signs.removeAll()
    for (const alarm of stage.live.alarms.peek()) {
      const { lon, lat, height, building_id: building } = alarm.place
      if (lon === null || lat === null) continue
      const ground = stage.level(lon, lat)
      const h = Math.max(ground, height ?? ground) + ABOVE_M
      signs.add({
        id: {
          id: null, place: { lon, lat, h }, faulty: false,
          name: alarm.message?.zh ?? alarm.kind, kind: alarm.device?.class.code ?? '', building, state: 'alarm', many: 1, alarm: alarm.id,
        } satisfies DeviceMark,
        position: Cartesian3.fromDegrees(lon, lat, h),
        image: pin(AFFECTED), scale: 0.75, scaleByDistance: new NearFarScalar(150, 1, FARTHEST_M * 2, 0.5),
        pixelOffset: RAISED, pixelOffsetScaleByDistance: new NearFarScalar(150, 1, FARTHEST_M * 2, 0.5),
        horizontalOrigin: HorizontalOrigin.CENTER, verticalOrigin: VerticalOrigin.BOTTOM,
        disableDepthTestDistance: Number.POSITIVE_INFINITY,
      })
    }
    stage.redraw()
  }
}
