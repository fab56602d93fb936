/** Units in the place of their buildings' blocks: of the selected one, and of those near that an alarm affects. */
import {
  type Cesium3DTile, type Cesium3DTileFeature, type Cesium3DTileset, Color,
} from '@cesium/engine'
import { effect } from '@preact/signals'
import { AFFECTED, KIND, PAPER, SELECTED, SELECTED_STOREY } from '../colours'
import { classes, measured } from '../live/classes'
import type { State } from '../state'
import type { Layer, Stage } from './layer'
import { colour, FeatureIndex, numberOf, openTileset } from './tileset'

const SHADE = 0.9
/** The camera's height above the ground up to which affected units are shown, metres, and in how many buildings. */
const NEAR_M = 1500
const AT_MOST = 12
const NONE: ReadonlySet<number | null> = new Set()
const shades = new Map<string, Color>()

export class Units implements Layer {
  tileset: Cesium3DTileset | null = null
  private readonly index = new FeatureIndex('building_id')
  private stage: Stage | null = null
  private state: State | null = null
  /** Buildings whose units are wanted. */
  private wanted: readonly number[] = []
  /** Which paint each tile wears: units are painted once for each state. */
  private readonly painted = new Map<Cesium3DTile, { buildings: readonly number[]; serial: number }>()
  private serial = 0
  private values: ReadonlyMap<number, number> = new Map()
  private steps: readonly number[] = []
  private undo: (() => void)[] = []

  async add(stage: Stage): Promise<void> {
    this.stage = stage
    // Units are wanted whole as soon as one asks for them, however far the camera is.
    const tileset = await openTileset(stage, 'units', {
      show: false, maximumScreenSpaceError: 1,
      featureIdLabel: 'unit', // its tiles have sets of storeys and of buildings as well
    })
    if (!tileset) return
    this.tileset = tileset
    this.undo = [
      tileset.tileVisible.addEventListener((tile: Cesium3DTile) => this.paint(tile)),
      tileset.tileUnload.addEventListener((tile: Cesium3DTile) => this.painted.delete(tile)),
      effect(() => {
        void stage.live.affected.value
        if (this.state) this.update(this.state)
      }),
      effect(() => {
        void stage.live.pulse.value
        if (this.state?.scheme === 'live' && this.wanted.length > 0) this.update(this.state)
      }),
    ]
  }

  update(state: State): void {
    const { tileset, stage } = this
    if (!tileset || !stage) return
    this.state = state
    this.serial += 1
    this.wanted = this.wants(state, stage)
    const opened = stage.opened.peek()
    const left = [...opened].filter((id) => this.wanted.includes(id))
    if (left.length < opened.size) stage.opened.value = new Set(left)
    if (state.scheme === 'live') {
      const { around } = stage.live
      this.values = around.byPlace(around.shown(state.observed, Date.now())?.key, 'unit', Date.now())
      this.steps = classes([...this.values.values()])
    } else this.values = new Map()
    tileset.show = this.wanted.length > 0 && state.layers.buildings
    stage.redraw()
  }

  remove(): void {
    this.undo.forEach((one) => one())
    if (this.tileset) this.stage?.widget.scene.primitives.remove(this.tileset)
    this.tileset = null
  }

  /** The selected building, and the nearest of those with units that an open alarm affects. */
  private wants(state: State, stage: Stage): number[] {
    const selected = state.selection.building
    const affected = stage.live.affected.peek()
    const low = (state.view?.h ?? 0) - (state.view ? stage.level(state.view.lon, state.view.lat) : 0) < NEAR_M
    const near = low ? [...affected].filter(([, units]) => units.size > 0).map(([id]) => id).slice(0, AT_MOST) : []
    return [...new Set([...(selected === null ? [] : [selected]), ...near])]
  }

  private paint(tile: Cesium3DTile): void {
    const { state, stage, wanted } = this
    if (!state || !stage || wanted.length === 0) return
    const worn = this.painted.get(tile)
    if (worn?.serial === this.serial) return
    // No style: it would be applied again whenever Cesium likes, over what is painted here.
    if (!worn) for (const feature of this.index.all(tile)) feature.show = false
    for (const left of worn?.buildings ?? []) {
      if (!wanted.includes(left)) for (const feature of this.index.of(tile, left)) feature.show = false
    }
    const drawn = wanted.filter((building) => this.paintOne(tile, building, state, stage))
    this.painted.set(tile, { buildings: wanted, serial: this.serial })
    const opened = stage.opened.peek()
    if (drawn.some((id) => !opened.has(id))) stage.opened.value = new Set([...opened, ...drawn])
    stage.redraw()
  }

  /** Paint the units of one building; whether the tile has any. */
  private paintOne(tile: Cesium3DTile, building: number, state: State, stage: Stage): boolean {
    const features = this.index.of(tile, building)
    const affected = stage.live.affected.peek().get(building)
    const own = building === state.selection.building
    const storeys = own ? storeysOf(features, state.selection.unit) : NONE
    // A flat on several storeys is a feature on each, and of one shade.
    const ranks = new Map<number | null, number>()
    for (const feature of features) {
      const unit = numberOf(feature, 'id')
      const rank = ranks.get(unit) ?? ranks.size
      ranks.set(unit, rank)
      const no = numberOf(feature, 'storey_no') ?? 0
      feature.show = !own || state.isolation === 'all'
        || (state.isolation === 'upto' ? no <= state.storey : no === state.storey)
      const value = unit === null ? undefined : this.values.get(unit)
      if (own && unit === state.selection.unit) feature.color = colour(SELECTED)
      else if (unit !== null && affected?.has(unit)) feature.color = shaded(AFFECTED, (rank + no) & 1)
      else if (storeys.has(no)) feature.color = colour(SELECTED_STOREY)
      else if (value !== undefined) feature.color = colour(measured(value, this.steps))
      else {
        const plain = !own || affected !== undefined || state.scheme === 'live'
        feature.color = shaded(plain ? PAPER : KIND[String(feature.getProperty('kind'))] ?? PAPER, (rank + no) & 1)
      }
    }
    return features.length > 0
  }
}

function storeysOf(features: readonly Cesium3DTileFeature[], unit: number | null): ReadonlySet<number | null> {
  const chosen = unit === null ? [] : features.filter((one) => numberOf(one, 'id') === unit)
  return new Set(chosen.map((one) => numberOf(one, 'storey_no')))
}

/** Every other unit a shade darker, so that neighbours can be told apart. */
function shaded(css: string, odd: number): Color {
  if (!odd) return colour(css)
  const key = `${css} odd`
  const known = shades.get(key) ?? Color.multiplyByScalar(colour(css), SHADE, new Color()).withAlpha(1)
  shades.set(key, known)
  return known
}
