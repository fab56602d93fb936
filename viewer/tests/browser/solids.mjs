/**
 * Looks at buildings with roofs of their own, and prints, as JSON, what it saw; judges nothing.
 *
 *     node solids.mjs ORIGIN PICTURES NAME=BUILDING…
 *
 * Of each: what is picked in the middle of its roof, and a picture under its name.
 */
import { camera, launch, open as openPage } from './browser.mjs'

const [origin, pictures, ...wanted] = process.argv.slice(2)
const picture = camera(pictures)
const seen = { outside: [], complaints: [] }
const METRE = 1 / 111_320
const PITCH = -35

const json = async (path) => (await fetch(origin + path)).json()

/** From the south, above, the roof in the middle. */
function above({ centre: [lon, lat], height, ground_elev, height_shift }, away) {
  const turn = (-PITCH * Math.PI) / 180
  const h = ground_elev + height_shift + height * 0.8 + away * Math.sin(turn)
  return `#v=${lon.toFixed(6)},${(lat - away * Math.cos(turn) * METRE).toFixed(6)},${h.toFixed(1)},0,${PITCH}`
}

const browser = await launch()
const report = {}
for (const one of wanted) {
  const [name, id, away] = one.split('=')
  const building = await json(`/buildings/${id}`)
  const view = above(building, Number(away))
  const page = await openPage(browser, origin, view, seen, { viewport: { width: 1000, height: 640 } })
  const { width, height } = await page.locator('.scene canvas').boundingBox()
  const spot = [Math.round(width / 2), Math.round(height / 2)]
  report[name] = await page.evaluate(([x, y]) => window.cim.pick(x, y), spot)
  await picture(page, `roofs-${name}`)
  await page.close()
}
await browser.close()
process.stdout.write(JSON.stringify({ picked: report, ...seen }))
