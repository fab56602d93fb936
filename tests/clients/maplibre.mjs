// Shows the style of a service in MapLibre, and prints, as JSON, what is drawn at each place.
//   node maplibre.mjs ORIGIN STYLE PICTURES PLACES      PLACES: {name: [longitude, latitude, zoom]}
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "../../viewer/tests/browser/browser.mjs";

const [origin, style, pictures, places] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
mkdirSync(pictures, { recursive: true });
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 900, height: 700 } });
const said = [];
const asked = [];
page.on("pageerror", (fault) => said.push(String(fault)));
page.on("console", (line) => line.type() === "error" && said.push(line.text()));
page.on("requestfailed", (request) => said.push(`${request.url()} failed`));
page.on("response", (answer) => {
  const { pathname } = new URL(answer.url());
  if (answer.status() >= 400) said.push(`${answer.status()} ${answer.url()}`);
  if (pathname.startsWith("/ogc/")) asked.push(pathname);
  if (new URL(answer.url()).origin !== origin) said.push(`elsewhere: ${answer.url()}`);
});
// The page and the client stand beside the service, as a city's own map would.
await page.route(`${origin}/clients/**`, (route) => {
  const { pathname } = new URL(route.request().url());
  return route.fulfill({ path: join(here, pathname.replace("/clients/", "")) });
});
await page.goto(`${origin}/clients/maplibre.html?style=${encodeURIComponent(origin + style)}`);
await page.waitForFunction(() => window.ready, undefined, { timeout: 30_000 });
const found = {};
for (const [name, [longitude, latitude, zoom]] of Object.entries(JSON.parse(places))) {
  found[name] = await page.evaluate(([a, b]) => window.look(a, b), [[longitude, latitude], zoom]);
  await page.screenshot({ path: join(pictures, `maplibre-${name}.png`) });
}
await browser.close();
process.stdout.write(JSON.stringify({ found, said, asked }));
