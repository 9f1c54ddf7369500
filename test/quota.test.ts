import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { createApp } from '../src/app.ts'
import { resources, verbs } from '../src/resources/index.ts'
import { answerOf, newId, newUser, requestOf, type Answer } from './client.ts'
import { ask } from './rows.ts'

const app = createApp(resources, verbs)

afterEach(() => {
  vi.restoreAllMocks()
})

/** A new user of a deployment with this quota. */
async function userWithin(QUOTA_ROWS: string) {
  const { id, authorization } = await newUser()
  const settings = { ...env, QUOTA_ROWS, ENVIRONMENT: 'development', RATE_LIMITS: 'off' }
  const call = async (method: string, path: string, body?: unknown, headers = {}): Promise<Answer> => {
    const parts = { body, headers: { ...authorization, ...headers } }
    return answerOf(await app.fetch(requestOf(method, `/api/me${path}`, parts), settings))
  }
  return {
    id,
    call,
    create: (title = 'One', headers = {}) => call('POST', '/tasks', { title }, headers),
    bulk: (...operations: object[]) => call('POST', '/tasks/bulk', { operations }),
  }
}

/** So many tasks of a user, as if created long ago. */
async function fill(userId: string, rows: number): Promise<void> {
  await ask(
    userId,
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
    INSERT INTO tasks (id, user_id, title, tags, revision, created_at, updated_at)
    SELECT printf('00000000-0000-7000-8000-%012x', i), ?1, 'Task', '[]', i, '2026-11-20T00:00:00.000Z', '2026-11-20T00:00:00.000Z' FROM n`,
    userId,
    rows,
  )
}

const creating = { op: 'create', data: { title: 'One' } }

test('of a storm of creates as many succeed as the quota allows, in each collection and for each user', async () => {
  const ada = await userWithin('20')
  const answers = await Promise.all(Array.from({ length: 50 }, () => ada.create()))
  const refused = answers.filter(({ status }) => status !== 201)
  expect(answers.length - refused.length).toBe(20)
  for (const { status, body } of refused) {
    expect([status, body.type]).toEqual([403, '/docs/problems#quota_exceeded'])
  }
  expect((await ada.call('POST', '/projects', { name: 'One' })).status).toBe(201)
  expect((await (await userWithin('20')).create()).status).toBe(201)
})

test('deleting makes room, and restoring takes it again', async () => {
  const ada = await userWithin('2')
  const [one, two] = [await ada.create(), await ada.create()]
  expect((await ada.create()).status).toBe(403)
  await ada.call('DELETE', `/tasks/${one.body.id}`)
  expect((await ada.call('POST', `/tasks/${one.body.id}/restore`)).status).toBe(200)
  await ada.call('DELETE', `/tasks/${one.body.id}`)
  expect((await ada.create()).status).toBe(201)
  const restored = await ada.call('POST', `/tasks/${one.body.id}/restore`)
  expect([restored.status, restored.body.type]).toEqual([403, '/docs/problems#quota_exceeded'])
  expect((await ada.call('POST', `/tasks/${two.body.id}/restore`)).status).toBe(200)
})

test('the trash may hold as many rows again, so that creating and deleting comes to an end', async () => {
  const ada = await userWithin('3')
  let created = 0
  for (let last = await ada.create(); last.status === 201; last = await ada.create()) {
    created += 1
    await ada.call('DELETE', `/tasks/${last.body.id}`)
  }
  expect(created).toBe(6)
})

test('a bulk that goes beyond the quota does nothing, and names the operation that would', async () => {
  const ada = await userWithin('3')
  const { body } = await ada.create()
  const patched = { op: 'update', id: body.id, data: { title: 'Two' } }
  const refused = await ada.bulk(creating, patched, creating, creating, creating)
  expect([refused.status, refused.body.type, refused.body.index]).toEqual([
    403,
    '/docs/problems#quota_exceeded',
    3,
  ])
  expect((await ada.call('GET', '/tasks')).body.tasks).toEqual([body])
  expect((await ada.bulk(creating, patched, creating)).status).toBe(200)
  expect((await ada.bulk(patched)).status).toBe(200)
})

test('a request that is sent again under its key is answered also when the quota is reached', async () => {
  const ada = await userWithin('1')
  const headers = { 'Idempotency-Key': newId() }
  const first = await ada.create('One', headers)
  const again = await ada.create('One', headers)
  expect([again.status, again.body]).toEqual([201, first.body])
  const refused = await ada.create('Two', { 'Idempotency-Key': newId() })
  expect(refused.status).toBe(403)
})

test('of a quota of thousands, that most creates never look at, no more than 5 % are missed', async () => {
  const ada = await userWithin('2000')
  await fill(ada.id, 1795)
  let rows = 1795
  while ((await ada.bulk(...Array.from({ length: 5 }, () => creating))).status === 200) rows += 5
  expect(rows).toBeGreaterThanOrEqual(1995)
  expect(rows).toBeLessThanOrEqual(2100)
})

test('a quota that was lowered holds for those who are beyond it, and 0 is none', async () => {
  const ada = await userWithin('5')
  await fill(ada.id, 300)
  expect((await ada.create()).status).toBe(403)
  const other = await userWithin('0')
  await fill(other.id, 300)
  expect((await other.create()).status).toBe(201)
})

test('a create far from the quota writes what it did without one', async () => {
  const costs = []
  for (const [quota, random] of [
    ['0', 0.5],
    ['100000', 0.5],
    ['100000', 0],
  ] as const) {
    vi.spyOn(Math, 'random').mockReturnValue(random)
    const ada = await userWithin(quota)
    await fill(ada.id, 1000)
    const { headers } = await ada.create()
    costs.push([Number(headers.get('x-d1-rows-read')), Number(headers.get('x-d1-rows-written'))])
  }
  const [[read = 0, written = 0] = []] = costs
  // One in hundreds counts the rows.
  expect(costs).toEqual([
    [read, written],
    [read, written],
    [expect.any(Number), written],
  ])
  expect(costs[2]?.[0]).toBeGreaterThan(1000)
})
