import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { createApp } from '../src/app.ts'
import { resources, verbs } from '../src/resources/index.ts'
import { newUser } from './client.ts'

const app = createApp(resources, verbs)

/** Sends a request and tells where its D1 sessions started, and with which bookmark it was answered. */
async function startOf(
  authorization: Record<string, string>,
  method: string,
  path: string,
  bookmark?: string,
  READ_REPLICAS = 'on',
) {
  const starts: unknown[] = []
  const DB = new Proxy(env.DB, {
    get(target, property) {
      if (property === 'withSession') {
        return (start: string) => {
          starts.push(start)
          return target.withSession(start)
        }
      }
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const headers = {
    ...authorization,
    'Content-Type': 'application/json',
    ...(bookmark !== undefined && { 'x-d1-bookmark': bookmark }),
  }
  const body = method === 'POST' ? { body: '{"title":"a"}' } : {}
  const request = new Request(`https://api.test/api/me${path}`, { method, headers, ...body })
  const answer = await app.fetch(request, { ...env, DB, READ_REPLICAS })
  return { starts, status: answer.status, bookmark: answer.headers.get('x-d1-bookmark') ?? '' }
}

test('without replicas there is no session and no bookmark, unless one was sent', async () => {
  const { authorization } = await newUser()
  const plain = async (method: string, bookmark?: string) =>
    startOf(authorization, method, '/tasks', bookmark, 'off')
  expect(await plain('GET')).toEqual({ starts: [], status: 200, bookmark: '' })
  expect(await plain('POST')).toEqual({ starts: [], status: 201, bookmark: '' })
  expect(await plain('GET', 'nonsense')).toEqual({ starts: [], status: 200, bookmark: '' })
  const { bookmark } = await startOf(authorization, 'POST', '/tasks')
  expect(await plain('GET', bookmark)).toEqual({ starts: [bookmark], status: 200, bookmark: '' })
})

test('without a bookmark a read may go to any replica, and a write goes to the primary', async () => {
  const { authorization } = await newUser()
  expect((await startOf(authorization, 'GET', '/tasks')).starts).toEqual(['first-unconstrained'])
  expect((await startOf(authorization, 'GET', '/changes')).starts).toEqual(['first-unconstrained'])
  expect((await startOf(authorization, 'POST', '/tasks')).starts).toEqual(['first-primary'])
})

test('a bookmark that an answer carried is where the next session starts, for reads and writes', async () => {
  const { authorization } = await newUser()
  const written = await startOf(authorization, 'POST', '/tasks')
  expect(written.bookmark).toMatch(/^[\da-f]{8}-[\da-f]{8}-[\da-f]{8}-[\da-f]{32}$/)
  for (const [method, path] of [
    ['GET', '/tasks'],
    ['POST', '/tasks'],
  ] as const) {
    const next = await startOf(authorization, method, path, written.bookmark)
    expect([next.starts, next.status < 300]).toEqual([[written.bookmark], true])
    expect(next.bookmark >= written.bookmark).toBe(true)
  }
})

test('a malformed bookmark is ignored in favour of the primary', async () => {
  const { authorization } = await newUser()
  for (const malformed of ['nonsense', 'first-unconstrained', `${'0'.repeat(8)}-`, "';--"]) {
    const { starts, status } = await startOf(authorization, 'GET', '/tasks', malformed)
    expect([malformed, starts, status]).toEqual([malformed, ['first-primary'], 200])
  }
})

test('an answer that did not touch the database carries no bookmark, and one that failed in it does', async () => {
  const { authorization } = await newUser()
  expect(await startOf(authorization, 'GET', '/tasks?limit=0')).toMatchObject({ status: 422, bookmark: '' })
  const missing = await startOf(authorization, 'GET', '/tasks/019a0000-0000-7000-8000-000000000001')
  expect(missing).toMatchObject({ status: 404, bookmark: expect.stringContaining('-') })
})
