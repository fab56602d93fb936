/** The points of surveys, as they were measured: nothing of them can be picked. */
import { Cesium3DTileStyle, type Cesium3DTileset } from '@cesium/engine'
import type { State } from '../state'
import type { Layer, Stage } from './layer'
import { openTileset } from './tileset'

const SIZE_PX = 3

export class Points implements Layer {
  private stage: Stage | null = null
  tilesets: Cesium3DTileset[] = []

  async add(stage: Stage): Promise<void> {
    this.stage = stage
    const surveys = stage.city.tilesets.filter((one) => one.kind === 'points')
    const opened = await Promise.all(surveys.map((one) => openTileset(stage, one.name)))
    this.tilesets = opened.filter((one) => one !== null)
    for (const one of this.tilesets) one.style = new Cesium3DTileStyle({ pointSize: String(SIZE_PX) })
  }

  update(state: State): void {
    for (const one of this.tilesets) one.show = state.layers.points
    this.stage?.redraw()
  }

  remove(): void {
    for (const one of this.tilesets) this.stage?.widget.scene.primitives.remove(one)
    this.tilesets = []
  }
}
