/** The buildings of the city, coloured by a scheme; the selected one marked, or opened. */
import {
  type Cesium3DTile, type Cesium3DTileFeature, type Cesium3DTileset, Cesium3DTileStyle, Color,
} from '@cesium/engine'
import { effect } from '@preact/signals'
import { HEIGHT, PAPER, SELECTED_STOREY, USE } from '../colours'
import type { Scheme, State } from '../state'
import type { Layer, Stage } from './layer'
import { FeatureIndex, openTileset } from './tileset'

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

const MARK = Color.fromCssColorString(SELECTED_STOREY)

/** What a style's colour can do; the published types say only that there is one. */
interface StyleColour { evaluateColor(feature: Cesium3DTileFeature, result: Color): Color }

export class Buildings implements Layer {
  tileset: Cesium3DTileset | null = null
  private readonly index = new FeatureIndex('id')
  private readonly marked = new Set<Cesium3DTileFeature>()
  private scheme: Scheme | null = null
  private selected: number | null = null
  private opened: number | null = null
  private stage: Stage | null = null
  private readonly undo: (() => void)[] = []

  async add(stage: Stage): Promise<void> {
    this.stage = stage
    const tileset = await openTileset(stage, 'buildings', { maximumScreenSpaceError: stage.lite ? 24 : 16 })
    if (!tileset) return
    this.tileset = tileset
    this.undo.push(
      tileset.tileVisible.addEventListener((tile: Cesium3DTile) => this.mark(tile)),
      effect(() => {
        this.opened = stage.opened.value
        this.unmark()
        stage.redraw()
      }),
    )
  }

  update(state: State): void {
    if (!this.tileset) return
    this.tileset.show = state.layers.buildings
    if (state.scheme !== this.scheme) {
      this.scheme = state.scheme
      this.marked.clear()
      this.tileset.style = new Cesium3DTileStyle(styleOf(state.scheme))
    }
    if (state.selection.building !== this.selected) {
      this.selected = state.selection.building
      this.unmark()
    }
    this.stage?.redraw()
  }

  remove(): void {
    this.undo.splice(0).forEach((one) => one())
    if (this.tileset) this.stage?.widget.scene.primitives.remove(this.tileset)
    this.tileset = null
  }

  /** Called for every visible tile, every frame, after its style was applied. */
  private mark(tile: Cesium3DTile): void {
    if (this.selected === null) return
    for (const feature of this.index.of(tile, this.selected)) {
      const show = this.opened !== this.selected
      if (feature.show !== show) feature.show = show
      if (show && !Color.equals(feature.color, MARK)) feature.color = MARK
      this.marked.add(feature)
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
