import { expect, test } from 'vitest'
import { developmentToken } from '../../scripts/token.ts'
import { useBrowser } from './browser.ts'
import { openHarness, run } from '../../load/harness.ts'
import { changeOf } from '../../load/numbered-tasks.ts'

const chromium = useBrowser()

/** A tab with a client that acts as a user, and how to open another one beside it. */
async function newTabs(user: string) {
  const token = await developmentToken(user)
  const { page, tab, close } = await chromium.open(chromium.url)
  const prepare = `client = freehold.createClient({ token: ${JSON.stringify(token)}, retries: 0 })`
  const harness = async (each: typeof page) => {
    await openHarness(each, chromium.url)
    await run(each, prepare)
    return each
  }
  return { page: await harness(page), tab: async () => harness(await tab()), harness, close }
}

const newName = () => `user-${crypto.randomUUID()}`
const OPEN = `copy = await client.sync()`
const titles = `return copy.rows('tasks').map(({ title }) => title)`

test('a copy is kept over a reload, with what waits', async () => {
  const { page, harness, close } = await newTabs(newName())
  await run(page, `${OPEN}; await copy.create('tasks', { title: 'Sent' }); await copy.sync()`)
  await run(page, `await copy.create('tasks', { title: 'Waits' })`)
  await harness(page)
  expect(await run(page, `${OPEN}; ${titles}`)).toEqual(['Waits', 'Sent'])
  expect(await run(page, `await copy.sync(); return copy.pending.length`)).toBe(0)
  await run(page, `await copy.clear()`)
  const left = `const request = indexedDB.open('freehold')
    await new Promise((resolve) => (request.onsuccess = resolve))
    const all = request.result.transaction('records').objectStore('records').getAllKeys()
    await new Promise((resolve) => (all.onsuccess = resolve))
    return all.result`
  expect(await run(page, left)).toEqual([])
  await close()
})

test('what is written in one tab shows in another, without any network, and is sent once', async () => {
  const user = newName()
  const { page, tab, close } = await newTabs(user)
  const other = await tab()
  for (const each of [page, other]) await run(each, OPEN)
  await page.context().setOffline(true)
  await run(page, `await copy.create('tasks', { title: 'One' })`)
  await run(other, `await copy.create('tasks', { title: 'Other' })`)
  await expect.poll(() => run<string[]>(page, titles)).toHaveLength(2)
  await expect.poll(() => run<string[]>(other, titles)).toHaveLength(2)
  await page.context().setOffline(false)
  await Promise.all([page, other].map((each) => run(each, `await copy.sync()`)))
  for (const each of [page, other]) expect(await run(each, `return copy.pending.length`)).toBe(0)
  expect(await run(page, `return (await client.get('/tasks')).count`)).toBe(2)
  await run(page, `await copy.clear()`)
  await expect.poll(() => run<string[]>(other, titles)).toEqual([])
  await close()
})

test('a copy that was in localStorage moves over with what waits in it', async () => {
  const user = newName()
  const { page, close } = await newTabs(user)
  const [sent] = await run<{ id: string; revision: number }[]>(
    page,
    `return [await client.post('/tasks', { body: { title: 'Sent' } })]`,
  )
  const change = { key: 'a', op: 'update', collection: 'tasks', id: sent?.id, path: '/tasks' }
  const old = {
    cursor: 'of another schema',
    rows: { [`tasks/${sent?.id}`]: { collection: 'tasks', ...sent, deleted: false, data: sent } },
    outbox: [{ ...change, revision: sent?.revision, data: { title: 'Edited' } }],
  }
  const name = `freehold:${chromium.url}:me:${user}`
  await run(page, `localStorage.setItem(${JSON.stringify(name)}, ${JSON.stringify(JSON.stringify(old))})`)
  expect(await run(page, `copy = await client.sync({ storage: localStorage }); ${titles}`)).toEqual([
    'Edited',
  ])
  await run(page, `await copy.sync()`)
  expect(await run(page, `return (await client.get('/tasks')).tasks.map(({ title }) => title)`)).toEqual([
    'Edited',
  ])
  expect(await run(page, `return Object.keys(localStorage)`)).toEqual([])
  await close()
})

test('a storage that the browser forbids is named', async () => {
  const { page, close } = await newTabs(newName())
  await run(page, `indexedDB.open = () => { throw new DOMException('Forbidden', 'SecurityError') }`)
  const answer = await run(page, `return client.sync().catch(({ name, message }) => [name, message])`)
  expect(answer).toEqual(['StorageError', 'The copy cannot be stored: SecurityError: Forbidden'])
  await close()
})

test('50 000 rows open, show and are edited without the page noticing', { timeout: 180_000 }, async () => {
  const { page, harness, close } = await newTabs(newName())
  let served = 0
  await page.route('**/changes?*', (route) => {
    const from = served
    served = Math.min(50_000, from + 500)
    const changes = Array.from({ length: served - from }, (_, at) => changeOf(from + at))
    return route.fulfill({ json: { changes, cursor: `at ${served}`, has_more: served < 50_000 } })
  })
  const took = (body: string) =>
    `const started = performance.now(); ${body}; return performance.now() - started`
  const firstSync = await run<number>(page, `${OPEN}; ${took('await copy.sync()')}`)
  await harness(page)
  const reopening = await run<number>(page, took(`${OPEN}; if (copy.rows('tasks').length < 50) throw 0`))
  const newest = await run(page, `return [copy.status, copy.rows('tasks')[0].title]`)
  expect(newest).toEqual(['opening', 'Task 49999'])
  const whole = await run<number>(page, took(`await copy.opened`))
  expect(await run(page, `return [copy.status, copy.rows('tasks').length]`)).toEqual(['ready', 50_000])
  const edit = await run<number[]>(
    page,
    `const times = []
     copy.subscribe(() => copy.rows('tasks'))
     for (const { id } of copy.rows('tasks').slice(20000, 20050)) {
       const started = performance.now()
       const stored = copy.update('tasks', id, { title: 'Edited' })
       times.push(performance.now() - started)
       await stored
     }
     return times.toSorted((a, b) => a - b)`,
  )
  const stored = await run<number>(page, `return (await navigator.storage.estimate()).usage`)
  const heap = await run<number>(page, `return performance.memory.usedJSHeapSize`)
  console.info(
    JSON.stringify({ firstSync, reopening, whole, edit: edit[25], slowest: edit.at(-1), stored, heap }),
  )
  // How long it takes is this machine's; that nothing is lost or asked for again is not.
  expect([await run(page, `return copy.pending.length`), served]).toEqual([50, 50_000])
  await close()
})
