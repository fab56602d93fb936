// Opens a client's page in a headless browser and prints, as JSON, which features it found.
//   node look.mjs ORIGIN CLIENT URL PLACES
import { launch } from "../../viewer/tests/browser/browser.mjs";

const [origin, client, url, places] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage();
const said = [];
page.on("pageerror", (fault) => said.push(String(fault)));
page.on("console", (line) => line.type() === "error" && said.push(line.text()));
page.on("requestfailed", (request) => said.push(`${request.url()} failed`));
page.on("response", (answer) => answer.status() >= 400 && said.push(`${answer.status()} ${answer.url()}`));
await page.goto(`${origin}/page.html?client=${client}`);
await page.waitForFunction(() => window.ready, undefined, { timeout: 30_000 }).catch(() => undefined);
const found = await page.evaluate(([a, b]) => window.look(a, b), [url, JSON.parse(places)]);
await browser.close();
process.stdout.write(JSON.stringify({ ...found, said }));
