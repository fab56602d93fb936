/** A real Chromium with WebGL, and pages of it that are listened to. */
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const require = createRequire(import.meta.url)
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

/** Mesa first: half the processor time of SwiftShader. `--use-angle=gl` alone would need a display. */
const RENDERERS = [
  ['--use-gl=angle', '--use-angle=gl-egl', '--ignore-gpu-blocklist'],
  ['--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
]
/** Software drawing, not the page, is what these are about. */
const HARMLESS = /GPU stall due to ReadPixels|uniform3fv: no array|GroupMarkerNotSet/

export async function launch() {
  for (const renderer of RENDERERS) {
    const browser = await chromium.launch({
      headless: true,
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', ...renderer],
    })
    const page = await browser.newPage()
    const works = await page.evaluate(() => Boolean(document.createElement('canvas').getContext('webgl2')))
    await page.close()
    if (works) return browser
    await browser.close()
  }
  throw new Error('no renderer gives WebGL 2')
}

/** A page of the viewer at `hash`, drawn; requests to others and complaints go into `seen`. */
export async function open(browser, origin, hash, seen, options = {}) {
  const page = await enter(browser, origin, hash, seen, options)
  await ready(page)
  return page
}

/** The same, before anything is drawn: of a city without tiles nothing is. */
export async function enter(browser, origin, hash, seen, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1000, height: 640 }, locale: 'zh-CN', colorScheme: 'light', ...options,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(120_000)
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(origin) && !/^(data|blob):/.test(url)) seen.outside.push(url)
    seen.urls?.push(url)
    const purpose = request.headers()['x-purpose']
    if (purpose) seen.purposes?.push(purpose)
  })
  page.on('console', (message) => {
    if (message.type() === 'error' && !HARMLESS.test(message.text())) {
      seen.complaints.push(`${message.text()} ${message.location().url}`)
    }
  })
  page.on('pageerror', (error) => seen.complaints.push(String(error)))
  await page.goto(`${origin}/?test&lite${hash}`)
  return page
}

/** The scene is there and drawn. */
export async function ready(page) {
  await page.waitForFunction(() => window.cim)
  await settle(page)
}

/** Everything that the view needs is drawn. */
export const settle = (page) => page.evaluate(() => window.cim.settle())

/** Takes pictures into a folder. */
export function camera(folder) {
  mkdirSync(folder, { recursive: true })
  return (page, name) => page.screenshot({ path: join(folder, `${name}.png`) })
}

/** What axe finds wrong with the page as it is. */
export async function findings(page) {
  await page.evaluate(axe)
  return (await page.evaluate(() => window.axe.run(document))).violations
    .map(({ id, impact, nodes }) => ({ id, impact, first: nodes[0].html.slice(0, 160) }))
}
