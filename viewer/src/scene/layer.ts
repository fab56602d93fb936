/** What a layer is, and what it is given to stand on. */
import type { Signal } from '@preact/signals'
import type { CesiumWidget } from '@cesium/engine'
import type { City } from '../api/types'
import type { Client } from '../api/client'
import type { LiveStore } from '../live'
import type { State } from '../state'

export interface Stage {
  readonly widget: CesiumWidget
  readonly client: Client
  readonly city: City
  /** Ellipsoidal height of the ground there, as far as the buildings tell it; degrees in. */
  readonly level: (lon: number, lat: number) => number
  /** Buildings whose units stand in their place, once they are drawn. */
  readonly opened: Signal<ReadonlySet<number>>
  /** What devices say, and the alarms that are open. */
  readonly live: LiveStore
  /** Draw a frame soon; nothing moves on the screen without one. */
  readonly redraw: () => void
  readonly lite: boolean
}

/** One kind of thing in the scene. `remove` undoes `add`, exactly. */
export interface Layer {
  add(stage: Stage): Promise<void>
  update(state: State): void
  remove(): void
}
