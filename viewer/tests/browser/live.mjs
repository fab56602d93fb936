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
const SECOND = 1000
const TWICE_MORE = 2
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
  /** Have something happen, and say how long after the alarm's entry of that kind was written it was seen. */
  const took = async (what, kind, lighted) => {
    await page.evaluate((wanted) => {
      window.seenAt = null
      const look = () => {
        if (window.cim.lit().some(([, units]) => units.length > 0) === wanted) window.seenAt = Date.now()
        else setTimeout(look, 10)
      }
      look()
    }, lighted)
    await wish(what)
    await page.waitForFunction(() => window.seenAt, null, { timeout: 20_000 })
    const newest = (await json('/alarms?state=all&limit=10')).alarms.find((one) => one.affected.units > 0)
    const entry = (await json(`/alarms/${newest.id}`)).history.findLast((one) => one.kind === kind)
    return (await page.evaluate(() => window.seenAt)) - Date.parse(entry.noted)
  }
  seen.took = { lit: [await took('BREAK', 'begin', true)], dark: [] }
  await page.locator('[data-alarm]').first().waitFor({ timeout: 20_000 })
  // On a slow machine the same story raises another meanwhile, which goes before it.
  const alarm = await page.locator('[data-alarm]').last().getAttribute('data-alarm')
  const row = page.locator(`[data-alarm="${alarm}"]`)
  await settle(page)
  seen.during = { lit: await lit(), red: await red(), text: await row.innerText() }
  await picture(page, 'live-broken')
  await row.locator('button.plain').click()
  await page.locator('.card').waitFor()
  await row.getByRole('button', { name: '受理' }).click()
  await row.getByRole('textbox', { name: '备注' }).fill('维保人员已到场')
  await picture(page, 'live-working')
  await row.getByRole('button', { name: '确认受理' }).click()
  await row.locator('.taken').waitFor()
  seen.taken = await row.locator('.taken').innerText()
  seen.looked = { state: await page.evaluate(() => window.cim.state()) }
  await settle(page)
  await picture(page, 'live-looked')
  await page.getByRole('button', { name: 'English' }).click()
  seen.english = await row.innerText()
  await page.getByRole('button', { name: 'Dark' }).click()
  await settle(page)
  await picture(page, 'live-english')
  await page.getByRole('button', { name: 'Light' }).click()
  await page.getByRole('button', { name: '中文' }).click()
  const [, [unit]] = (await lit()).find(([, units]) => units.length > 0)
  await page.evaluate((hash) => { location.hash = hash }, `${view}&c=live&o=lift.speed&b=${id}&u=${unit}`)
  const speed = page.locator('.stream', { hasText: '速度' }).first()
  await speed.getByRole('button').click()
  await page.locator('.chart:not(.loading)').waitFor()
  await settle(page)
  seen.chart = { state: await page.locator('.chart').getAttribute('class'), text: await speed.innerText(), legend: await page.locator('.layers').innerText() }
  await picture(page, 'live-chart')
  seen.took.dark.push(await took('MEND', 'end', false))
  await row.waitFor({ state: 'detached', timeout: 20_000 })
  await page.keyboard.press('Escape')
  await page.evaluate((hash) => { location.hash = hash }, view)
  await settle(page)
  seen.after = { lit: await lit(), red: await red(), rows: await page.locator('[data-alarm]').count() }
  await picture(page, 'live-mended')
  seen.axe = await findings(page)
  // A machine that did something else just then is asked again; one that is always late stays late.
  const late = () => Math.min(...seen.took.lit) >= SECOND || Math.min(...seen.took.dark) >= SECOND
  for (let again = 0; again < TWICE_MORE && late(); again += 1) {
    seen.took.lit.push(await took('BREAK', 'begin', true))
    seen.took.dark.push(await took('MEND', 'end', false))
  }
  console.log(JSON.stringify(seen))
} finally {
  await browser.close()
  answers.close() // or we would wait for more for ever
}
