/**
 * Watches a lift break and be mended, and prints, as JSON, what it saw; judges nothing.
 *
 *     node live.mjs ORIGIN PICTURES
 *
 * Between its own lines on the error output, BREAK and MEND, whoever started it has the devices speak.
 */
import { createInterface } from 'node:readline'
import { camera, findings, launch, open as openPage, ready, settle } from './browser.mjs'

const [origin, pictures] = process.argv.slice(2)
const picture = camera(pictures)
const seen = { outside: [], complaints: [] }
const answers = createInterface({ input: process.stdin })
const told = answers[Symbol.asyncIterator]()
/** Say what is wanted, and wait for the answer: what whoever started us did. */
const wish = async (what) => { process.stderr.write(`${what}\n`); return JSON.parse((await told.next()).value) }

const json = async (path) => (await fetch(origin + path)).json()
const { building: id } = await wish('BUILDING')
const building = await json(`/buildings/${id}`)
const [lon, lat] = building.centre
const metre = 1 / 111_320
const away = Math.max(110, building.height * 2.2)
const place = [lon - (away * 0.5 * metre) / Math.cos((lat * Math.PI) / 180), lat - away * 0.87 * metre]
const height = building.ground_elev + building.height_shift + building.height / 2 + away * 0.36
const view = `#v=${place.map((value) => value.toFixed(6)).join(',')},${height.toFixed(1)},30,-19&a=1`

const browser = await launch()
try {
  const page = await openPage(browser, origin, view, seen, { viewport: { width: 1200, height: 760 } })
  await ready(page)
  const lit = () => page.evaluate(() => window.cim.lit())
  const red = () => page.evaluate(() => window.cim.near(225, 50, 90) + window.cim.near(190, 40, 75))
  await page.locator('#alarms-title').waitFor()
  seen.before = { lit: await lit(), red: await red(), rows: await page.locator('[data-alarm]').count() }
  await picture(page, 'live-before')
  await page.evaluate(() => {
    const look = () => {
      if (window.cim.lit().some(([, units]) => units.length > 0)) window.litAt = Date.now()
      else setTimeout(look, 10)
    }
    look()
  })
  await wish('BREAK')
  await page.locator('[data-alarm]').first().waitFor({ timeout: 20_000 })
  await page.waitForFunction(() => window.litAt)
  seen.litAt = await page.evaluate(() => window.litAt)
  const row = page.locator('[data-alarm]').first()
  await settle(page)
  seen.during = { lit: await lit(), red: await red(), text: await row.innerText() }
  await picture(page, 'live-broken')
  await row.locator('button.plain').click()
  await page.locator('.card').waitFor()
  await page.getByRole('button', { name: '受理' }).first().click()
  await row.locator('.taken').waitFor()
  seen.taken = await row.locator('.taken').innerText()
  seen.looked = { state: await page.evaluate(() => window.cim.state()) }
  await settle(page)
  await picture(page, 'live-looked')
  await page.getByRole('button', { name: 'English' }).click()
  seen.english = await row.innerText()
  await picture(page, 'live-english')
  await page.getByRole('button', { name: '中文' }).click()
  await wish('MEND')
  await row.waitFor({ state: 'detached', timeout: 20_000 })
  await page.keyboard.press('Escape')
  await page.evaluate((hash) => { location.hash = hash }, view)
  await settle(page)
  seen.after = { lit: await lit(), red: await red(), rows: await page.locator('[data-alarm]').count() }
  await picture(page, 'live-mended')
  seen.axe = await findings(page)
  console.log(JSON.stringify(seen))
} finally {
  await browser.close()
  answers.close() // or we would wait for more for ever
}
