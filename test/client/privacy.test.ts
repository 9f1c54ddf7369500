import { expect, test } from 'vitest'
import { createClient, OtherUserError } from '../../client/src/index.ts'
import { newUser, tokenFor } from '../client.ts'
import { countOf } from '../stored.ts'
import { newClient, network } from './network.ts'

const newName = () => `user-${crypto.randomUUID()}`

/** A token as it is when it has expired: it names its user, and is refused. */
const expiredFor = (user: string) => tokenFor(user, { exp: 1 })

/** Two users, and a client whose tokens are those of the user in `signedIn`. */
async function newTab() {
  const [ada, bob] = [await newUser(newName()), await newUser(newName())]
  const tab = { signedIn: await tokenFor(ada.id) }
  const { sent, fetch } = network()
  const client = createClient({ baseUrl: 'https://api.test', fetch, backoff: 1, token: () => tab.signedIn })
  return { ada, bob, tab, sent, client }
}

const pathsOf = (sent: Request[]) => sent.map(({ url }) => new URL(url).pathname)

test('every request names its user in the path, encoded, and none says “me”', async () => {
  const id = `ada|${crypto.randomUUID()}@home`
  const { client, sent } = await newClient(undefined, { id })
  const copy = await client.sync()
  await copy.create('tasks', { title: 'Mine' })
  await copy.sync()
  await client.get('/tasks')
  for (const path of pathsOf(sent)) expect(path).toMatch(`/api/v1/${encodeURIComponent(id)}/`)
  expect(copy.rows('tasks')).toMatchObject([{ user_id: id }])
})

test('a request that is refused is not sent again as whoever has signed in meanwhile', async () => {
  const { ada, bob, tab, sent, client } = await newTab()
  const later = await tokenFor(bob.id)
  tab.signedIn = await expiredFor(ada.id)
  const refused = createClient({
    baseUrl: 'https://api.test',
    fetch: network().fetch,
    token: (token) => (token ? later : tab.signedIn),
  })
  await expect(refused.post('/tasks', { body: { title: 'Ada’s' } })).rejects.toBeInstanceOf(OtherUserError)
  expect([await countOf(ada.id), await countOf(bob.id), sent.length]).toEqual([0, 0, 0])
  // The next request is made by the user who is signed in then.
  tab.signedIn = later
  expect(await client.post('/tasks', { body: { title: 'Bob’s' } })).toMatchObject({ user_id: bob.id })
})

test('a token that was renewed for the same user goes on with the same request', async () => {
  const id = newName()
  const [expired, fresh] = [await expiredFor(id), await tokenFor(id)]
  const { client, sent } = await newClient(undefined, { id, token: (refused) => (refused ? fresh : expired) })
  expect(await client.post('/tasks', { body: { title: 'Ada’s' } })).toMatchObject({ user_id: id })
  expect(new Set(pathsOf(sent)).size).toBe(1)
})

test('a copy waits while another user is signed in, and goes on with its own', async () => {
  const { ada, bob, tab, sent, client } = await newTab()
  const copy = await client.sync()
  await bob.call('POST', '/tasks', { title: 'Bob’s' })
  await copy.create('tasks', { title: 'Ada’s' })
  const before = tab.signedIn
  tab.signedIn = await tokenFor(bob.id)
  await expect(copy.sync()).rejects.toBeInstanceOf(OtherUserError)
  expect([sent.length, copy.pending.length]).toEqual([0, 1])
  tab.signedIn = before
  await copy.sync()
  expect(copy.rows('tasks').map(({ title, user_id }) => [title, user_id])).toEqual([['Ada’s', ada.id]])
  expect((await bob.call('GET', '/tasks')).body.count).toBe(1)
})

test('a 403 of the path is another user, and what waits stays', async () => {
  const { client, user } = await newClient(() =>
    Response.json({ type: '/docs/problems#not_your_path' }, { status: 403 }),
  )
  const copy = await client.sync()
  await copy.create('tasks', { title: 'Ada’s' })
  await expect(copy.sync()).rejects.toBeInstanceOf(OtherUserError)
  expect([copy.pending.length, await countOf(user.id)]).toEqual([1, 0])
})

test('no refusal that is not the API’s own drops what waits', async () => {
  const portal = new Response('<h1>Pay for the network</h1>', { status: 403 })
  const { client } = await newClient((_, count) => (count === 0 ? portal : undefined))
  const copy = await client.sync()
  await copy.create('tasks', { title: 'Ada’s' })
  await expect(copy.sync()).rejects.toMatchObject({ status: 403, type: 'about:blank' })
  expect(copy.pending).toHaveLength(1)
  await copy.sync()
  expect(copy.pending).toEqual([])
})

test.each([301, 302, 303, 307, 308])('a redirect (%i) is an error, and is not followed', async (status) => {
  const elsewhere = { status, headers: { Location: 'https://elsewhere.test/api/auth/refresh' } }
  const { client, sent } = await newClient(() => new Response(null, elsewhere))
  await expect(client.get('/tasks')).rejects.toMatchObject({ name: 'ProblemError', status })
  await expect(client.login({ email: 'ada@example.com', password: 'secret' })).rejects.toMatchObject({
    status,
  })
  expect(sent.map(({ url, redirect }) => [new URL(url).host, redirect])).toEqual([
    ['api.test', 'manual'],
    ['api.test', 'manual'],
  ])
})

test('an id is one segment of a path, whatever is in it', async () => {
  const { client, sent, user } = await newClient()
  const copy = await client.sync()
  const task = await client.post('/tasks', { body: { title: 'Kept' } })
  const params = (id: string) => ({ params: { path: { id } } })
  for (const id of ['..', '.', '']) {
    await expect(client.delete('/tasks/{id}', params(id))).rejects.toThrow(TypeError)
    await expect(client.endSession(id)).rejects.toThrow(TypeError)
  }
  for (const id of ['../..', `${task.id}/complete`, `${task.id}?x`, '%2e%2e']) {
    await expect(client.patch('/tasks/{id}/complete', params(id))).rejects.toMatchObject({ status: 404 })
    await expect(client.endSession(id)).rejects.toMatchObject({ status: 404 })
    await copy.delete('tasks', id)
  }
  await copy.sync()
  expect(copy.pending).toEqual([])
  for (const path of pathsOf(sent)) expect(path.split('/').length).toBeLessThanOrEqual(7)
  expect((await user.call('GET', `/tasks/${task.id}`)).body).toEqual(task)
})

test('an empty If-Match, which would get lost on the way, is never sent', async () => {
  const { client, sent } = await newClient()
  const { id } = await client.post('/tasks', { body: { title: 'Mine' } })
  const given = { params: { path: { id } }, body: { title: 'Anybody’s' }, headers: { 'If-Match': '' } }
  await expect(client.patch('/tasks/{id}', given)).rejects.toThrow('If-Match is empty')
  expect(sent).toHaveLength(1)
})
