import { v7 as uuidv7 } from 'uuid'
import { expect, test } from 'vitest'
import { developmentToken } from '../../scripts/token.ts'
import { seriousFaults, type Known } from './axe.ts'
import { screenshot, useBrowser } from './browser.ts'

const chromium = useBrowser()

const DESKTOP = { width: 1280, height: 900 }
const PHONE = { width: 390, height: 844 }
const SETTINGS = (['light', 'dark'] as const).flatMap((colorScheme) => [
  { name: `${colorScheme}, desktop`, colorScheme, viewport: DESKTOP },
  { name: `${colorScheme}, phone`, colorScheme, viewport: PHONE },
])

/** What axe finds in Scalar's own markup (1.72), which nothing configures. */
const SCALARS: readonly Known[] = [
  // The button that copies a block of code shows an icon and says nothing.
  { rule: 'button-name', element: String.raw`.group\/copy-button` },
  // On a phone, the list of a tag's operations scrolls; they are links in the sidebar, too.
  { rule: 'scrollable-region-focusable', element: '.endpoints' },
  // "Show More" is called "Show all projects endpoints".
  { rule: 'label-content-name-mismatch', element: '.show-more' },
]

test('the reference opens, is searched, takes a token and sends a request, all from this origin', async () => {
  const { page, faults, close } = await chromium.open(`${chromium.url}/docs`, { viewport: DESKTOP })
  await page.getByRole('heading', { name: 'Freehold', level: 1 }).waitFor()

  await page.getByRole('button', { name: 'Open Search' }).click()
  await page.getByRole('combobox', { name: 'Enter search query' }).fill('list tasks')
  await page.getByRole('option', { name: /List tasks/ }).click()
  await page.getByRole('heading', { name: 'List tasks' }).waitFor()
  expect(page.url()).toContain('/tasks')

  await page
    .getByPlaceholder('Token')
    .first()
    .fill(await developmentToken('demo'))
  const answered = page.waitForResponse(/\/api\/me\/tasks/)
  await page.getByRole('button', { name: /Test Request.*get \/api\/\{user_id\}\/tasks\)/ }).click()
  await page.getByRole('button', { name: /^Send/ }).first().click()
  expect((await answered).status()).toBe(200)
  await page.getByRole('link', { name: '200 OK' }).waitFor()
  await screenshot(page, 'docs, answered')
  expect(faults).toEqual([])
  await close()
})

test('the reference signs in with an account, by the password flow, and sends a request with its token', async () => {
  const email = `ada-${uuidv7()}@example.com`
  const password = 'correct horse battery'
  const headers = { 'Content-Type': 'application/json' }
  const body = JSON.stringify({ email, password })
  await fetch(`${chromium.url}/api/auth/register`, { method: 'POST', headers, body })

  const { page, faults, close } = await chromium.open(`${chromium.url}/docs`, { viewport: DESKTOP })
  await page.getByRole('heading', { name: 'Freehold', level: 1 }).waitFor()
  await page
    .getByRole('button', { name: /Selected Auth Type/ })
    .first()
    .click()
  await page.getByRole('option', { name: 'oauth2' }).click()
  await page.getByRole('option', { name: 'bearer' }).click()
  await page.getByRole('heading', { name: 'Freehold', level: 1 }).click()
  for (const [label, text] of [
    ['Username:', email],
    ['Password:', password],
  ] as const) {
    await page.getByText(label, { exact: true }).first().click()
    await page.keyboard.type(text)
  }
  const login = page.waitForResponse(/\/api\/auth\/login/)
  await page.getByRole('button', { name: 'Authorize' }).first().click()
  expect((await login).status()).toBe(200)

  await page.goto(`${chromium.url}/docs#tag/account/GET/api/auth/me`)
  const answered = page.waitForResponse(/\/api\/auth\/me/)
  await page.getByRole('button', { name: /Test Request.*get \/api\/auth\/me\)/ }).click()
  await page.getByRole('button', { name: /^Send/ }).first().click()
  expect(await (await answered).json()).toMatchObject({ email })
  expect(faults).toEqual([])
  await close()
})

test.each(SETTINGS)(
  'the reference and the problem types are accessible: $name',
  async ({ name, ...options }) => {
    const { page, faults, close } = await chromium.open(`${chromium.url}/docs`, options)
    await page.getByRole('heading', { name: 'Freehold', level: 1 }).waitFor()
    await page.waitForLoadState('networkidle')
    await screenshot(page, `docs, ${name}`)
    expect.soft(await seriousFaults(page, SCALARS)).toEqual([])
    await page.goto(`${chromium.url}/docs#tag/tasks/POST/api/{user_id}/tasks`)
    await page.reload()
    await page.getByRole('heading', { name: 'Create a task' }).waitFor()
    await page.waitForLoadState('networkidle')
    await screenshot(page, `docs, an operation, ${name}`)
    expect.soft(await seriousFaults(page, SCALARS)).toEqual([])
    await page.goto(`${chromium.url}/docs/problems#stale_revision`)
    await page.getByRole('heading', { name: 'Stale revision' }).waitFor()
    await screenshot(page, `problems, ${name}`)
    expect.soft(await seriousFaults(page)).toEqual([])
    expect(faults).toEqual([])
    await close()
  },
)
