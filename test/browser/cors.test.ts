import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import document from '../../public/openapi.json'
import { freePort } from '../../load/server.ts'
import { developmentToken } from '../../scripts/token.ts'
import { useBrowser } from './browser.ts'

const chromium = useBrowser()

/** A page of another origin: it calls the API as scripts do, and reports what a script gets to see. */
const PAGE = `<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,"><script>
  async function send(url, init) {
    try {
      const response = await fetch(url, { ...init, credentials: 'include' })
      return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() }
    } catch (error) {
      return { refused: error.name }
    }
  }
</script>`

interface Seen {
  status?: number
  headers?: Record<string, string>
  text?: string
  refused?: string
}

const elsewhere = createServer((_, response) => {
  response.setHeader('Content-Type', 'text/html')
  response.end(PAGE)
})
let port = 0

beforeAll(async () => {
  port = await freePort()
  elsewhere.listen(port)
  await once(elsewhere, 'listening')
})
afterAll(() => elsewhere.close())

/** Sends a request from the page, and compares what it may read with what went over the wire. */
async function send(page: Page, method: string, path: string, body?: object, extra: object = {}) {
  const headers = {
    Authorization: `Bearer ${await developmentToken('somebody')}`,
    'X-Request-Id': 'from-a-page',
    ...(body && { 'Content-Type': 'application/json' }),
    ...extra,
  }
  const init = JSON.stringify({ method, headers, ...(body && { body: JSON.stringify(body) }) })
  const arrived = page.waitForResponse((response) => response.request().method() === method, {
    timeout: 5_000,
  })
  const onTheWire: Promise<Record<string, string>> = arrived.then(
    (response) => response.allHeaders(),
    () => ({}),
  )
  const seen: Seen = await page.evaluate(`send(${JSON.stringify(chromium.url + path)}, ${init})`)
  const nothing: Record<string, string> = {}
  return { seen, sent: seen.refused ? nothing : await onTheWire }
}

/** Headers that are for the browser, not for scripts. */
const NOT_FOR_SCRIPTS = new Set(['set-cookie', 'content-disposition'])
const EXPOSED = Object.keys(document.components.headers)
  .map((name) => name.toLowerCase())
  .filter((name) => !NOT_FOR_SCRIPTS.has(name))

test('a page of an allowed origin uses every verb with credentials, and reads every header of the contract', async () => {
  const origin = `http://localhost:${port}`
  const { page, faults, close } = await chromium.open(origin, {}, [origin, chromium.url])
  const read = new Set<string>()
  const ask = async (...request: [method: string, path: string, body?: object, extra?: object]) => {
    const { seen, sent } = await send(page, ...request)
    expect(seen.refused, `${request[0]} ${request[1]}`).toBeUndefined()
    for (const name of EXPOSED.filter((each) => each in sent)) {
      expect([name, seen.headers?.[name]]).toEqual([name, sent[name]])
      read.add(name)
    }
    return { ...seen, body: seen.text ? JSON.parse(seen.text) : undefined }
  }
  const key = { 'Idempotency-Key': 'one' }
  const created = await ask('POST', '/api/me/tasks', { title: 'One' }, key)
  expect(created.status).toBe(201)
  expect((await ask('POST', '/api/me/tasks', { title: 'One' }, key)).headers).toHaveProperty(
    'idempotent-replayed',
    'true',
  )
  await ask('POST', '/api/me/tasks', { title: 'Two' }, { Prefer: 'return=minimal' })
  const path = created.headers?.location ?? ''
  const bookmark = { 'x-d1-bookmark': '00000001-00000000-00000001-0123456789abcdef0123456789abcdef' }
  expect((await ask('GET', path, undefined, { ...bookmark, 'If-None-Match': '"1"' })).status).toBe(200)
  expect((await ask('GET', '/api/me/tasks?limit=1')).headers).toHaveProperty('link')
  const match = { 'If-Match': created.headers?.etag }
  const replaced = await ask('PUT', path, { title: 'Three' }, match)
  expect(replaced.status).toBe(200)
  expect((await ask('PATCH', path, { title: 'Four' }, match)).status).toBe(412)
  expect((await ask('PATCH', path, { title: 'Four' }, { 'If-Match': replaced.headers?.etag })).status).toBe(
    200,
  )
  expect((await ask('DELETE', path)).status).toBe(204)
  expect((await ask('GET', '/api/me/tasks', undefined, { Authorization: '' })).status).toBe(401)
  expect((await ask('POST', '/health')).status).toBe(405)
  // All but those of a service in trouble, and the bookmark, which comes with READ_REPLICAS.
  const absent = ['x-d1-bookmark', 'ratelimit', 'ratelimit-policy', 'retry-after']
  expect(EXPOSED.filter((name) => !read.has(name))).toEqual(absent)
  expect(faults.filter((fault) => !/status of (401|405|412)/.test(fault))).toEqual([])
  await close()
})

test('a page of any other origin gets nothing done and nothing to read', async () => {
  const origin = `http://127.0.0.1:${port}`
  const { page, close } = await chromium.open(origin, {}, [origin, chromium.url])
  const rows = async () => {
    const headers = { Authorization: `Bearer ${await developmentToken('somebody')}` }
    return (await fetch(`${chromium.url}/api/me/projects`, { headers })).json()
  }
  const before = await rows()
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    const body = method === 'GET' || method === 'DELETE' ? undefined : { name: 'From elsewhere' }
    const { seen } = await send(page, method, '/api/me/projects', body)
    expect([method, seen]).toEqual([method, { refused: 'TypeError' }])
  }
  const plain: Seen = await page.evaluate(`send(${JSON.stringify(`${chromium.url}/health`)}, {})`)
  expect(plain).toEqual({ refused: 'TypeError' })
  expect(await rows()).toEqual(before)
  await close()
})
