import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { developmentToken } from '../../scripts/token.ts'
import { useBrowser } from './browser.ts'
import { openHarness, run } from '../../load/harness.ts'

const chromium = useBrowser()

const titles = `return copy.rows('tasks').map(({ title }) => title)`
const START = `copy = await client.sync(); copy.start(1e9); await copy.sync()`
const isLive = (page: Page) => expect.poll(() => run(page, 'return copy.live')).toBe(true)

/** Tabs of one browser, which all act as a user, and how many live lines each of them holds. */
async function newTabs(user = `user-${crypto.randomUUID()}`) {
  const token = await developmentToken(user)
  const { page, tab, close } = await chromium.open(chromium.url)
  const lines = new Map<Page, number>()
  async function harness(each: Page): Promise<Page> {
    lines.set(each, 0)
    each.on('websocket', (socket) => {
      lines.set(each, Number(lines.get(each)) + 1)
      socket.on('close', () => lines.set(each, Number(lines.get(each)) - 1))
    })
    await openHarness(each, chromium.url)
    await run(each, `client = freehold.createClient({ token: ${JSON.stringify(token)} })`)
    return each
  }
  return { user, page: await harness(page), tab: async () => harness(await tab()), lines, close }
}

test('one tab is connected for all, and when it is closed another one is', async () => {
  const { user, page, tab, lines, close } = await newTabs()
  const elsewhere = await newTabs(user)
  const other = await tab()
  for (const each of [page, other, elsewhere.page]) {
    await run(each, START)
    await isLive(each)
  }
  expect([lines.get(page), lines.get(other)]).toEqual([1, 0])
  await run(elsewhere.page, `await copy.create('tasks', { title: 'One' })`)
  for (const each of [page, other]) await expect.poll(() => run(each, titles)).toEqual(['One'])
  await run(other, `await copy.create('tasks', { title: 'Two' })`)
  for (const each of [page, elsewhere.page]) {
    await expect.poll(() => run(each, titles)).toEqual(['Two', 'One'])
  }

  await page.close()
  await expect.poll(() => lines.get(other)).toBe(1)
  await isLive(other)
  await run(elsewhere.page, `await copy.create('tasks', { title: 'Three' })`)
  await expect.poll(() => run(other, titles)).toEqual(['Three', 'Two', 'One'])
  await run(other, `copy.stop()`)
  await expect.poll(() => lines.get(other)).toBe(0)
  await close()
  await elsewhere.close()
})

test('a page that was offline catches up as soon as the network is back', async () => {
  const { page, close } = await newTabs()
  await run(page, START)
  await isLive(page)
  await page.context().setOffline(true)
  await run(page, `await copy.create('tasks', { title: 'Meanwhile' })`)
  await expect.poll(() => run(page, 'return copy.status')).toBe('offline')
  await page.context().setOffline(false)
  await expect
    .poll(() => run(page, 'return [copy.pending.length, copy.live]'), { timeout: 40_000 })
    .toEqual([0, true])
  await close()
})

test('logging out, in another tab too, ends the line, and nothing more is heard', async () => {
  const { page, tab, close } = await chromium.open(chromium.url)
  const other = await tab()
  const account = JSON.stringify({
    email: `${crypto.randomUUID()}@example.com`,
    password: 'correct horse battery',
  })
  for (const each of [page, other]) {
    await openHarness(each, chromium.url)
    await run(each, `client = freehold.createClient({ cookies: true })`)
  }
  await run(page, `await client.register(${account}); await client.login(${account})`)
  for (const each of [page, other]) {
    await run(each, `heard = []; client.events(({ type }) => heard.push(type))`)
    await expect.poll(() => run(each, 'return heard')).toEqual(['ready'])
  }
  await run(page, `await client.post('/tasks', { body: { title: 'Before' } })`)
  for (const each of [page, other]) {
    await expect.poll(() => run(each, 'return heard')).toEqual(['ready', 'changed'])
  }
  await run(page, `await client.logout()`)
  for (const each of [page, other]) {
    await expect.poll(() => run(each, 'return heard')).toEqual(['ready', 'changed', 'ended'])
  }
  await close()
})
