import { randomUUID } from 'node:crypto'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { faultsIn } from './axe.ts'
import { screenshot, useBrowser } from './browser.ts'

const chromium = useBrowser()
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

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const field = (page: Page) => page.getByRole('textbox', { name: 'New task' })
const box = (page: Page, name: string) => page.getByRole('checkbox', { name, exact: true })
const list = (page: Page, name: string) => page.locator('#lists').getByRole('button', { name, exact: true })
const told = (page: Page, text: string) => page.locator('#team-page .told', { hasText: text }).waitFor()
const live = (page: Page) => page.locator('#status', { hasText: 'In sync, live' }).waitFor()

async function register(page: Page, name: string): Promise<void> {
  await page.getByLabel('E-mail').fill(`${name}-${randomUUID().slice(0, 8)}@example.com`)
  await page.getByLabel('Password').fill('correct horse battery')
  await button(page, 'Create account').click()
  await field(page).waitFor()
}

async function add(page: Page, title: string): Promise<void> {
  await field(page).fill(title)
  await field(page).press('Enter')
  await box(page, title).waitFor()
}

async function makeList(page: Page, name: string): Promise<void> {
  await button(page, 'Share').click()
  await page.getByLabel('What is it called?').fill(name)
  await button(page, 'Make the list').click()
  await page.locator('#team-page').getByRole('heading', { name, exact: true }).waitFor()
}

/** The link of a new invitation, from the page of the list that is open. */
async function invite(page: Page, role: string): Promise<string> {
  await page.getByLabel('What they may do').selectOption(role)
  await button(page, 'Make a link').click()
  const link = page.getByLabel('Link of the invitation')
  await link.waitFor()
  return link.inputValue()
}

async function join(page: Page, name: string): Promise<void> {
  await button(page, 'Join the list').click()
  await page.getByText(`You are in “${name}” now.`).waitFor()
  await live(page)
}

/** Somebody with a shared list that somebody else has joined. */
async function newPair(role = 'editor') {
  const ada = await chromium.open(chromium.url)
  await register(ada.page, 'ada')
  await makeList(ada.page, 'Garden')
  const link = await invite(ada.page, role)
  const bob = await chromium.open(link)
  await register(bob.page, 'bob')
  await join(bob.page, 'Garden')
  await button(ada.page, 'Close').click()
  await live(ada.page)
  return { ada, bob, link }
}

test('a list is shared by a link, and both see at once what the other does', async () => {
  const { ada, bob, link } = await newPair()
  // It is nobody else's to see.
  expect(await bob.page.evaluate('location.href')).toBe(`${chromium.url}/`)
  await add(ada.page, 'Turn the compost')
  await box(bob.page, 'Turn the compost').check()
  await ada.page.locator('#list :checked').waitFor()
  await add(bob.page, 'Sow the beans')
  const beans = ada.page.locator('#list > li', { hasText: 'Sow the beans' })
  await beans.getByText(/^by Member /).waitFor()

  // The own list is another one, after a reload too.
  await list(bob.page, 'My tasks').click()
  await bob.page.getByText('Nothing to do.').waitFor()
  await add(bob.page, 'Mine alone')
  await bob.page.reload()
  await box(bob.page, 'Mine alone').waitFor()
  await list(bob.page, 'Garden').click()
  await box(bob.page, 'Sow the beans').waitFor()
  expect(await box(bob.page, 'Mine alone').count()).toBe(0)
  await bob.page.reload()
  await bob.page.getByRole('heading', { name: 'Garden' }).waitFor()
  await box(bob.page, 'Sow the beans').waitFor()

  const eve = await chromium.open(link)
  await eve.page.getByText('You are invited to a shared list.').waitFor()
  await button(eve.page, 'Try without an account').click()
  await button(eve.page, 'Join the list').click()
  await eve.page.getByText('This invitation was used, revoked or is over.').waitFor()
  await button(eve.page, 'All right').click()
  expect(await list(eve.page, 'Garden').count()).toBe(0)
  const faults = [...ada.faults, ...bob.faults, ...eve.faults]
  expect(faults.filter((fault) => !/status of 422/.test(fault))).toEqual([])
  for (const { close } of [ada, bob, eve]) await close()
})

