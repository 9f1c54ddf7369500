import { randomUUID } from 'node:crypto'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { faultsIn } from './axe.ts'
import { screenshot, useBrowser } from './browser.ts'

const chromium = useBrowser()

const DESKTOP = { width: 1280, height: 900 }
const PHONE = { width: 390, height: 844 }
const reducedMotion = 'reduce' as const
const SETTINGS = (['light', 'dark'] as const).flatMap((colorScheme) => [
  { name: `${colorScheme}, desktop`, colorScheme, reducedMotion, viewport: DESKTOP },
  {
    name: `${colorScheme}, phone`,
    colorScheme,
    reducedMotion,
    viewport: PHONE,
    hasTouch: true,
    isMobile: true,
  },
])
const PASSWORD = 'correct horse battery'

const newEmail = () => `ada-${randomUUID().slice(0, 8)}@example.com`
const field = (page: Page) => page.getByRole('textbox', { name: 'New task' })
const box = (page: Page, name: string) => page.getByRole('checkbox', { name, exact: true })
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const status = (page: Page, text: string) =>
  expect.poll(() => page.locator('#status').textContent(), { timeout: 20_000 }).toContain(text)
/** What it says may be a moment old; its colour is not. */
async function synced(page: Page): Promise<void> {
  await page.locator('#status[data-state=in-sync]').waitFor()
  await status(page, 'In sync')
}
const titlesIn = (page: Page) => page.locator('#list label').allTextContents()

async function register(page: Page, email = newEmail()): Promise<string> {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(PASSWORD)
  await button(page, 'Create account').click()
  await field(page).waitFor()
  return email
}

async function logIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await button(page, 'Log in').click()
}

async function add(page: Page, title: string): Promise<void> {
  await field(page).fill(title)
  await field(page).press('Enter')
  await box(page, title).waitFor()
}

/** What the API says the user has, in the page's order. */
async function onServer(email: string): Promise<{ title: string; completed: boolean; id: string }[]> {
  const { tasks } = await api(email, 'GET', '/tasks')
  return tasks
}

async function api(
  email: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ tasks: { title: string; completed: boolean; id: string }[] }> {
  const json = { 'Content-Type': 'application/json' }
  const login = await fetch(`${chromium.url}/api/auth/login`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ email, password: PASSWORD }),
  })
  const { access_token } = (await login.json()) as { access_token: string }
  const response = await fetch(`${chromium.url}/api/me${path}`, {
    method,
    headers: { ...json, Authorization: `Bearer ${access_token}` },
    ...(body && { body: JSON.stringify(body) }),
  })
  return response.json()
}

/** What a browser says on its own account while a server is away. */
const withoutOutages = (faults: string[]) => faults.filter((fault) => !fault.includes('net::ERR_'))

test('everything can be done with the keyboard alone, and a second tab follows', async () => {
  const { page, tab, faults, close } = await chromium.open(chromium.url)
  const { keyboard } = page
  const focused = () => page.locator(':focus')
  // It is not taken there: whoever is new is to see first what this is.
  await page.getByLabel('E-mail').focus()
  const email = newEmail()
  await keyboard.type(email)
  await keyboard.press('Tab')
  await keyboard.type(PASSWORD)
  await keyboard.press('Enter')
  await field(page).waitFor()
  const other = await tab()
  await field(other).waitFor()

  await keyboard.type('Water the plants')
  await keyboard.press('Enter')
  await keyboard.type('Buy bread')
  await keyboard.press('Enter')
  await box(other, 'Buy bread').waitFor()
  expect(await titlesIn(other)).toEqual(['Buy bread', 'Water the plants'])

  await keyboard.press('Tab')
  await keyboard.press('Tab')
  await keyboard.press('Space')
  expect(await box(page, 'Buy bread').isChecked()).toBe(true)
  await other.locator('li :checked').waitFor()

  await keyboard.press('Tab')
  expect(await focused().getAttribute('aria-label')).toBe('Edit “Buy bread”')
  await keyboard.press('Enter')
  await keyboard.type('Never mind')
  await keyboard.press('Escape')
  expect(await focused().getAttribute('aria-label')).toBe('Edit “Buy bread”')
  await keyboard.press('Enter')
  await keyboard.type('Buy rye bread')
  await keyboard.press('Enter')
  await box(other, 'Buy rye bread').waitFor()
  expect(await focused().getAttribute('aria-label')).toBe('Edit “Buy rye bread”')

  await keyboard.press('Tab')
  await keyboard.press('Enter')
  await box(other, 'Buy rye bread').waitFor({ state: 'detached' })
  await page.getByText('“Buy rye bread” deleted.').waitFor()
  expect(await focused().textContent()).toBe('Undo')
  await keyboard.press('Enter')
  await box(other, 'Buy rye bread').waitFor()
  await expect.poll(() => box(page, 'Buy rye bread').evaluate((node) => node.matches(':focus'))).toBe(true)

  await synced(page)
  expect(await onServer(email)).toMatchObject([
    { title: 'Buy rye bread', completed: true },
    { title: 'Water the plants', completed: false },
  ])
  expect(faults).toEqual([])
  await close()
})

