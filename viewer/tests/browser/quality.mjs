/**
 * Opens the page on data quality and prints, as JSON, what it showed; judges nothing.
 *
 *     node quality.mjs ORIGIN PICTURES CHECK           the findings of CHECK, and one of them
 *     node quality.mjs ORIGIN PICTURES CHECK before    the same of a city that has no tiles yet
 */
import { camera, enter, findings, launch, open as openPage, ready, settle } from './browser.mjs'

const [origin, pictures, check, when] = process.argv.slice(2)
const picture = camera(pictures)
const seen = { outside: [], complaints: [] }
const viewport = { width: 1280, height: 800 }
const state = (page) => page.evaluate(() => window.cim.state())

/** What the boxes of some elements are, and what they stand in. */
const boxes = (page, selector) => page.evaluate((one) => [...document.querySelectorAll(one)].map((element) => {
  const { left, right, top, bottom } = element.getBoundingClientRect()
  const around = element.closest('.scroll')
  return { left, right, top, bottom, inside: around.scrollWidth <= around.clientWidth }
}), selector)

/** A finding as it is read: what it is called, and its number beside that. */
const listed = (page) => page.evaluate(() => [...document.querySelectorAll('.instances li')].map((one) => ({
  name: one.querySelector('span').textContent, number: one.querySelector('small')?.textContent ?? null,
})))

async function before(browser) {
  const page = await enter(browser, origin, '#p=quality', seen, { viewport })
  await page.locator(`[data-check=${check}]`).waitFor()
  const report = { behind: await page.locator('.empty').count() }
  await picture(page, 'quality-0-no-tiles')
  await page.locator(`[data-check=${check}]`).click()
  await ready(page)
  report.pink = await page.evaluate(() => window.cim.near(214, 0, 110))
  await page.keyboard.press('Escape')
  await page.locator('.quality').waitFor({ state: 'detached' })
  return { ...report, after: await page.locator('.empty').count() }
}

async function full(browser) {
  const page = await openPage(browser, origin, '', seen, { viewport })
  await page.locator('#open-quality').click()
  await page.locator(`[data-check=${check}]`).waitFor()
  const report = {
    focused: await page.evaluate(() => document.activeElement?.id),
    checks: await page.evaluate(() => Object.fromEntries([...document.querySelectorAll('[data-check]')]
      .map((one) => [one.dataset.check, Number(one.querySelector('b').textContent.replaceAll(',', ''))]))),
    pinkBefore: await page.evaluate(() => window.cim.near(214, 0, 110)),
    rows: await boxes(page, '.quality .told > li'),
  }
  await picture(page, 'quality-1-checks')
  await page.locator(`[data-check=${check}]`).click()
  await page.locator('.instances li').first().waitFor()
  await settle(page)
  report.listed = await listed(page)
  report.items = await boxes(page, '.instances li')
  report.pink = await page.evaluate(() => window.cim.near(214, 0, 110))
  report.axe = await findings(page)
  await picture(page, 'quality-2-findings')
  await page.locator('.instances button').first().click()
  await page.waitForFunction(() => window.cim.state().selection.building !== null)
  await settle(page)
  report.selected = (await state(page)).selection
  const { right } = await page.locator('.quality').boundingBox().then((box) => ({ right: box.x + box.width }))
  // Beside the mark, which stands in the middle of what the page leaves free.
  const place = [Math.round((right + viewport.width) / 2) + 9, viewport.height / 2 - 6]
  report.hit = await page.evaluate(([x, y]) => window.cim.pick(x, y), place)
  report.card = await page.locator('.right .card').first().isVisible()
  await picture(page, 'quality-3-opened')
  await page.getByRole('button', { name: 'English', exact: true }).click()
  await page.waitForFunction(() => document.documentElement.lang === 'en')
  report.english = await listed(page)
  await picture(page, 'quality-4-english')
  return report
}

const browser = await launch()
try {
  process.stdout.write(JSON.stringify({ ...await (when ? before : full)(browser), ...seen }))
} finally {
  await browser.close()
}
