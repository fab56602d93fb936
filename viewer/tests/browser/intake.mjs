/**
 * Goes a data officer's way through the intake and prints, as JSON, what she saw; judges nothing.
 *
 *     node intake.mjs ORIGIN PICTURES FOLDER           the whole way, with the files of FOLDER
 *     node intake.mjs ORIGIN PICTURES FILE broken      FILE sent over a line that breaks; its job cancelled
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { camera, findings, launch, open as openPage, ready, settle } from './browser.mjs'

const [origin, pictures, given, way] = process.argv.slice(2)
const picture = camera(pictures)
const seen = { outside: [], complaints: [], urls: [] }
const open = (browser, hash, viewport = { width: 1280, height: 800 }) => openPage(browser, origin, hash, seen, { viewport, acceptDownloads: true })

/** Files dropped on the map, as from a folder of the desktop. */
async function drop(page, paths) {
  const files = paths.map((path) => ({ name: basename(path), base64: readFileSync(path).toString('base64') }))
  const transfer = await page.evaluateHandle((all) => {
    const made = new DataTransfer()
    for (const { name, base64 } of all) {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
      made.items.add(new File([bytes], name, { lastModified: 1_700_000_000_000 }))
    }
    return made
  }, files)
  await page.dispatchEvent('.scene canvas', 'dragover', { dataTransfer: transfer })
  const invited = await page.locator('.dropping').isVisible()
  await page.dispatchEvent('.scene canvas', 'drop', { dataTransfer: transfer })
  return invited
}

/** The service has looked into the file, and the last wish is part of what it saw. */
async function looked(page) {
  await page.locator('#intake-options').waitFor()
  await page.waitForTimeout(250)
  await page.waitForFunction(() => !document.querySelector('.intake [aria-busy=true]'))
  await settle(page)
}

const top = (page, id) => page.evaluate((one) => document.getElementById(one)?.scrollIntoView(), id)
const text = (page, selector) => page.locator(selector).allTextContents()
const map = async (page, field, column) => {
  const select = page.locator(`#field-${field}`)
  if (!await select.isVisible()) await page.locator('section[aria-labelledby=intake-mapping] summary').click()
  await select.selectOption(column)
  await looked(page)
}

/** The counts of the result that is shown. */
async function result(page) {
  await page.locator('.verdict').waitFor()
  await settle(page)
  return page.evaluate(() => ({
    verdict: document.querySelector('.verdict').textContent,
    counts: Object.fromEntries([...document.querySelectorAll('[data-count]')]
      .map((one) => [one.dataset.count, Number(one.querySelector('dd').textContent.replaceAll(',', ''))])),
    aside: [...document.querySelectorAll('section[aria-labelledby=intake-aside] .odd li')].map((one) => one.textContent),
    hash: location.hash,
  }))
}

/** Press a button of the foot and wait until its job has ended. */
async function run(page, name) {
  const before = await page.evaluate(() => location.hash)
  await page.locator('.foot').getByRole('button', { name, exact: true }).click()
  await page.waitForFunction((hash) => location.hash !== hash && /job=\d+/.test(location.hash), before)
  return result(page)
}

/** CSV with quotes as a table of records. */
function parse(csv) {
  const rows = [[]]
  for (const [, quoted, plain, end] of csv.replace(/^\uFEFF/, '').matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    if (end !== ',') rows.push([])
  }
  const [head, ...body] = rows.filter((row) => row.length > 1)
  return body.map((row) => Object.fromEntries(head.map((name, at) => [name, row[at] ?? ''])))
}

const written = (records) => [Object.keys(records[0]), ...records.map((one) => Object.values(one))]
  .map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',')).join('\r\n')

/** What the officer does in her spreadsheet: an outline redrawn, a number looked up. */
function mend(record) {
  const [x, y] = record.geometry.match(/[\d.]+ [\d.]+/)[0].split(' ').map(Number)
  const ring = [[0, 0], [16, 0], [16, 11], [0, 11], [0, 0]].map(([dx, dy]) => `${x + dx} ${y + dy}`).join(', ')
  return {
    ...record,
    房屋编号: record.房屋编号 || `NC-${record.楼名.replace('栋', '').padStart(3, '0')}`,
    geometry: record.field === 'ext_id' ? record.geometry : `POLYGON ((${ring}))`,
  }
}

