/**
 * Switches what is planned and what is below the ground on and off, and prints, as JSON, what it saw.
 *
 *     node layers.mjs ORIGIN PICTURES VIEW PLACES
 *
 * PLACES are names with [lon, lat, ellipsoidal height], as JSON: of each, what is picked there, after each turn.
 */
import { camera, launch, open as openPage, settle } from './browser.mjs'

const [origin, pictures, view, asked] = process.argv.slice(2)
const picture = camera(pictures)
const places = JSON.parse(asked)
const seen = { outside: [], complaints: [], urls: [] }

const browser = await launch()
const page = await openPage(browser, origin, `#v=${view}`, seen, { viewport: { width: 1000, height: 640 } })

async function look(name) {
  await settle(page)
  const found = await page.evaluate((wanted) => Object.fromEntries(
    Object.entries(wanted).map(([key, place]) => {
      const spot = window.cim.project(...place)
      return [key, spot && window.cim.pick(Math.round(spot[0]), Math.round(spot[1]))]
    }),
  ), places)
  // Planned, with the paper ground showing through.
  const pale = await page.evaluate(() => window.cim.near(175, 194, 209))
  const contents = seen.urls.filter((url) => url.includes('.glb')).map((url) => url.split('/tiles/3d/')[1].split('/')[0])
  await picture(page, `layers-${name}`)
  return { picked: found, pale, link: await page.evaluate(() => location.hash), contents: [...new Set(contents)] }
}

const report = { first: await look('first') }
const planned = page.getByRole('checkbox', { name: '规划建筑' })
const under = page.getByRole('checkbox', { name: '地下透视' })
report.switches = [await planned.isChecked(), await under.isChecked()]
await planned.uncheck()
report.bare = await look('without-planned')
await under.check()
report.under = await look('underground')
await planned.check()
report.all = await look('all')
await browser.close()
process.stdout.write(JSON.stringify({ ...report, outside: seen.outside, complaints: seen.complaints }))