const pane = (page: Page, name: string) => page.getByRole('region', { name })

test('two devices show one list before anything is asked, one of them offline for a while, and a guest keeps it', async () => {
  const { page, faults, close } = await chromium.open(chromium.url)
  const [laptop, phone] = [pane(page, 'Laptop'), pane(page, 'Phone')]
  for (const each of [laptop, phone]) await each.getByText('Live').waitFor()
  await laptop.getByRole('checkbox', { name: 'Buy rye bread' }).check()
  await phone.locator('li :checked').waitFor()
  await page.getByRole('switch', { name: 'Network of the phone' }).click()
  await page.getByLabel('What to do, on the phone').fill('Call the dentist')
  await page.keyboard.press('Enter')
  await phone.getByText('Offline, 1 waiting').waitFor()
  await phone.locator('li', { hasText: 'Call the dentist' }).getByText('waiting').waitFor()
  await laptop.getByRole('checkbox', { name: 'Water the plants' }).check()
  expect(await phone.locator('li :checked').count()).toBe(1)
  await screenshot(page, 'demo, one device offline')
  expect.soft(await faultsIn(page)).toEqual([])
  await page.getByRole('switch', { name: 'Network of the phone' }).click()
  await laptop.getByText('Call the dentist').waitFor()
  await expect.poll(() => phone.locator('li :checked').count()).toBe(2)

  // The same guest after a reload, and then on the page itself.
  await page.reload()
  await pane(page, 'Phone').getByText('Call the dentist').waitFor()
  await button(page, 'Try without an account').click()
  await box(page, 'Call the dentist').waitFor()
  await page.getByText('You are trying this without an account.').waitFor()
  await button(page, 'Create an account').click()
  await button(page, 'Not now').click()
  await add(page, 'As a guest')
  await synced(page)
  await button(page, 'Create an account').click()
  const email = await register(page)
  await box(page, 'As a guest').waitFor()
  await expect.poll(() => page.locator('#account').textContent()).toBe(email)
  expect(await page.locator('#guest').isVisible()).toBe(false)
  expect((await onServer(email)).map(({ title }) => title)).toEqual(await titlesIn(page))
  expect(faults).toEqual([])
  await close()
})

test('projects, dates, comments and filters, each there when it is offline', async () => {
  const { page, faults, close } = await chromium.open(chromium.url)
  const email = await register(page)
  await add(page, 'Water the plants')
  await page.context().setOffline(true)
  page.once('dialog', (dialog) => dialog.accept('House'))
  await page.getByLabel('Project').first().selectOption('New project…')
  await page.getByText('No task is like that.').waitFor()
  await add(page, 'Paint the fence')
  await page.getByLabel('Project').first().selectOption('Every project')
  const fence = page.locator('#list > li', { hasText: 'Paint the fence' })
  await fence.getByText('House').waitFor()
  await button(page, 'Edit “Paint the fence”').click()
  await fence.getByLabel('Due').fill('2020-02-29')
  await button(page, 'Save').click()
  await fence.getByText('was due Feb 29, 2020').waitFor()
  await fence.getByText('waiting').waitFor()
  await button(page, 'Comments on “Paint the fence”').click()
  await page.keyboard.type('White, or green?')
  await page.keyboard.press('Enter')
  await fence.getByText('White, or green?').waitFor()
  await page.context().setOffline(false)
  await synced(page)
  await screenshot(page, 'demo, a whole task')
  expect.soft(await faultsIn(page)).toEqual([])

  await box(page, 'Water the plants').check()
  await page.getByRole('radio', { name: 'Open' }).check()
  await expect.poll(() => titlesIn(page)).toEqual(['Paint the fence'])
  await page.getByRole('radio', { name: 'Done' }).check()
  await expect.poll(() => titlesIn(page)).toEqual(['Water the plants'])
  await page.getByRole('radio', { name: 'All' }).check()
  await page.getByLabel('Search').fill('FENCE')
  await expect.poll(() => titlesIn(page)).toEqual(['Paint the fence'])
  await synced(page)
  const [task] = await onServer(email)
  expect(task).toMatchObject({ title: 'Paint the fence', due_date: '2020-02-29' })
  expect(withoutOutages(faults)).toEqual([])
  await close()
})

