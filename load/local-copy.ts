import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CDPSession, Page } from 'playwright-core'
import * as z from 'zod'
import { developmentToken } from '../scripts/token.ts'
import { launchChromium } from './chromium.ts'
import { openHarness, run } from './harness.ts'
import { must } from './rounds.ts'
import { changeOf } from './numbered-tasks.ts'
import { migrate, startServer } from './server.ts'

// The local copy in Chromium: `npm run bench:copy`, or `npm run bench:copy -- --rows 10000 --timed 100` for a quick look.
// Rows come from a route of the page, so that its own time is measured and not a server's; the times from one browser to
// another go through the Worker, as `wrangler dev` runs it.
const { values: options } = parseArgs({
  options: { rows: { type: 'string', default: '50000' }, timed: { type: 'string', default: '1000' } },
})
const ROWS = Number(options.rows)
/** How often the former client asked, in milliseconds. */
const POLL = 5000
const row = z.object({ id: z.string() })

const folder = mkdtempSync(join(tmpdir(), 'freehold-local-copy-'))
migrate(folder)
const server = await startServer(folder)
const browser = await launchChromium()
try {
  await large()
  await fromBrowserToBrowser(Number(options.timed))
} finally {
  await browser.close()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}

/** A page with a client that acts as a user, in a browser that nothing is stored in. */
async function open(user: string): Promise<{ page: Page; again: () => Promise<void> }> {
  const token = JSON.stringify(await developmentToken(user))
  const context = await browser.newContext()
  const page = await context.newPage()
  async function again(): Promise<void> {
    await openHarness(page, server.url)
    await run(page, `client = freehold.createClient({ token: ${token} })`)
  }
  await again()
  return { page, again }
}

/** The first sync of many rows, reopening them, and edits. */
async function large(): Promise<void> {
  const { page, again } = await open(`user-${crypto.randomUUID()}`)
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable')
  let served = 0
  await page.route('**/changes?*', (route) => {
    const from = served
    served = Math.min(ROWS, from + 500)
    const changes = Array.from({ length: served - from }, (_, at) => changeOf(from + at))
    return route.fulfill({ json: { changes, cursor: `at ${served}`, has_more: served < ROWS } })
  })
  console.log(`      ${ROWS} rows in a local copy, in Chromium, in milliseconds:`)
  await timed(page, session, 'first sync', `copy = await client.sync(); await copy.sync()`)
  const stored = await run<number>(page, `return (await navigator.storage.estimate()).usage`)

  for (const round of [1, 2, 3]) {
    await again()
    await timed(
      page,
      session,
      `reopened ${round}: first screen`,
      `copy = await client.sync(); if (copy.rows('tasks').length < 50) throw new Error('no screen')`,
    )
    await timed(page, session, `reopened ${round}: everything`, `await copy.opened`)
  }
  must((await run(page, `return copy.rows('tasks').length`)) === ROWS, 'rows are missing')
  await session.send('HeapProfiler.collectGarbage')
  const heap = await run<number>(page, `return performance.memory.usedJSHeapSize`)

  const edits = await run<number[]>(
    page,
    `const times = []
     copy.subscribe(() => copy.rows('tasks'))
     for (const { id } of copy.rows('tasks').slice(${ROWS / 2}, ${ROWS / 2 + 200})) {
       const started = performance.now()
       const stored = copy.update('tasks', id, { title: 'Edited' })
       times.push(performance.now() - started)
       await stored
     }
     return times`,
  )
  console.log(
    `      one edit, and the list anew      p50 ${quantile(edits, 0.5)}  p99 ${quantile(edits, 0.99)}`,
  )
  const size = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB, ${Math.round(bytes / ROWS)} bytes a row`
  console.log(`      stored ${size(stored)}; in memory ${size(heap)}`)
  await page.context().close()
}

/** Says how long something takes in a page, and how much of that its main thread is busy. */
async function timed(page: Page, session: CDPSession, name: string, body: string): Promise<void> {
  const busy = async () => {
    const { metrics } = await session.send('Performance.getMetrics')
    return 1000 * (metrics.find((metric) => metric.name === 'TaskDuration')?.value ?? Number.NaN)
  }
  const before = await busy()
  const [took, longest] = await run<[number, number]>(
    page,
    `const tasks = []
     const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries()))
     observer.observe({ entryTypes: ['longtask'] })
     const started = performance.now()
     ${body}
     const took = performance.now() - started
     await new Promise((resolve) => setTimeout(resolve, 100))
     return [took, Math.max(0, ...tasks.map(({ duration }) => duration))]`,
  )
  const used = (await busy()) - before
  console.log(
    `      ${name.padEnd(32)} ${took.toFixed(0).padStart(6)}  main thread ${used.toFixed(0)}, at most ${longest ? longest.toFixed(0) : 50} at once`,
  )
}

/** How long after a write was acknowledged it is applied in another browser: by hints, and by asking as it was before. */
async function fromBrowserToBrowser(writes: number): Promise<void> {
  const user = `user-${crypto.randomUUID()}`
  const token = await developmentToken(user)
  const [by, asking] = [await open(user), await open(user)]
  // The one that asks cannot connect, as the former client did not.
  await run(asking.page, `WebSocket = undefined`)
  for (const { page } of [by, asking]) {
    await run(
      page,
      `applied = {}
       copy = await client.sync()
       copy.subscribe(() => {
         const [newest] = copy.rows('tasks')
         if (newest) applied[newest.id] ??= performance.timeOrigin + performance.now()
       }, 'tasks')
       copy.start(${POLL})
       await copy.sync()`,
    )
  }
  const acknowledged: [id: string, at: number][] = []
  const plain: number[] = []
  const authorized = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
  for (let made = 0; made < writes; made += 1) {
    const response = await fetch(`${server.url}/api/me/tasks`, {
      method: 'POST',
      headers: authorized,
      body: JSON.stringify({ title: `Task ${made}` }),
    })
    const { id } = row.parse(await response.json())
    acknowledged.push([id, performance.timeOrigin + performance.now()])
    const asked = performance.now()
    await (await fetch(`${server.url}/api/me/tasks/${id}`, { headers: authorized })).text()
    plain.push(performance.now() - asked)
  }
  await new Promise((resolve) => setTimeout(resolve, POLL * 2))
  console.log(`      ${writes} writes, acknowledged → applied in another browser, in milliseconds:`)
  for (const [name, { page }] of [
    ['by hints', by],
    [`asking every ${POLL / 1000} s, as before`, asking],
  ] as const) {
    const applied = await run<Record<string, number>>(page, `return applied`)
    const all = await run<number>(page, `return copy.rows('tasks').length`)
    must(all === writes, `a copy has ${all} rows of ${writes}`)
    // One that was applied together with newer ones was there when they were.
    let latest = Number.POSITIVE_INFINITY
    const times: number[] = []
    for (const [id, at] of acknowledged.toReversed()) {
      latest = Math.min(latest, applied[id] ?? latest)
      times.push(Math.max(0, latest - at))
    }
    console.log(`      ${name.padEnd(32)} p50 ${quantile(times, 0.5)}  p99 ${quantile(times, 0.99)}`)
  }
  console.log(
    `      ${'a plain request'.padEnd(32)} p50 ${quantile(plain, 0.5)}  p99 ${quantile(plain, 0.99)}`,
  )
}

function quantile(times: readonly number[], share: number): string {
  const sorted = times.toSorted((one, other) => one - other)
  return (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(1)
}
