/**
 * Signs people in and out of the viewer and prints, as JSON, what each was shown; judges nothing.
 *
 *     node sign-in.mjs ORIGIN PICTURES HASH PASSWORD LINK NAME…
 *
 * HASH selects a unit; LINK is what a one-time link carries; each NAME signs in with PASSWORD.
 */
import { camera, enter, findings, launch } from './browser.mjs'

const [origin, pictures, hash, password, link, ...names] = process.argv.slice(2)
const picture = camera(pictures)
const seen = { outside: [], complaints: [], urls: [], purposes: [] }
const viewport = { width: 1280, height: 800 }

/** What the card says of residents, once it says it. */
async function residents(page) {
  await page.locator('.right h3.residents').waitFor()
  return page.evaluate(() => ({
    people: [...document.querySelectorAll('.people b')].map((one) => one.textContent),
    purposes: document.querySelectorAll('.right select option').length,
  }))
}

/** Sign in by keyboard alone. */
async function signIn(page, name, secret) {
  await page.locator('#sign-in').focus()
  await page.keyboard.press('Enter')
  await page.locator('dialog[open] input[name=name]').focus()
  await page.keyboard.type(name)
  await page.keyboard.press('Tab')
  await page.keyboard.type(secret)
  await page.keyboard.press('Enter')
}

async function one(browser, name) {
  const page = await enter(browser, origin, hash, seen, { viewport })
  const report = { before: await residents(page) }
  await signIn(page, name, 'not-the-password')
  await page.locator('dialog[open] .refused:not(:empty)').waitFor()
  report.refused = await page.locator('.refused').textContent()
  report.axe = await findings(page)
  await page.locator('dialog[open] input[name=password]').fill(password)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name, exact: true }).waitFor()
  report.scripts = await page.evaluate(() => document.cookie)
  report.signedIn = await residents(page)
  if (report.signedIn.purposes > 0) {
    await page.locator('.right select').selectOption('housing_management')
    await page.locator('.people b').first().waitFor()
    report.shown = await residents(page)
  }
  await picture(page, `sign-in-${name}`)
  await page.locator('#sign-in').click()
  await page.getByRole('button', { name: '退出登录' }).click()
  await page.getByRole('button', { name: '登录', exact: true }).waitFor()
  await page.waitForFunction(() => document.querySelectorAll('.people b').length === 0)
  report.after = await residents(page)
  await page.context().close()
  return report
}

/** Set a password by a link. */
async function welcome(browser) {
  const page = await enter(browser, origin, `#link=${link}`, seen, { viewport })
  await page.locator('dialog[open] input[name=fresh]').fill(password)
  await page.locator('dialog[open] input[name=again]').fill(password)
  const address = page.url()
  await picture(page, 'sign-in-link')
  await page.keyboard.press('Enter')
  await page.locator('dialog[open]').waitFor({ state: 'detached' }).catch(() => undefined)
  await page.waitForFunction(() => document.querySelector('#sign-in')?.textContent !== '登录')
  const name = await page.locator('#sign-in').textContent()
  await page.context().close()
  return { address, name }
}

const browser = await launch()
try {
  const report = { welcome: await welcome(browser), people: {} }
  for (const name of names) report.people[name] = await one(browser, name)
  console.log(JSON.stringify({ ...report, ...seen }))
} finally {
  await browser.close()
}