test('loading is not nothing to do', async () => {
  const { page, close } = await chromium.open(chromium.url)
  const gate = Promise.withResolvers<void>()
  await page.getByText('Live').first().waitFor()
  await page.route('**/changes?*', async (route) => {
    await gate.promise
    await route.continue()
  })
  await register(page)
  await page.getByText('Loading your tasks…').waitFor()
  await status(page, 'Loading')
  gate.resolve()
  await page.getByText('Nothing to do.').waitFor()
  await close()
})

test('two browsers of one account show the same', async () => {
  const one = await chromium.open(chromium.url)
  const email = await register(one.page)
  await add(one.page, 'From one')
  const two = await chromium.open(chromium.url)
  await button(two.page, 'I have an account').click()
  await logIn(two.page, email)
  await box(two.page, 'From one').waitFor()
  await add(two.page, 'From two')
  await box(two.page, 'From one').check()
  await box(one.page, 'From two').waitFor()
  await one.page.locator('li :checked').waitFor()
  expect(await titlesIn(one.page)).toEqual(await titlesIn(two.page))
  expect([...one.faults, ...two.faults]).toEqual([])
  await one.close()
  await two.close()
})

test('what is done while the server is away, over a reload too, is there exactly once when it is back', async () => {
  const { page, faults, close } = await chromium.open(chromium.url)
  const email = await register(page)
  for (const title of ['One', 'Two', 'Three']) await add(page, title)
  await synced(page)
  await page.evaluate('navigator.serviceWorker.ready.then(() => true)')
  await chromium.stop()
  try {
    await add(page, 'Four')
    await box(page, 'One').check()
    await button(page, 'Delete “Two”').click()
    await button(page, 'Delete “Three”').click()
    await page.locator('.message', { hasText: 'Three' }).getByRole('button', { name: 'Undo' }).click()
    await status(page, 'Offline, 5 changes waiting, will catch up')
    await screenshot(page, 'demo, away')
    await page.reload()
    await box(page, 'Four').waitFor()
    await status(page, 'Offline, 5 changes waiting, will catch up')
  } finally {
    await chromium.start()
  }
  await synced(page)
  expect(await titlesIn(page)).toEqual(['Four', 'Three', 'One'])
  expect(await onServer(email)).toMatchObject([
    { title: 'Four', completed: false },
    { title: 'Three', completed: false },
    { title: 'One', completed: true },
  ])
  expect(withoutOutages(faults)).toEqual([])
  await close()
})

test('a change that somebody else was faster with is told, and can be applied again', async () => {
  const { page, faults, close } = await chromium.open(chromium.url)
  const email = await register(page)
  await add(page, 'Draft')
  await synced(page)
  await page.context().setOffline(true)
  await button(page, 'Edit “Draft”').click()
  await page.getByLabel('Title', { exact: true }).fill('Mine')
  await page.keyboard.press('Enter')
  await status(page, '1 change waiting')
  const [task] = await onServer(email)
  await api(email, 'PATCH', `/tasks/${task?.id}`, { title: 'Theirs' })
  await page.context().setOffline(false)
  const versions = page.getByRole('group', { name: 'Two versions of “Theirs”' })
  await versions.waitFor()
  expect(await versions.locator('dd').allTextContents()).toEqual(['Theirs', 'Mine'])
  expect(await titlesIn(page)).toEqual(['Theirs'])
  expect.soft(await faultsIn(page)).toEqual([])
  await screenshot(page, 'demo, conflict')
  // It is asked until it is answered.
  await page.reload()
  await button(page, 'Use yours').click()
  await box(page, 'Mine').waitFor()
  await synced(page)
  expect(await onServer(email)).toMatchObject([{ title: 'Mine' }])

  await button(page, 'Edit “Mine”').click()
  await api(email, 'PATCH', `/tasks/${task?.id}`, { title: 'Theirs, while I type' })
  await expect.poll(() => titlesIn(page), { timeout: 10_000 }).toEqual(['Theirs, while I type'])
  await page.keyboard.type('Mine again')
  await page.keyboard.press('Enter')
  await button(page, 'Use yours').click()
  await box(page, 'Mine again').waitFor()
  await versions.waitFor({ state: 'detached' })
  expect(withoutOutages(faults).filter((fault) => !fault.includes('412'))).toEqual([])
  await close()
})

