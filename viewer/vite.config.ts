import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { defineConfig } from 'vitest/config'
import type { Plugin } from 'vite'

const found = createRequire(import.meta.url)
const folder = (name: string): string => dirname(found.resolve(`${name}/package.json`))
const out = resolve(import.meta.dirname, '../api/static')

/** What Cesium fetches at run time, less what this viewer never asks for. */
function cesiumFiles(): Plugin {
  const keep = (path: string): boolean =>
    !/SkyBox|moonSmall|LensFlare|NaturalEarth|waterNormals/.test(path) &&
    // Earth orientation of 2024-03 to 2029-09: keep more if the sun's date ever reaches further.
    !(/IAU2006_XYS_/.test(path) && !/IAU2006_XYS_1[89]\.json$/.test(path))
  return {
    name: 'cesium-files',
    closeBundle() {
      const from = folder('@cesium/engine')
      const to = join(out, 'cesium')
      rmSync(to, { recursive: true, force: true })
      cpSync(join(from, 'Build/Workers'), join(to, 'Workers'), { recursive: true })
      cpSync(join(from, 'Source/Assets'), join(to, 'Assets'), {
        recursive: true,
        filter: keep,
      })
      cpSync(join(from, 'Source/ThirdParty'), join(to, 'ThirdParty'), {
        recursive: true,
        filter: (path) => !path.endsWith('.js'),
      })
    },
  }
}

/** The pages under /docs show the API with these two files, so they need no CDN. */
function documentationFiles(): Plugin {
  return {
    name: 'documentation-files',
    closeBundle() {
      const to = join(out, 'docs-assets')
      mkdirSync(to, { recursive: true })
      for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css', 'favicon-32x32.png']) {
        cpSync(join(folder('swagger-ui-dist'), name), join(to, name))
      }
    },
  }
}

export default defineConfig({
  base: './', // works under any sub-path
  define: { CESIUM_BASE_URL: JSON.stringify('./cesium/') },
  plugins: [cesiumFiles(), documentationFiles()],
  build: {
    outDir: out,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // the page's policy forbids inline scripts
    chunkSizeWarningLimit: 4200,
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: 'cesium', test: /node_modules\/@?(cesium|zip)/ }] } },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ['live', 'alarms', 'health', 'session', 'city', 'buildings', 'units', 'datastreams', 'locate', 'addresses',
        'features', 'tilesets', 'tiles', 'kinds', 'uploads', 'imports', 'docs', 'openapi.json'].map((path) => [
        `/${path}`,
        { target: 'http://127.0.0.1:8000', ws: path === 'live' },
      ]),
    ),
  },
  test: { environment: 'happy-dom', include: ['tests/unit/**/*.test.{ts,tsx}'] },
})
