/**
 * Looks at a survey's points beside a place and prints, as JSON, what it saw; judges nothing.
 *
 *     node points.mjs ORIGIN PICTURES HASH R,G,B
 *
 * The share of the picture that has the points' colour: as the city opens, switched off, and on.
 */
import { camera, launch, open as openPage, settle } from './browser.mjs'

const [origin, pictures, hash, colour] = process.argv.slice(2)
const picture = camera(pictures)
const seen = { outside: [], complaints: [], urls: [] }
const browser = await launch()
const page = await openPage(browser, origin, hash, seen)
const share = () => page.evaluate((rgb) => window.cim.near(...rgb), colour.split(',').map(Number))
const switched = async (on) => {
  await page.getByLabel('测量点云').setChecked(on)
  await settle(page)
  return share()
}
seen.opened = await share()
await picture(page, 'points')
seen.off = await switched(false)
seen.link = page.url().split('#')[1]
await picture(page, 'points-off')
seen.on = await switched(true)
await browser.close()
seen.tiles = seen.urls.filter((url) => url.includes('.pnts')).length
delete seen.urls
console.log(JSON.stringify(seen))