test('what is wrong with an e-mail or a password is said beside it', async () => {
  const { page, faults, close } = await chromium.open(chromium.url)
  const email = page.getByLabel('E-mail')
  const password = page.getByLabel('Password')
  const said = (name: 'email' | 'password') => page.locator(`#${name}-error`)
  const create = button(page, 'Create account')

  await email.fill('nobody')
  await password.fill('short')
  await create.click()
  await said('email').getByText('It must be an e-mail address.').waitFor()
  expect(await said('password').textContent()).toBe('It must be at least 8 characters.')
  expect(await email.evaluate((node) => node.matches(':focus[aria-invalid=true]'))).toBe(true)
  await email.fill(newEmail())
  await password.fill('password123')
  await create.click()
  await said('password').getByText('It is one of the most common passwords.').waitFor()
  expect(await said('email').textContent()).toBe('')
  const address = await register(page)
  await button(page, 'Log out').click()

  await logIn(page, address, 'wrong horse battery')
  await said('password').getByText('The e-mail or the password is wrong.').waitFor()
  expect(await password.evaluate((node) => node.matches(':focus[aria-invalid=true]'))).toBe(true)
  await button(page, 'I am new here').click()
  expect(await password.getAttribute('autocomplete')).toBe('new-password')
  await email.fill(address)
  await create.click()
  await said('email').getByText('There is an account with this e-mail already.').waitFor()
  expect(faults.filter((fault) => !/status of (401|409|422)/.test(fault))).toEqual([])
  await close()
})

test('logging out in one tab shows the form in all, and leaves nothing behind', async () => {
  const { page, tab, faults, close } = await chromium.open(chromium.url)
  const email = await register(page)
  await add(page, 'Secret')
  const other = await tab()
  await box(other, 'Secret').waitFor()
  await synced(page)
  await button(page, 'Log out').click()
  await page.getByLabel('E-mail').waitFor()
  await other.getByLabel('E-mail').waitFor()
  expect(await page.evaluate('({ ...localStorage })')).toEqual({})
  expect(await page.getByText('Secret').count()).toBe(0)
  await logIn(other, email)
  await box(other, 'Secret').waitFor()
  await box(page, 'Secret').waitFor()
  expect(faults).toEqual([])
  await close()
})

test('a session that has ended elsewhere asks for the password, and keeps what waits', async () => {
  const { page, faults, close } = await chromium.open(chromium.url)
  const email = await register(page)
  await add(page, 'Before')
  await synced(page)
  await page.context().setOffline(true)
  await add(page, 'Meanwhile')
  await status(page, '1 change waiting')
  const two = await chromium.open(chromium.url)
  await button(two.page, 'I have an account').click()
  await logIn(two.page, email)
  await field(two.page).waitFor()
  await two.page.evaluate(`(async () => {
    const { access_token } = JSON.parse(localStorage.getItem('freehold:' + origin))
    const headers = { Authorization: 'Bearer ' + access_token, 'Content-Type': 'application/json' }
    await fetch('/api/auth/logout', { method: 'POST', headers, body: '{"all":true}' })
  })()`)
  await two.close()
  await page.context().setOffline(false)
  await page.getByLabel('E-mail').waitFor()
  await logIn(page, email)
  await box(page, 'Meanwhile').waitFor()
  await synced(page)
  expect((await onServer(email)).map(({ title }) => title)).toEqual(['Meanwhile', 'Before'])
  expect(withoutOutages(faults).filter((fault) => !fault.includes('401'))).toEqual([])
  await close()
})

test('the page runs nothing but what it came with', async () => {
  const response = await fetch(chromium.url)
  expect(response.headers.get('Content-Security-Policy')).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
      "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  )
  expect(await response.text()).not.toMatch(/ style=|<style|<script>|\son\w+=|https?:/)
})

test.each(SETTINGS)('the demonstration is accessible: $name', async ({ name, ...options }) => {
  const { page, faults, close } = await chromium.open(chromium.url, options)
  for (const each of ['Laptop', 'Phone']) await pane(page, each).getByText('Live').waitFor()
  await screenshot(page, `demo, new, ${name}`)
  expect.soft(await faultsIn(page)).toEqual([])
  await page.getByLabel('E-mail').fill('ada@')
  await page.getByLabel('Password').fill('password')
  await button(page, 'Create account').click()
  await page.getByText('It must be an e-mail address.').waitFor()
  await screenshot(page, `demo, refused, ${name}`)
  expect.soft(await faultsIn(page)).toEqual([])
  await register(page)
  await screenshot(page, `demo, empty, ${name}`)
  expect.soft(await faultsIn(page)).toEqual([])
  for (const title of [
    'Return the library books',
    'Call the dentist and ask whether the appointment of next Thursday can be moved to the week after',
    'Water the plants',
    'Buy rye bread',
    'Book the train to Lisbon',
  ]) {
    await add(page, title)
  }
  await box(page, 'Water the plants').check()
  await box(page, 'Return the library books').check()
  await synced(page)
  await screenshot(page, `demo, tasks, ${name}`)
  expect.soft(await faultsIn(page)).toEqual([])
  await button(page, 'Delete “Buy rye bread”').click()
  await button(page, 'Edit “Book the train to Lisbon”').click()
  await page.getByText('“Buy rye bread” deleted.').waitFor()
  await synced(page)
  await screenshot(page, `demo, editing, ${name}`)
  expect.soft(await faultsIn(page)).toEqual([])
  expect(faults.filter((fault) => !fault.includes('422'))).toEqual([])
  await close()
})
