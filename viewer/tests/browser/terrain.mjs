/**
 * Looks at buildings that stand on terrain and prints, as JSON, what it saw; judges nothing.
 *
 *     node terrain.mjs ORIGIN PICTURES BUILDING...
 *
 * Of each building: its ground as the service has it and as it is drawn, and what is seen of it.
 */
import { camera, launch, open as openPage, settle } from './browser.mjs'

const [origin, pictures, ...wanted] = process.argv.slice(2)
const picture = camera(pictures)
const seen = { outside: [], complaints: [], urls: [], buildings: [] }
const json = async (path) => (await fetch(origin + path)).json()

/** A view of a place from the south, so far away, looking down so steeply. */
function toward([lon, lat], h, away, pitch) {
  const back = (away * Math.cos((pitch * Math.PI) / 180)) / 111_320
  const up = away * Math.sin((pitch * Math.PI) / 180)
  return `#v=${lon.toFixed(6)},${(lat - back).toFixed(6)},${(h + up).toFixed(1)},0,${-pitch}`
}

const browser = await launch()
for (const id of wanted) {
  const building = await json(`/buildings/${id}`)
  const h = building.ground_elev + building.height_shift
  const page = await openPage(browser, origin, toward(building.centre, h, 260, 28), seen)
  const found = await page.evaluate(([lon, lat, top]) => {
    const at = window.cim.project(lon, lat, top)
    return { drawn: [window.cim.ground(lon, lat)], wall: at && window.cim.pick(...at).what }
  }, [...building.centre, h + 0.9 * building.height])
  seen.buildings.push({ id: building.id, ground: h, ...found })
  await picture(page, `terrain-${id}`)
  if (id === wanted[0]) {
    const far = await page.context().newPage()
    await far.goto(`${origin}/?test&lite${toward(building.centre, h, 9000, 25)}`)
    await far.waitForFunction(() => window.cim)
    await settle(far)
    seen.colours = await far.evaluate(() => window.cim.colours())
    await picture(far, 'terrain')
  }
  await page.context().close()
}
await browser.close()
seen.tiles = seen.urls.filter((url) => url.includes('.terrain')).length
delete seen.urls
console.log(JSON.stringify(seen))
