import { signal } from '@preact/signals'
import { Cesium3DTileset } from '@cesium/engine'
import { expect, it } from 'vitest'
import type { Stage } from '../../src/scene/layer'
import { Units } from '../../src/scene/units'

const TREE = {
  asset: { version: '1.1' }, geometricError: 0,
  root: { boundingVolume: { sphere: [0, 0, 0, 1] }, geometricError: 0 },
}

it('takes the unit for the feature of units, whichever set of ids comes first in a tile', async () => {
  const url = `data:application/json,${encodeURIComponent(JSON.stringify(TREE))}`
  const shown: Cesium3DTileset[] = []
  const stage = {
    widget: { scene: { primitives: { add: (one: Cesium3DTileset) => shown.push(one) } } },
    client: { address: (path: string) => path },
    city: { tilesets: [{ name: 'units', url }] },
    opened: signal(new Set()), live: { affected: signal(new Map()), pulse: signal(0) }, redraw: () => undefined, lite: false,
  } as unknown as Stage
  await new Units().add(stage)
  expect(shown.map((one) => one.featureIdLabel)).toEqual(['unit'])
})