test('a viewer cannot tick and is told why, at once when the role changes', async () => {
  const { ada, bob } = await newPair('viewer')
  await add(ada.page, 'Turn the compost')
  // Playwright does not click what is said to be disabled; people do.
  await box(bob.page, 'Turn the compost').click({ force: true })
  const message = bob.page.locator('.message', { hasText: 'you are a viewer' })
  await message.waitFor()
  expect(await box(bob.page, 'Turn the compost').isChecked()).toBe(false)
  expect(await field(bob.page).isVisible()).toBe(false)
  expect(await button(bob.page, 'Delete “Turn the compost”').isVisible()).toBe(false)
  await message.getByRole('button', { name: 'Dismiss' }).click()
  await screenshot(bob.page, 'share, viewer')
  expect.soft(await faultsIn(bob.page)).toEqual([])

  const role = ada.page.locator('#team-page').getByLabel(/^Role of Member/)
  await button(ada.page, 'Share').click()
  await role.selectOption('editor')
  await told(ada.page, 'is an editor now.')
  await field(bob.page).waitFor()
  await add(bob.page, 'Sow the beans')
  await role.selectOption('viewer')
  await told(ada.page, 'is a viewer now.')
  await field(bob.page).waitFor({ state: 'hidden' })
  // Somebody who was changed while away hears of it from the server.
  await button(ada.page, 'Close').click()
  await box(ada.page, 'Sow the beans').waitFor()
  expect([...ada.faults, ...bob.faults]).toEqual([])
  for (const { close } of [ada, bob]) await close()
})

test('a removed member’s window says so, and keeps what was not sent', async () => {
  const { ada, bob } = await newPair()
  await add(ada.page, 'Turn the compost')
  await box(bob.page, 'Turn the compost').waitFor()
  await bob.page.context().setOffline(true)
  await add(bob.page, 'Sow the beans')
  await button(bob.page, 'Comments on “Sow the beans”').click()
  await bob.page.keyboard.type('Along the fence')
  await bob.page.keyboard.press('Enter')
  await bob.page.locator('#status', { hasText: '2 changes waiting' }).waitFor()
  await button(ada.page, 'Share').click()
  await ada.page.getByRole('button', { name: /^Remove Member/ }).click()
  await ada.page.getByRole('button', { name: /^Really remove Member/ }).click()
  await told(ada.page, 'is out')
  await bob.page.context().setOffline(false)
  await bob.page.getByRole('heading', { name: 'You are no longer in “Garden”' }).waitFor()
  expect(await box(bob.page, 'Turn the compost').isVisible()).toBe(false)
  await screenshot(bob.page, 'share, removed')
  expect.soft(await faultsIn(bob.page)).toEqual([])
  // It is asked until it is answered.
  await bob.page.reload()
  await button(bob.page, 'Keep it in my tasks').click()
  await bob.page.getByRole('heading', { name: 'Tasks', exact: true }).waitFor()
  await box(bob.page, 'Sow the beans').waitFor()
  await button(bob.page, 'Comments on “Sow the beans”').click()
  await bob.page.getByText('Along the fence').waitFor()
  await live(bob.page)
  expect(await list(bob.page, 'Garden').count()).toBe(0)
  expect(await box(ada.page, 'Sow the beans').count()).toBe(0)

  await button(ada.page, 'Close').click()
  const faults = [...ada.faults, ...bob.faults]
  expect(faults.filter((fault) => !/status of 403|net::ERR_|WebSocket/.test(fault))).toEqual([])
  for (const { close } of [ada, bob]) await close()
})

