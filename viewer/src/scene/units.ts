/** The units of the selected building, in the place of its block; all others stay hidden. */
import {
  type Cesium3DTile, type Cesium3DTileFeature, type Cesium3DTileset, Color,
} from '@cesium/engine'
import { KIND, PAPER, SELECTED, SELECTED_STOREY } from '../colours'
import type { State } from '../state'
import type { Layer, Stage } from './layer'
import { FeatureIndex, numberOf, openTileset } from './tileset'

const SHADE = 0.9

const colours = new Map<string, Color>()
const colour = (css: string): Color => {
  const known = colours.get(css) ?? Color.fromCssColorString(css)
  colours.set(css, known)
  return known
}

export class Units implements Layer {
  tileset: Cesium3DTileset | null = null
  private readonly index = new FeatureIndex('building_id')
  private stage: Stage | null = null
  private state: State | null = null
  private building: number | null = null
  /** Which paint each tile wears: a building's units are painted once for each state. */
  private readonly painted = new Map<Cesium3DTile, { building: number; serial: number }>()
  private serial = 0
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
    ]
  }

  update(state: State): void {
    if (!this.tileset || !this.stage) return
    this.state = state
    this.serial += 1
    if (state.selection.building !== this.building) {
      this.building = state.selection.building
      this.stage.opened.value = null
    }
    this.tileset.show = this.building !== null && state.layers.buildings
    this.stage.redraw()
  }

  remove(): void {
    this.undo.forEach((one) => one())
    if (this.tileset) this.stage?.widget.scene.primitives.remove(this.tileset)
    this.tileset = null
  }

  private paint(tile: Cesium3DTile): void {
    const { state, stage, building } = this
    if (!state || !stage || building === null) return
    const worn = this.painted.get(tile)
    if (worn?.building === building && worn.serial === this.serial) return
    // No style: it would be applied again whenever Cesium likes, over what is painted here.
    if (!worn) for (const feature of this.index.all(tile)) feature.show = false
    else if (worn.building !== building) {
      for (const feature of this.index.of(tile, worn.building)) feature.show = false
    }
    const features = this.index.of(tile, building)
    const storeys = storeysOf(features, state.selection.unit)
    // A flat on several storeys is a feature on each, and of one shade.
    const ranks = new Map<number | null, number>()
    for (const feature of features) {
      const unit = numberOf(feature, 'id')
      const rank = ranks.get(unit) ?? ranks.size
      ranks.set(unit, rank)
      dress(feature, unit, rank, state, storeys)
    }
    this.painted.set(tile, { building, serial: this.serial })
    if (features.length > 0 && stage.opened.peek() !== building) stage.opened.value = building
    stage.redraw()
  }
}

function storeysOf(features: readonly Cesium3DTileFeature[], unit: number | null): ReadonlySet<number | null> {
  const chosen = unit === null ? [] : features.filter((one) => numberOf(one, 'id') === unit)
  return new Set(chosen.map((one) => numberOf(one, 'storey_no')))
}

/** Show a unit or not, in the colour of its kind, its storey's, or the one of the selected. */
function dress(
  feature: Cesium3DTileFeature, unit: number | null, rank: number, state: State, storeys: ReadonlySet<number | null>,
): void {
  const no = numberOf(feature, 'storey_no') ?? 0
  feature.show =
    state.isolation === 'all' || (state.isolation === 'upto' ? no <= state.storey : no === state.storey)
  if (unit === state.selection.unit) feature.color = colour(SELECTED)
  else if (storeys.has(no)) feature.color = colour(SELECTED_STOREY)
  else feature.color = shaded(KIND[String(feature.getProperty('kind'))] ?? PAPER, (rank + no) & 1)
}

/** Every other unit a shade darker, so that neighbours can be told apart. */
function shaded(css: string, odd: number): Color {
  if (!odd) return colour(css)
  const key = `${css} odd`
  const known = colours.get(key) ?? Color.multiplyByScalar(colour(css), SHADE, new Color()).withAlpha(1)
  colours.set(key, known)
  return known
}
