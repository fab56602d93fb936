/**
 * Draws tilesets from above in a real browser and prints, as JSON, which feature is at each pixel.
 *
 *     node above.mjs ORIGIN '[{"url": "…/tileset.json", "lon": …, "lat": …, "metres": …, "size": …}]'
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'
import { launch } from '../browser.mjs'

const [origin, views] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'above-'))
try {
  await build({
    configFile: false,
    logLevel: 'error',
    define: { CESIUM_BASE_URL: JSON.stringify('/cesium/') },
    build: {
      outDir: folder, minify: false,
      lib: { entry: join(import.meta.dirname, 'page.js'), formats: ['iife'], name: 'page', fileName: () => 'page.js' },
    },
  })
  const browser = await launch()
  const page = await browser.newPage()
  const complaints = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.route('**/above.html', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><body></body>' }))
  await page.goto(`${origin}/above.html`)
  await page.addScriptTag({ content: readFileSync(join(folder, 'page.js'), 'utf8') })
  const seen = []
  for (const view of JSON.parse(views)) seen.push(await page.evaluate((asked) => window.above(asked), view))
  process.stdout.write(JSON.stringify({ seen, complaints }))
  await browser.close()
} finally {
  rmSync(folder, { recursive: true })
}
