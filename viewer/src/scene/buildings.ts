/** Buildings: those of the city, those planned, and storeys below the ground; the selected one marked, or opened. */
import {
  type Cesium3DTile, type Cesium3DTileFeature, type Cesium3DTileset, Cesium3DTileStyle, Color,
} from '@cesium/engine'
import { effect } from '@preact/signals'
import { AFFECTED_BLOCK, HEIGHT, KIND, PAPER, PLANNED, SELECTED_STOREY, USE } from '../colours'
import { classes, measured } from '../live/classes'
import type { Scheme, State } from '../state'
import type { Layer, Stage } from './layer'
import { colour, FeatureIndex, openTileset } from './tileset'

/** What Cesium is told of a scheme; the legend lists the same colours. */
export function styleOf(scheme: Scheme): { color: unknown } {
  const other: [string, string] = ['true', `color("${PAPER}")`]
  if (scheme === 'use') {
    const conditions = USE.map(({ key, colour }) => [`\${use} === "${key}"`, `color("${colour}")`])
    return { color: { conditions: [...conditions, other] } }
  }
  if (scheme === 'height') {
    const conditions = HEIGHT.map(({ from, colour }) => [`\${height} >= ${from}`, `color("${colour}")`])
    return { color: { conditions: [...conditions, other] } }
  }
  return { color: `color("${PAPER}")` }
}

/** A tileset of buildings or parts of them: its name, which property names the building, when and how it is seen. */
export interface Blocks {
  readonly name: string
  readonly key: string
  readonly shown: (state: State) => boolean
  readonly style: (scheme: Scheme) => { color: unknown }
}

export const THERE: Blocks = { name: 'buildings', key: 'id', shown: (state) => state.layers.buildings, style: styleOf }

export const TO_BE: Blocks = {
  name: 'planned', key: 'id', shown: (state) => state.layers.planned,
  style: () => ({ color: `color("${PLANNED.colour}", ${PLANNED.alpha})` }),
}

export const BELOW: Blocks = {
  name: 'underground', key: 'building_id', shown: (state) => state.underground,
  style: () => {
    const conditions = Object.entries(KIND).map(([kind, colour]) => [`\${kind} === "${kind}"`, `color("${colour}")`])
    return { color: { conditions: [...conditions, ['true', `color("${PAPER}")`]] } }
  },
}

const MARK = Color.fromCssColorString(SELECTED_STOREY)
const ALARMED = Color.fromCssColorString(AFFECTED_BLOCK)

/** What a style's colour can do; the published types say only that there is one. */
interface StyleColour { evaluateColor(feature: Cesium3DTileFeature, result: Color): Color }

export class Buildings implements Layer {
  tileset: Cesium3DTileset | null = null
  private readonly index: FeatureIndex
  private readonly marked = new Set<Cesium3DTileFeature>()
  private scheme: Scheme | null = null
  private selected: number | null = null
  private observed: string | null = null
  private opened: ReadonlySet<number> = new Set()
  /** Of those that are not opened, what each is coloured with instead of its scheme's colour. */
  private marks: ReadonlyMap<number, Color> = new Map()
  private stage: Stage | null = null
  private readonly undo: (() => void)[] = []

  constructor(private readonly blocks: Blocks = THERE) {
    this.index = new FeatureIndex(blocks.key)
  }

  async add(stage: Stage): Promise<void> {
    this.stage = stage
    const tileset = await openTileset(stage, this.blocks.name, { maximumScreenSpaceError: stage.lite ? 24 : 16 })
    if (!tileset) return
    this.tileset = tileset
    this.undo.push(
      tileset.tileVisible.addEventListener((tile: Cesium3DTile) => this.mark(tile)),
      effect(() => {
        this.opened = stage.opened.value
        void stage.live.affected.value
        this.remark()
      }),
      effect(() => {
        void stage.live.pulse.value
        if (this.scheme === 'live') this.remark()
      }),
    )
  }

  update(state: State): void {
    if (!this.tileset) return
    this.tileset.show = this.blocks.shown(state)
    if (state.scheme !== this.scheme) {
      this.scheme = state.scheme
      this.marked.clear()
      this.tileset.style = new Cesium3DTileStyle(this.blocks.style(state.scheme))
    }
    this.observed = state.observed
    this.selected = state.selection.building
    this.remark()
  }

  remove(): void {
    this.undo.splice(0).forEach((one) => one())
    if (this.tileset) this.stage?.widget.scene.primitives.remove(this.tileset)
    this.tileset = null
  }

  /** Which buildings wear a colour of their own now; frames that follow are marked anew. */
  private remark(): void {
    const { stage } = this
    if (!stage || this.blocks !== THERE) return this.unmark()
    const marks = new Map<number, Color>()
    if (this.scheme === 'live') {
      const { around } = stage.live
      const values = around.byPlace(around.shown(this.observed, Date.now())?.key, 'building', Date.now())
      const steps = classes([...values.values()])
      values.forEach((value, id) => marks.set(id, colour(measured(value, steps))))
    }
    stage.live.affected.peek().forEach((_, id) => marks.set(id, ALARMED))
    if (this.selected !== null) marks.set(this.selected, MARK)
    this.marks = marks
    this.unmark()
    stage.redraw()
  }

  /** Called for every visible tile, every frame, after its style was applied. */
  private mark(tile: Cesium3DTile): void {
    for (const id of this.opened) {
      for (const feature of this.index.of(tile, id)) {
        if (feature.show) feature.show = false
        this.marked.add(feature)
      }
    }
    for (const [id, paint] of this.marks) {
      if (this.opened.has(id)) continue
      for (const feature of this.index.of(tile, id)) {
        if (!Color.equals(feature.color, paint)) feature.color = paint
        this.marked.add(feature)
      }
    }
  }

  private unmark(): void {
    for (const feature of this.marked) {
      // A tile that was unloaded in the meantime took its features with it.
      if (feature.tileset === undefined) continue
      feature.show = true
      const paint = this.tileset?.style?.color as StyleColour | undefined
      feature.color = paint?.evaluateColor(feature, new Color()) ?? Color.WHITE
    }
    this.marked.clear()
  }
}
