/** A tileset of the city, opened; and its features found by one of their properties. */
import {
  Cartesian3, Cesium3DTileColorBlendMode, Cesium3DTileset, type Cesium3DTile, type Cesium3DTileContent, type Cesium3DTileFeature,
  Color, ImageBasedLighting, ShadowMode,
} from '@cesium/engine'
import type { Stage } from './layer'

/** Light from all sides, so that no wall is black: an even sky of this radiance. */
const AMBIENT = 0.52

/** Open the tileset of that name and put it into the scene; null where the city has none, or nothing in it. */
export async function openTileset(
  stage: Stage, name: string, options: Cesium3DTileset.ConstructorOptions = {},
): Promise<Cesium3DTileset | null> {
  const known = stage.city.tilesets.find((one) => one.name === name)
  if (!known || known.features === 0) return null
  const tileset = await Cesium3DTileset.fromUrl(stage.client.address(known.url), {
    shadows: ShadowMode.ENABLED,
    environmentMapOptions: { enabled: false },
    ...options,
  } as Cesium3DTileset.ConstructorOptions)
  const light = new ImageBasedLighting()
  light.sphericalHarmonicCoefficients = [
    new Cartesian3(AMBIENT, AMBIENT, AMBIENT), ...Array.from({ length: 8 }, () => new Cartesian3()),
  ]
  tileset.imageBasedLighting = light
  // The scheme's colours as the legend shows them, whatever the tile's own.
  tileset.colorBlendMode = Cesium3DTileColorBlendMode.REPLACE
  stage.widget.scene.primitives.add(tileset)
  return tileset
}

const colours = new Map<string, Color>()

/** A colour of CSS, read once. */
export function colour(css: string): Color {
  const known = colours.get(css) ?? Color.fromCssColorString(css)
  colours.set(css, known)
  return known
}

/** A property as a number; ids may come as 64-bit integers. */
export function numberOf(feature: Cesium3DTileFeature, name: string): number | null {
  const value: unknown = feature.getProperty(name)
  return typeof value === 'bigint' || typeof value === 'number' ? Number(value) : null
}

/** The features of each tile by the value of one property, looked through once a tile. */
export class FeatureIndex {
  private readonly tiles = new WeakMap<Cesium3DTileContent, Map<number, Cesium3DTileFeature[]>>()

  constructor(private readonly property: string) {}

  all(tile: Cesium3DTile): Iterable<Cesium3DTileFeature> {
    return [...this.known(tile).values()].flat()
  }

  of(tile: Cesium3DTile, value: number): readonly Cesium3DTileFeature[] {
    return this.known(tile).get(value) ?? []
  }

  private known(tile: Cesium3DTile): Map<number, Cesium3DTileFeature[]> {
    const content = tile.content
    let found = this.tiles.get(content)
    if (!found) {
      found = new Map()
      for (const part of content.innerContents ?? [content]) {
        for (let at = 0; at < part.featuresLength; at += 1) this.enter(found, part.getFeature(at))
      }
      this.tiles.set(content, found)
    }
    return found
  }

  private enter(found: Map<number, Cesium3DTileFeature[]>, feature: Cesium3DTileFeature): void {
    const key = numberOf(feature, this.property)
    if (key === null) return
    const same = found.get(key)
    if (same) same.push(feature)
    else found.set(key, [feature])
  }
}
