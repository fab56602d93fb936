/**
 * Drives a real browser through the viewer and prints, as JSON, what it saw; judges nothing.
 *
 *     node walk.mjs ORIGIN PICTURES              the whole walk, on the tallest building
 *     node walk.mjs ORIGIN PICTURES BUILDING     a click on that building's wall, and no more
 */
import { camera, findings, launch, open as openPage, ready, settle } from './browser.mjs'

const [origin, pictures, only] = process.argv.slice(2)
const picture = camera(pictures)
const seen = { outside: [], complaints: [], purposes: [], urls: [], seconds: {} }
const began = Date.now()

const open = (browser, hash, viewport = { width: 1000, height: 640 }) => openPage(browser, origin, hash, seen, { viewport })
const state = (page) => page.evaluate(() => window.cim.state())
const pick = (page, [x, y]) => page.evaluate(([a, b]) => window.cim.pick(a, b), [x, y])
const json = async (path) => (await fetch(origin + path)).json()
const address = (page) => page.locator('[data-testid=address]').textContent()

/** The card of the selected unit is on the screen, and its building's grid. */
async function shown(page, unit) {
  const card = await json(`/units/${unit}/card`)
  await page.getByTestId('address').filter({ hasText: card.address.text }).waitFor()
  await page.locator(`[data-unit="${unit}"][aria-selected=true]`).waitFor({ state: 'attached' })
  await settle(page)
  return card.address.text
}

/** A view of a building's side from the south-west, with the building in the middle. */
function beside(building) {
  const [lon, lat] = building.centre
  const away = Math.max(90, building.height * 1.9)
  const [heading, pitch] = [30, -18]
  const turn = (heading * Math.PI) / 180
  const metre = 1 / 111_320
  const x = lon - (Math.sin(turn) * away * metre) / Math.cos((lat * Math.PI) / 180)
  const y = lat - Math.cos(turn) * away * metre
  const h = building.ground_elev + building.height_shift + building.height / 2 + away * Math.tan((-pitch * Math.PI) / 180)
  return `#v=${x.toFixed(6)},${y.toFixed(6)},${h.toFixed(1)},${heading},${pitch}`
}

/** The building that was asked for, or the tallest of the first thousand. */
async function choose(city) {
  if (only) return json(`/buildings/${only}`)
  const box = city.bounds.map((value) => value.toFixed(6)).join(',')
  const { features } = await json(`/features/buildings?bbox=${box}&limit=1000`)
  features.sort((one, other) => other.properties.height - one.properties.height)
  return json(`/buildings/${features[0].id}`)
}

/** What is there before anything is done. */
async function start(browser, report) {
  const page = await open(browser, '')
  report.start = await page.evaluate(() => ({
    colours: window.cim.colours(), renderer: window.cim.renderer(), hash: location.hash,
    legend: document.querySelectorAll('.legend li').length, lang: document.documentElement.lang,
  }))
  await picture(page, 'start')
  seen.seconds.start = (Date.now() - began) / 1000
  await page.context().close()
}

/** A click on a wall finds the flat behind it. */
async function click(browser, report, building) {
  const page = await open(browser, beside(building))
  const canvas = page.locator('.scene canvas')
  const { width, height } = await canvas.boundingBox()
  const spot = [Math.round(width / 2), Math.round(height / 2)]
  report.before = await pick(page, spot)
  await page.mouse.click(...spot)
  await page.waitForFunction(() => window.cim.state().selection.unit !== null)
  report.clicked = (await state(page)).selection
  report.expected = await shown(page, report.clicked.unit)
  report.address = await address(page)
  await settle(page)
  report.after = await pick(page, spot)
  await picture(page, only ? `flat-${only}` : 'flat')
  return { page, spot }
}

/** From that flat on: the grid, Back, a link, storeys, words, colours, search, a phone. */
async function goOn(browser, report, { page, spot }) {
  // The grid leads to another flat, and that one is the flat picked in space.
  const cell = page.locator(`[data-unit="${report.clicked.unit}"]`)
  await cell.focus()
  await page.keyboard.press('ArrowUp')
  const above = Number(await page.evaluate(() => document.activeElement.dataset.unit))
  await page.keyboard.press('Enter')
  await page.waitForFunction((unit) => window.cim.state().selection.unit === unit, above)
  await shown(page, above)
  report.above = { unit: above, picked: null }
  for (let up = 0; up < 160 && report.above.picked === null; up += 4) {
    const hit = await pick(page, [spot[0], spot[1] - up])
    if (hit.unit === above) report.above.picked = hit
  }

  // What Back undoes, and what a link brings back.
  await page.goBack()
  await page.waitForFunction((unit) => window.cim.state().selection.unit === unit, report.clicked.unit)
  report.back = (await state(page)).selection
  const kept = await state(page)
  await page.reload()
  await ready(page)
  report.reloaded = { same: JSON.stringify(await state(page)) === JSON.stringify(kept), address: await shown(page, report.clicked.unit) }
  report.reloaded.picked = await pick(page, spot)

  // Storeys above the flat go away.
  await page.evaluate((unit) => document.querySelector(`[data-unit="${unit}"]`).closest('tr').querySelector('th button').click(), report.clicked.unit)
  await settle(page)
  report.isolated = { isolation: (await state(page)).isolation, above: null }
  for (let up = 4; up < 160; up += 12) {
    const hit = await pick(page, [spot[0], spot[1] - up])
    if (hit.unit === above) report.isolated.above = hit.unit
  }
  await picture(page, 'storeys')

  // Words and colours.
  await page.getByRole('button', { name: 'English' }).click()
  await page.getByRole('heading', { name: 'Floor grid' }).waitFor()
  await page.getByRole('button', { name: 'Dark' }).click()
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark')
  report.english = await page.evaluate(() => ({ lang: document.documentElement.lang, theme: document.documentElement.dataset.theme }))
  await settle(page)
  await picture(page, 'dark')
  report.axe = await findings(page)
  await page.getByRole('button', { name: 'Light' }).click()
  report.axe.push(...await findings(page))

  // The search finds a flat by its address.
  await page.keyboard.press('Escape')
  await page.waitForFunction(() => window.cim.state().selection.building === null)
  await page.getByRole('combobox').fill(report.address)
  await page.getByRole('option').first().waitFor()
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => window.cim.state().selection.unit !== null)
  report.searched = { unit: (await state(page)).selection.unit, text: await shown(page, report.clicked.unit) }
  await page.context().close()

  // A phone: one sheet.
  page = await open(browser, `#b=${report.clicked.building}&u=${report.clicked.unit}`, { width: 390, height: 760 })
  await shown(page, report.clicked.unit)
  report.phone = await page.evaluate(() => ({
    sheets: [...document.querySelectorAll('.left > .panel, .right > .panel')].filter((one) => one.offsetParent !== null).length,
    wide: document.documentElement.scrollWidth,
  }))
  await picture(page, 'phone')
}

async function walk() {
  const city = await json('/city')
  const building = await choose(city)
  const browser = await launch()
  const report = { city: city.name, building: building.id }
  if (!only) await start(browser, report)
  const there = await click(browser, report, building)
  if (!only) await goOn(browser, report, there)
  await browser.close()
  seen.seconds.all = (Date.now() - began) / 1000
  const leaked = seen.urls.filter((url) => seen.purposes.some((purpose) => url.includes(purpose)))
  return { ...report, outside: seen.outside, complaints: seen.complaints, purposes: [...new Set(seen.purposes)], leaked, seconds: seen.seconds }
}

process.stdout.write(JSON.stringify(await walk()))
