/**
 * Looks at buildings that came as models, and prints, as JSON, what it saw; judges nothing.
 *
 *     node models.mjs ORIGIN PICTURES BUILDING…
 *
 * Of each: a click on its wall, the card, the floor grid, and which flats are seen on which storey.
 */
import { camera, launch, open as openPage, settle } from './browser.mjs'

const [origin, pictures, ...buildings] = process.argv.slice(2)
const picture = camera(pictures)
const seen = { outside: [], complaints: [] }
const METRE = 1 / 111_320
const STEP = 60

const json = async (path) => (await fetch(origin + path)).json()
const pick = (page, x, y) => page.evaluate(([a, b]) => window.cim.pick(a, b), [x, y])
const state = (page) => page.evaluate(() => window.cim.state())

/** From the south, a little above, the building in the middle. */
function beside({ centre: [lon, lat], height, ground_elev, height_shift }, pitch, away) {
  const turn = (-pitch * Math.PI) / 180
  const h = ground_elev + height_shift + height / 3 + away * Math.sin(turn)
  return `#v=${lon.toFixed(6)},${(lat - away * Math.cos(turn) * METRE).toFixed(6)},${h.toFixed(1)},0,${pitch}`
}

/** Where flats are seen: of each the pixels' rows, top and bottom, and one spot of it. */
async function flats(page) {
  await settle(page)
  const { width, height } = await page.locator('.scene canvas').boundingBox()
  const hits = await page.evaluate(([w, h, step]) => {
    const found = []
    for (let x = w * 0.32; x < w * 0.64; x += step) {
      for (let y = h * 0.2; y < h * 0.9; y += step) {
        const hit = window.cim.pick(Math.round(x), Math.round(y))
        if (hit.what === 'unit') found.push([hit.unit, Math.round(x), Math.round(y)])
      }
    }
    return found
  }, [width, height, STEP])
  const by = {}
  for (const [unit, x, y] of hits) {
    by[unit] ??= { spots: 0, top: y, bottom: y }
    const one = by[unit]
    one.spots += 1
    if (y < one.top) one.top = y
    if (y > one.bottom) one.bottom = y
  }
  for (const [unit, one] of Object.entries(by)) {
    const own = hits.filter(([other]) => other === Number(unit))
    one.at = own[own.length >> 1].slice(1)
  }
  return by
}

/** What the floor grid says, top storey first. */
const grid = (page) => page.evaluate(() => [...document.querySelectorAll('.grid tbody tr')].map((row) => ({
  label: row.querySelector('th').textContent.trim(),
  cut: row.querySelector('th button').scrollWidth > row.querySelector('th button').clientWidth + 1,
  units: [...row.querySelectorAll('[data-unit]')].map((one) => Number(one.dataset.unit)),
  chosen: [...row.querySelectorAll('[aria-selected=true]')].map((one) => Number(one.dataset.unit)),
})))

async function look(browser, id) {
  const building = await json(`/buildings/${id}`)
  const view = beside(building, -30, 34)
  const page = await openPage(browser, origin, view, seen, { viewport: { width: 1000, height: 640 } })
  const { width, height } = await page.locator('.scene canvas').boundingBox()
  const spot = [Math.round(width / 2), Math.round(height / 2)]
  const report = { name: building.name, before: await pick(page, ...spot), storeys: {} }
  await picture(page, `model-${building.name}`)

  // A wall of the closed building opens it; the opened one shows its flats.
  await page.mouse.click(...spot)
  await page.waitForFunction(() => window.cim.opened() !== null)
  report.clicked = (await state(page)).selection
  report.seen = await flats(page)
  report.rooms = {}
  report.grid = {}
  for (const [unit, { at }] of Object.entries(report.seen)) {
    await page.mouse.click(...at)
    await page.waitForFunction((one) => window.cim.state().selection.unit === one, Number(unit))
    const card = await json(`/units/${unit}/card`)
    await page.getByTestId('address').filter({ hasText: card.address.text }).waitFor()
    const rooms = page.locator('.card .things').first().locator('li')
    report.rooms[unit] = card.spaces.length ? await rooms.allTextContents() : []
    report.grid[unit] = await grid(page)
    await settle(page)
    await picture(page, `model-${building.name}-${card.unit.room_no}`)
  }

  // Each storey by itself, as its row in the grid shows it.
  const { storeys } = await json(`/buildings/${id}/floor-grid`)
  await page.getByRole('button', { name: '仅该层' }).click()
  const slider = page.locator('.isolation input')
  for (const [at, storey] of [...storeys].reverse().entries()) {
    await slider.fill(String(at))
    await page.waitForFunction((no) => window.cim.state().storey === no, storey.no)
    if (storey.units.length === 0) continue
    report.storeys[storey.label] = await flats(page)
    await picture(page, `model-${building.name}-only-${storey.no}`)
  }
  await page.context().close()
  return report
}

const browser = await launch()
const reports = {}
for (const id of buildings) reports[id] = await look(browser, id)
await browser.close()
process.stdout.write(JSON.stringify({ buildings: reports, ...seen }))