test('invitations are listed and revoked, the last owner stays, and a list is left, renamed and deleted', async () => {
  const { ada, bob } = await newPair()
  await button(ada.page, 'Share').click()
  const link = await invite(ada.page, 'viewer')
  await button(ada.page, 'Revoke the invitation of anybody with the link').click()
  await button(ada.page, 'Really revoke the invitation of anybody with the link?').click()
  await told(ada.page, 'Its link does nothing any more.')
  await list(bob.page, 'My tasks').click()
  await bob.page.goto(link)
  await button(bob.page, 'Join the list').click()
  await bob.page.getByText('This invitation was used, revoked or is over.').waitFor()
  await button(bob.page, 'All right').click()

  await button(ada.page, 'Leave the list').click()
  await button(ada.page, 'Really leave the list?').click()
  await told(ada.page, 'owner')
  await ada.page.getByLabel('Name of the list').fill('Allotment')
  await button(ada.page, 'Rename').click()
  await told(ada.page, 'It has its new name')
  await list(bob.page, 'Garden').click()
  await list(bob.page, 'Allotment').waitFor()
  await button(bob.page, 'Members').click()
  expect(await button(bob.page, 'Make a link').count()).toBe(0)
  await button(bob.page, 'Leave the list').click()
  await button(bob.page, 'Really leave the list?').click()
  await bob.page.getByText('You have left “Allotment”.').waitFor()
  expect(await list(bob.page, 'Allotment').count()).toBe(0)
  await button(ada.page, 'Delete the list').click()
  await button(ada.page, 'Really delete the list?').click()
  await ada.page.getByText('“Allotment” is deleted').waitFor()
  await ada.page.getByRole('heading', { name: 'Tasks', exact: true }).waitFor()
  const faults = [...ada.faults, ...bob.faults]
  expect(faults.filter((fault) => !/status of (403|409|422)|WebSocket/.test(fault))).toEqual([])
  for (const { close } of [ada, bob]) await close()
})

test.each(SETTINGS)('the page of a shared list is accessible: $name', async ({ name, ...options }) => {
  const { page, faults, close } = await chromium.open(chromium.url, options)
  await register(page, 'ada')
  await button(page, 'Share').click()
  await screenshot(page, `share, new, ${name}`)
  expect.soft(await faultsIn(page)).toEqual([])
  await button(page, 'Cancel').click()
  await makeList(page, 'The garden, and all that grows in it')
  const other = await chromium.open(await invite(page, 'editor'), options)
  await other.page.getByText('You are invited to a shared list.').waitFor()
  await other.page.getByText('Live').first().waitFor()
  await screenshot(other.page, `share, invited, ${name}`)
  expect.soft(await faultsIn(other.page)).toEqual([])
  await button(other.page, 'Try without an account').click()
  await button(other.page, 'Join the list').waitFor()
  await screenshot(other.page, `share, joining, ${name}`)
  expect.soft(await faultsIn(other.page)).toEqual([])
  await join(other.page, 'The garden, and all that grows in it')
  await invite(page, 'viewer')
  await button(page, 'Close').click()
  await button(page, 'Share').click()
  await page.getByRole('button', { name: /^Remove Member/ }).waitFor()
  await screenshot(page, `share, page, ${name}`)
  expect.soft(await faultsIn(page)).toEqual([])
  await page.locator('#team-page').evaluate((node) => node.scrollTo(0, 1e6))
  await screenshot(page, `share, page, end, ${name}`)
  await button(page, 'Close').click()
  for (const title of ['Turn the compost', 'Sow the beans']) await add(page, title)
  await box(other.page, 'Sow the beans').check()
  await page.locator('#list :checked').waitFor()
  await add(other.page, 'Water the plants')
  await box(page, 'Water the plants').waitFor()
  await screenshot(page, `share, list, ${name}`)
  expect.soft(await faultsIn(page)).toEqual([])
  expect([...faults, ...other.faults]).toEqual([])
  await other.close()
  await close()
})
