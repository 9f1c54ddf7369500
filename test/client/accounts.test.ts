import { expect, test } from 'vitest'
import { createClient, type ClientOptions } from '../../client/src/index.ts'
import { tokenFor } from '../client.ts'
import { authServer } from './auth-server.ts'
import { network, newClient, type FaultOf } from './network.ts'

const someone = { email: 'someone@example.com', password: 'correct horse battery' }

/** A browser's storage that several clients, as tabs, share. */
function sharedStorage() {
  const items = new Map<string, string>()
  return {
    items,
    getItem: async (key: string) => items.get(key) ?? null,
    setItem: async (key: string, value: string) => void items.set(key, value),
    removeItem: async (key: string) => void items.delete(key),
  }
}

/** A client of the API's own accounts. */
function newVisitor(server: ReturnType<typeof authServer>, options: ClientOptions = {}, faultOf?: FaultOf) {
  const { sent, fetch } = network(
    async (request, count) => (await faultOf?.(request, count)) ?? server.answer(request),
  )
  return { sent, client: createClient({ baseUrl: 'https://api.test', fetch, backoff: 1, ...options }) }
}

function newServer(options?: { accessSeconds: number }) {
  return authServer(`user-${crypto.randomUUID()}`, options)
}

test('registering, signing in and out', async () => {
  const { client, sent } = newVisitor(newServer())
  expect(await client.register(someone)).toMatchObject({ email: someone.email })
  await expect(client.get('/tasks')).rejects.toMatchObject({ type: 'missing_credentials' })
  expect(await client.signedIn()).toBe(false)
  await client.login(someone)
  expect(await client.signedIn()).toBe(true)
  expect((await client.get('/tasks')).tasks).toEqual([])
  await client.logout()
  expect(await client.signedIn()).toBe(false)
  await expect(client.get('/tasks')).rejects.toMatchObject({ status: 401 })
  expect(sent.filter(({ url }) => url.endsWith('/refresh'))).toEqual([])
})

test('many parallel requests refresh an expired token once', async () => {
  const server = newServer({ accessSeconds: 0 })
  const { client } = newVisitor(server)
  await client.login(someone)
  const lists = await Promise.all(Array.from({ length: 20 }, () => client.get('/tasks')))
  expect(lists.map(({ count }) => count)).toEqual(Array.from({ length: 20 }, () => 0))
  expect(server.seen.refreshes).toBe(1)
})

test('many parallel requests refresh a refused token once', async () => {
  const server = newServer()
  const storage = sharedStorage()
  const { client } = newVisitor(server, { storage })
  await client.login(someone)
  for (const [key, text] of storage.items) {
    storage.items.set(key, JSON.stringify({ ...JSON.parse(text), access_token: 'spoilt' }))
  }
  await Promise.all(Array.from({ length: 20 }, () => client.post('/tasks', { body: { title: 'One' } })))
  expect(server.seen.refreshes).toBe(1)
  expect((await client.get('/tasks')).count).toBe(20)
})

test('a tab goes on with the token that another tab has refreshed', async () => {
  const server = newServer()
  const storage = sharedStorage()
  const [one, other] = [newVisitor(server, { storage }), newVisitor(server, { storage })]
  await one.client.login(someone)
  expect((await other.client.get('/tasks')).count).toBe(0)
  expect(server.seen.refreshes).toBe(0)
})

test('a refresh whose answer was lost is asked for again', async () => {
  const server = newServer({ accessSeconds: 0 })
  const { client } = newVisitor(server, {}, async (request) => {
    if (!request.url.endsWith('/refresh') || server.seen.refreshes > 0) return undefined
    await server.answer(request)
    return 'lost request'
  })
  await client.login(someone)
  expect((await client.get('/tasks')).count).toBe(0)
  expect(server.seen.refreshes).toBe(2)
})

test('a refused refresh signs out, and says so once', async () => {
  const server = newServer({ accessSeconds: 0 })
  let told = 0
  const { client } = newVisitor(server, { onSignedOut: () => (told += 1) })
  await client.login(someone)
  server.end()
  const refused = await Promise.allSettled(Array.from({ length: 5 }, () => client.get('/tasks')))
  expect(refused.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'rejected'))
  expect([told, server.seen.refreshes, await client.signedIn()]).toEqual([1, 1, false])
})

test('a refresh that the network swallows does not sign out', async () => {
  const server = newServer({ accessSeconds: 0 })
  let away = true
  const { client } = newVisitor(server, { retries: 1 }, (request) =>
    away && request.url.endsWith('/refresh') ? 'lost request' : undefined,
  )
  await client.login(someone)
  await expect(client.get('/tasks')).rejects.toMatchObject({ name: 'OfflineError' })
  away = false
  expect((await client.get('/tasks')).count).toBe(0)
})

test('with cookies it keeps no token and refreshes without a body', async () => {
  const server = newServer()
  const storage = sharedStorage()
  const { client, sent } = newVisitor(server, { storage, cookies: true }, async (request) =>
    request.url.endsWith('/refresh') ? Response.json({}) : undefined,
  )
  await client.login(someone)
  await expect(client.get('/tasks')).rejects.toMatchObject({ status: 401 })
  expect(storage.items.size).toBe(0)
  expect(
    sent.map(({ method, url, body }) => [method, url.replace('https://api.test', ''), body === null]),
  ).toEqual([
    ['POST', '/api/auth/login?cookie=true', false],
    ['GET', '/api/v1/me/tasks', true],
    ['POST', '/api/auth/refresh', true],
    ['GET', '/api/v1/me/tasks', true],
  ])
})

test('a token from outside is asked for again when it is refused', async () => {
  const id = `user-${crypto.randomUUID()}`
  const good = await tokenFor(id)
  const asked: (string | undefined)[] = []
  const token = (refused?: string) => {
    asked.push(refused)
    return refused ? good : 'spoilt'
  }
  const { client } = await newClient(undefined, { id, token })
  expect((await client.get('/tasks')).count).toBe(0)
  expect(asked).toEqual([undefined, 'spoilt'])
})
