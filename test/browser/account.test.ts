import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { faultsIn } from './axe.ts'
import { screenshot, useBrowser } from './browser.ts'
import { useDevices } from './virtual-device.ts'

const chromium = useBrowser()
const PASSWORD = 'correct horse battery'
const reducedMotion = 'reduce' as const
const SETTINGS = (['light', 'dark'] as const).flatMap((colorScheme) => [
  { name: `${colorScheme}, desktop`, colorScheme, reducedMotion, viewport: { width: 1280, height: 900 } },
  {
    name: `${colorScheme}, phone`,
    colorScheme,
    reducedMotion,
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
  },
])

const newEmail = () => `ada-${randomUUID().slice(0, 8)}@example.com`
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const tasks = (page: Page) => page.getByRole('textbox', { name: 'New task' })
const part = (page: Page, title: string) =>
  page.locator('#account-page section', { has: page.getByRole('heading', { name: title, exact: true }) })
const told = (page: Page, text: string) => page.locator('#account-status', { hasText: text }).waitFor()

async function registerByPassword(page: Page, email = newEmail()): Promise<string> {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(PASSWORD)
  await button(page, 'Create account').click()
  await tasks(page).waitFor()
  return email
}

/** Logs out, and is logged in again by what the page offers in its autofill. */
async function logOutAndIn(page: Page): Promise<void> {
  const login = page.waitForResponse((response) => response.url().endsWith('/login/passkey'))
  await button(page, 'Log out').click()
  expect((await login).status()).toBe(200)
  await tasks(page).waitFor()
}

async function openAccount(page: Page): Promise<void> {
  await button(page, 'Account').click()
  await page.getByRole('heading', { name: 'Your account' }).waitFor()
}

/** The link of the next mail with a purpose, which wrangler writes to a file. */
async function nextLink(purpose: 'reset' | 'verify', act: () => Promise<unknown>): Promise<string> {
  const folder = join('.wrangler', 'tmp')
  const links = () =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => /email.*\.txt$/.test(file))
      .map(
        (file) =>
          new RegExp(`\\S+#${purpose}=[\\w-]+`).exec(readFileSync(join(folder, file), 'utf8'))?.[0] ?? '',
      )
      .filter((link) => link.startsWith(chromium.url))
  const before = new Set(links())
  await act()
  let next: string | undefined
  await expect
    .poll(() => (next = links().find((link) => !before.has(link))), { timeout: 20_000 })
    .toBeDefined()
  return next ?? ''
}

test('an account is made by passkey, opened by it and by the autofill, and moves to another device', async () => {
  const { page, faults, close } = await chromium.open(chromium.url)
  const device = await useDevices(page)
  const laptop = await device('internal')
  const email = newEmail()
  await page.getByLabel('E-mail').fill(email)
  await button(page, 'Create account with a passkey').click()
  await tasks(page).waitFor()
  expect(await laptop.credentials()).toHaveLength(1)

  // A page that offers passkeys in its autofill is answered at once by the authenticator here.
  await page.evaluate('PublicKeyCredential.isConditionalMediationAvailable = async () => false')
  await button(page, 'Log out').click()
  await button(page, 'Log in with a passkey').click()
  await tasks(page).waitFor()
  await page.evaluate('delete PublicKeyCredential.isConditionalMediationAvailable')
  await page.reload()
  await logOutAndIn(page)

  await laptop.away()
  const key = await device('internal')
  await openAccount(page)
  const passkeys = part(page, 'Passkeys')
  await page.getByLabel('Name of the new passkey').fill('Phone')
  await button(page, 'Add a passkey').click()
  await told(page, '“Phone” can log you in now.')
  expect(await key.credentials()).toHaveLength(1)
  expect(await passkeys.locator('li strong').allTextContents()).toEqual(['Phone', 'Passkey'])

  await button(page, 'Rename Passkey').click()
  await page.getByLabel('Name of Passkey').fill('Old laptop')
  await page.keyboard.press('Enter')
  await button(page, 'Remove Old laptop').click()
  await button(page, 'Really remove Old laptop?').click()
  await told(page, '“Old laptop” no longer logs in.')
  await button(page, 'Remove Phone').click()
  await button(page, 'Really remove Phone?').click()
  await told(page, 'Without it nobody could log in to this account.')
  expect(await passkeys.locator('li strong').allTextContents()).toEqual(['Phone'])

  await button(page, 'Close').click()
  await logOutAndIn(page)
  expect(faults.filter((fault) => !fault.includes('status of 409'))).toEqual([])
  await close()
})