/** The page is opened and closed by keys alone. */
async function byKeys(page, report) {
  const active = () => page.evaluate(() => document.activeElement?.id)
  await page.locator('#open-intake').focus()
  await page.keyboard.press('Enter')
  await page.locator('.drop').waitFor()
  report.keys = { inside: await active(), hash: await page.evaluate(() => location.hash) }
  await picture(page, 'intake-1-empty')
  await page.keyboard.press('Escape')
  await page.locator('.intake').waitFor({ state: 'detached' })
  report.keys.outside = await active()
}

/** Footprints: dropped, placed, mapped, tried, loaded. */
async function footprints(page, report, files) {
  report.invited = await drop(page, files)
  await looked(page)
  report.pinkBefore = await page.evaluate(() => window.cim.near(214, 0, 110))
  report.asked = await page.locator('.intake [role=status]').last().textContent()
  await picture(page, 'intake-2-no-crs')
  await page.getByRole('radio', { name: /EPSG:4548/ }).check()
  await looked(page)
  report.wrong = await text(page, 'section[aria-labelledby=intake-place] .alarm')
  await page.getByRole('radio', { name: /EPSG:4547/ }).check()
  await looked(page)
  report.right = await text(page, 'section[aria-labelledby=intake-place] .good')
  report.pink = await page.evaluate(() => window.cim.near(214, 0, 110))
  await picture(page, 'intake-3-placed')
  report.proposed = await page.locator('#field-floors_above').inputValue()
  for (const [field, column] of [['ext_id', '房屋编号'], ['height', '檐口高'], ['built_year', '竣工']]) await map(page, field, column)
  report.odd = await text(page, 'section[aria-labelledby=intake-odd] li')
  await top(page, 'intake-mapping')
  await picture(page, 'intake-4-mapping')
  report.axe = await findings(page)
  await page.locator('#intake-source').fill('南城街道新村')
  report.tried = await run(page, '试导入')
  await picture(page, 'intake-5-tried')
  report.loaded = await run(page, '正式导入')
  await picture(page, 'intake-6-loaded')
  await page.reload()
  await ready(page)
  report.reloaded = await result(page)
}

/** What was set aside: downloaded, mended, loaded. */
async function mended(page, report) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('a[download]').click()])
  const aside = parse(readFileSync(await download.path(), 'utf8'))
  report.download = { rows: aside.map((one) => [one.row_no, one.field, one.reason_zh]), name: download.suggestedFilename() }
  const file = join(given, '新村房屋-改好.csv')
  writeFileSync(file, `\uFEFF${written(aside.map(mend))}`)
  await page.getByRole('button', { name: '导入改好的文件' }).click()
  await page.locator('.drop').waitFor()
  await picture(page, 'intake-7-mending')
  await page.locator('input[type=file]').setInputFiles(file)
  await looked(page)
  report.mendWishes = await page.evaluate(() => Object.fromEntries(
    ['intake-kind', 'intake-source', 'field-ext_id', 'field-height'].map((id) => [id, document.getElementById(id)?.value]),
  ))
  await picture(page, 'intake-8-mended')
  report.mended = await run(page, '导入')
  await picture(page, 'intake-9-mended-loaded')
}

/** The same shapefile a second time. */
async function again(page, report, files) {
  await page.getByRole('button', { name: '导入其他文件' }).click()
  await drop(page, files)
  await looked(page)
  await page.getByRole('radio', { name: /EPSG:4547/ }).check()
  await looked(page)
  for (const [field, column] of [['ext_id', '房屋编号'], ['height', '檐口高'], ['built_year', '竣工']]) await map(page, field, column)
  await page.locator('#intake-source').fill('南城街道新村')
  report.again = await run(page, '导入')
}

/** An Excel sheet of addresses. */
async function addresses(page, report, file) {
  await page.getByRole('button', { name: '导入其他文件' }).click()
  await drop(page, [file])
  await looked(page)
  await page.getByRole('radio', { name: /EPSG:4490/ }).check()
  await looked(page)
  await map(page, 'building_ref', '所在楼')
  report.sheet = { kind: await page.locator('#intake-kind').inputValue(), text: await page.locator('#field-full_text').inputValue() }
  await page.locator('#intake-source').fill('南城街道新村')
  await top(page, 'intake-place')
  await picture(page, 'intake-10-addresses')
  report.addresses = await run(page, '导入')
  await picture(page, 'intake-11-addresses-loaded')
}

