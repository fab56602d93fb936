/**
 * A tileset seen from straight above, from so far away that walls do not show: which feature is
 * drawn at each pixel.  What is asked of Cesium is its own picking pass over the whole picture.
 */
import { Cartesian2, Cartesian3, Cesium3DTileset, CesiumWidget, Matrix3, Matrix4, Transforms } from '@cesium/engine'

const FAR = 200_000
const QUIET = 10

const frame = (widget) => {
  widget.render()
  return new Promise((resolve) => setTimeout(resolve, 20))
}

/** The ids (0 where nothing is) of a square of `size` pixels, an odd number, and `metres`. */
window.above = async ({ url, lon, lat, metres, size }) => {
  const place = Object.assign(document.createElement('div'), { style: `width:${size}px;height:${size}px` })
  document.body.replaceChildren(place)
  const widget = new CesiumWidget(place, {
    baseLayer: false, globe: false, skyBox: false, skyAtmosphere: false, useDefaultRenderLoop: false,
    msaaSamples: 1, requestRenderMode: false,
  })
  const { scene, canvas } = widget
  canvas.style.cssText = `width:${size}px;height:${size}px`
  widget.resize()
  const tileset = scene.primitives.add(await Cesium3DTileset.fromUrl(url, { maximumScreenSpaceError: 0.01 }))
  scene.camera.frustum.fov = 2 * Math.atan(metres / 2 / FAR)
  // Straight down is told by two directions: Cesium takes up, at the camera, for a lower place's.
  const ground = Cartesian3.fromDegrees(lon, lat)
  const axes = Matrix4.getMatrix3(Transforms.eastNorthUpToFixedFrame(ground), new Matrix3())
  scene.camera.setView({
    destination: Cartesian3.fromDegrees(lon, lat, FAR),
    orientation: {
      direction: Cartesian3.negate(Matrix3.getColumn(axes, 2, new Cartesian3()), new Cartesian3()),
      up: Matrix3.getColumn(axes, 1, new Cartesian3()),
    },
  })
  for (let quiet = 0; quiet < QUIET; quiet = tileset.tilesLoaded ? quiet + 1 : 0) await frame(widget)

  const { context } = scene
  const read = context.readPixels
  let pixels = null
  context.readPixels = function (wanted) {
    pixels = read.call(context, wanted)
    return pixels
  }
  scene.pick(new Cartesian2((size - 1) / 2, (size + 1) / 2), size, size)
  context.readPixels = read

  const ids = new Int32Array(size * size)
  const known = new Map([[0, 0]])
  const colours = new Uint32Array(pixels.buffer, pixels.byteOffset, size * size)
  for (let at = 0; at < ids.length; at += 1) {
    const colour = colours[at]
    if (!known.has(colour)) known.set(colour, context.getObjectByPickColor(colour)?.getProperty('id') ?? 0)
    const row = size - 1 - Math.floor(at / size) // WebGL's first row is the lowest
    ids[row * size + (at % size)] = known.get(colour)
  }
  const bytes = new Uint8Array(ids.buffer)
  let text = ''
  for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768))
  widget.destroy()
  return btoa(text)
}