test('a passkey that was cancelled is told, and the form goes on', async () => {
  const { page, close } = await chromium.open(chromium.url)
  const device = await useDevices(page)
  await device('internal')
  await button(page, 'Create account with a passkey').click()
  await page.getByText('It must be an e-mail address.').waitFor()
  await registerByPassword(page)
  await close()
})

test('sessions are ended, the password is changed, and what happened is told', async () => {
  const { page, faults, close } = await chromium.open(chromium.url)
  const email = await registerByPassword(page)
  const other = await chromium.open(chromium.url)
  await button(other.page, 'I have an account').click()
  await other.page.getByLabel('E-mail').fill(email)
  await other.page.getByLabel('Password').fill(PASSWORD)
  await button(other.page, 'Log in').click()
  await tasks(other.page).waitFor()

  await openAccount(page)
  const sessions = part(page, 'Where you are logged in')
  expect(await sessions.locator('li').count()).toBe(2)
  await sessions.getByRole('button', { name: /^End / }).click()
  await told(page, 'That session has ended.')
  expect(await sessions.locator('li').count()).toBe(1)
  await other.page.getByLabel('E-mail').waitFor()

  await page.getByText('Change the password', { exact: true }).click()
  await page.getByLabel('The one you have').fill('wrong horse battery')
  await page.getByLabel('The new one').fill('another horse battery')
  await button(page, 'Change it').click()
  await told(page, 'wrong')
  await page.getByLabel('The one you have').fill(PASSWORD)
  await button(page, 'Change it').click()
  await told(page, 'Your password is changed')
  await button(page, 'Close').click()
  await openAccount(page)
  expect(await part(page, 'What happened').locator('li strong').allTextContents()).toEqual([
    'Changed the password',
    'Gave a wrong current password',
    'A session ended',
    'Logged in by password',
    'Logged in by password',
  ])
  const withoutRefusals = (all: string[]) => all.filter((fault) => !/status of (401|403)/.test(fault))
  expect(withoutRefusals([...faults, ...other.faults])).toEqual([])
  await other.close()
  await close()
})

test('the links of mails verify an address and set a forgotten password, once', async () => {
  const { page, tab, faults, close } = await chromium.open(chromium.url)
  let email = ''
  const verify = await nextLink('verify', async () => (email = await registerByPassword(page)))
  await openAccount(page)
  await part(page, 'Address and password').getByText('not verified yet').waitFor()
  const second = await tab()
  await second.goto(verify)
  await second.reload()
  await second.goto('about:blank')
  await second.goto(verify)
  expect(await second.evaluate('location.hash')).toBe('')
  await button(second, 'Confirm address').click()
  await second.getByText('Your address is verified.').waitFor()
  await second.close()
  await button(page, 'Close').click()
  await openAccount(page)
  await part(page, 'Address and password').getByText('verified', { exact: true }).waitFor()
  await button(page, 'Close').click()

  await button(page, 'Log out').click()
  const reset = await nextLink('reset', async () => {
    await page.getByLabel('E-mail').fill(email)
    await button(page, 'Forgot the password?').click()
    await page.getByText('it gets a mail with a link').waitFor()
  })
  for (const [password, said] of [
    ['password', 'It is one of the most common passwords.'],
    ['another horse battery', 'Your password is set. Log in with it.'],
    ['another horse battery', 'link'],
  ] as const) {
    await page.goto('about:blank')
    await page.goto(reset)
    await page.getByRole('textbox', { name: 'New password' }).fill(password)
    await button(page, 'Set password').click()
    await page.getByText(said).first().waitFor()
  }
  await page.goto('about:blank')
  await page.goto(chromium.url)
  await button(page, 'I have an account').click()
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill('another horse battery')
  await button(page, 'Log in').click()
  await tasks(page).waitFor()
  expect(faults.filter((fault) => !/status of (401|422)/.test(fault))).toEqual([])
  await close()
})

test.each(SETTINGS)('the account page is accessible: $name', async ({ name, ...options }) => {
  const { page, faults, close } = await chromium.open(chromium.url, options)
  const device = await useDevices(page)
  await device('internal')
  await registerByPassword(page)
  await openAccount(page)
  await page.getByLabel('Name of the new passkey').fill('My laptop, the one with the stickers')
  await button(page, 'Add a passkey').click()
  await told(page, 'can log you in now')
  await screenshot(page, `account, ${name}`)
  expect.soft(await faultsIn(page)).toEqual([])
  await page.getByText('Change the password', { exact: true }).click()
  await button(page, 'Rename My laptop, the one with the stickers').click()
  await page.locator('#account-page').evaluate((node) => node.scrollTo(0, 1e6))
  await screenshot(page, `account, end, ${name}`)
  expect.soft(await faultsIn(page)).toEqual([])
  expect(faults).toEqual([])
  await close()
})