/** The other language, the other theme, a phone. */
async function otherwise(browser, page, report) {
  await page.getByRole('button', { name: 'English' }).click()
  await page.getByRole('heading', { name: 'Import data' }).waitFor()
  await page.getByRole('button', { name: 'Dark' }).click()
  await settle(page)
  report.english = { lang: await page.evaluate(() => document.documentElement.lang), counts: await text(page, '.counts dt') }
  await picture(page, 'intake-12-english-dark')
  report.axe.push(...await findings(page))
  await page.getByRole('button', { name: 'Another file' }).click()
  await page.locator('.recent li').first().waitFor()
  report.recent = await page.locator('.recent li').count()
  report.axe.push(...await findings(page))
  await page.getByRole('button', { name: 'Light' }).click()
  const hash = await page.evaluate(() => location.hash)
  await page.context().close()

  const phone = await open(browser, report.loaded.hash, { width: 390, height: 760 })
  await result(phone)
  await picture(phone, 'intake-13-phone')
  report.phone = await phone.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    cut: [...document.querySelectorAll('.intake button, .title button')].filter((one) => {
      const { left, right } = one.getBoundingClientRect()
      return left < 0 || right > innerWidth
    }).map((one) => one.textContent),
  }))
  await phone.context().close()
  return hash
}

async function journey(browser) {
  const report = {}
  const files = readdirSync(given).filter((name) => name.startsWith('新村房屋.')).map((name) => join(given, name))
  const page = await open(browser, '')
  await byKeys(page, report)
  await footprints(page, report, files)
  await mended(page, report)
  await again(page, report, files)
  await addresses(page, report, join(given, '新村地址.xlsx'))
  await otherwise(browser, page, report)
  return report
}

/** A line that is slow, breaks, is there again, and a page that is closed in between; then a job that is cancelled. */
async function broken(browser) {
  const report = { patches: [] }
  const page = await open(browser, '#p=intake')
  page.on('request', (one) => {
    if (one.method() === 'PATCH') report.patches.push(Number(one.headers()['upload-offset']))
  })
  const line = await page.context().newCDPSession(page)
  await line.send('Network.enable')
  const speed = (offline, bytes) => line.send('Network.emulateNetworkConditions', {
    offline, latency: 20, uploadThroughput: bytes, downloadThroughput: 10_000_000,
  })
  const state = (name) => page.locator(`.sending li[data-state=${name}]`).waitFor()
  const sent = () => page.locator('.sending progress').evaluate((one) => one.value)
  const past = (bytes) => page.waitForFunction((least) => document.querySelector('.sending progress')?.value > least, bytes)
  const choose = () => page.locator('input[type=file]').setInputFiles(given)
  /** At once: a slow picture would keep a pointer waiting until there is nothing to stop any more. */
  const press = (name) => page.getByRole('button', { name, exact: true }).evaluate((one) => one.click())
  const SLOW = 1_000_000

  await page.locator('.drop').waitFor()
  await speed(false, SLOW)
  await choose()
  await past(1_000_000)
  await press('暂停')
  await state('paused')
  const paused = await sent()
  await page.waitForTimeout(1500)
  report.paused = { before: paused, after: await sent() }
  await press('继续')
  await past(8_500_000)
  await speed(true, SLOW)
  await state('lost')
  await picture(page, 'intake-14-lost')
  report.lost = await text(page, '.sending .state')
  await speed(false, SLOW)
  await press('重试')
  await past(9_500_000)
  await page.reload()
  await ready(page)
  report.beforeReload = report.patches.length
  await page.locator('.drop').waitFor()
  await choose()
  await state('sending')
  await picture(page, 'intake-15-sending')
  await speed(false, 100_000_000)
  await looked(page)
  report.whole = await page.locator('.facts small').first().textContent()

  await page.getByRole('radio', { name: /EPSG:4490/ }).check()
  await looked(page)
  await press('导入')
  await page.locator('.running output').waitFor()
  report.running = await page.locator('.running').textContent()
  await picture(page, 'intake-16-running')
  await page.reload()
  await press('取消任务')
  await ready(page)
  report.cancelled = await result(page)
  await picture(page, 'intake-17-cancelled')
  return report
}

const browser = await launch()
try {
  const report = way === 'broken' ? await broken(browser) : await journey(browser)
  const leaked = seen.urls.filter((url) => /新村|NC-\d/.test(decodeURIComponent(url)))
  process.stdout.write(JSON.stringify({ ...report, outside: seen.outside, complaints: seen.complaints, leaked }))
} finally {
  await browser.close()
}
