import { expect, expectTypeOf, test } from 'vitest'
import { OfflineError, ProblemError, type components } from '../../client/src/index.ts'
import { newId } from '../client.ts'
import { countOf } from '../stored.ts'
import { newClient, type Fault } from './network.ts'

const title = 'Water the plants'

function busy(status: number, headers: Record<string, string> = {}): Response {
  return new Response(null, { status, headers })
}

/** Faults for the first requests, in order. */
function first(...faults: Fault[]) {
  return (_: Request, count: number) => faults[count]
}

test('an operation resolves to its row, typed', async () => {
  const { client } = await newClient()
  const task = await client.post('/tasks', { body: { title } })
  expectTypeOf(task).toEqualTypeOf<components['schemas']['Task']>()
  expect(task.title).toBe(title)
  const path = { id: task.id }
  expect(await client.get('/tasks/{id}', { params: { path } })).toEqual(task)
  expect(await client.patch('/tasks/{id}/complete', { params: { path } })).toMatchObject({ completed: true })
  expect(await client.delete('/tasks/{id}', { params: { path } })).toBeUndefined()
  expect(await client.post('/tasks/{id}/restore', { params: { path } })).toMatchObject({ completed: true })
})

test('a path, parameter or field that the API does not have is a compile error', async () => {
  const { client } = await newClient()
  const wrong = [
    // @ts-expect-error no such path
    () => client.get('/taks'),
    // @ts-expect-error a body is required
    () => client.post('/tasks'),
    // @ts-expect-error no such field
    () => client.post('/tasks', { body: { titel: title } }),
    // @ts-expect-error no such parameter
    () => client.get('/tasks', { params: { query: { statsu: 'pending' } } }),
    // @ts-expect-error no such option
    () => client.get('/tasks', { parms: {} }),
    // @ts-expect-error not a list
    () => client.list('/tasks/{id}', { params: { path: { id: newId() } } }),
  ]
  expect(wrong).toHaveLength(6)
})

test.each<Fault>(['lost request', 'lost answer', busy(429), busy(503), busy(504)])(
  'a POST that meets %s is sent again and leaves one row',
  async (fault) => {
    const { client, user, sent } = await newClient(first(fault, fault))
    const task = await client.post('/tasks', { body: { title } })
    expect(sent).toHaveLength(3)
    expect(new Set(sent.map(({ headers }) => headers.get('Idempotency-Key'))).size).toBe(1)
    expect(await countOf(user.id)).toBe(1)
    expect(await client.get('/tasks/{id}', { params: { path: { id: task.id } } })).toEqual(task)
  },
)

test('two POSTs have two keys, and the caller may bring its own', async () => {
  const { client, sent } = await newClient()
  await client.post('/tasks', { body: { title } })
  await client.post('/tasks', { body: { title } })
  await client.post('/tasks', { body: { title }, params: { header: { 'Idempotency-Key': 'mine' } } })
  const keys = sent.map(({ headers }) => headers.get('Idempotency-Key'))
  expect(new Set(keys).size).toBe(3)
  expect(keys[2]).toBe('mine')
})

test('it gives up after so many tries, with what the server said or that it said nothing', async () => {
  const away = await newClient(() => 'lost request', { retries: 2 })
  const offline = await away.client.get('/tasks').catch((error: unknown) => error)
  expect(offline).toBeInstanceOf(OfflineError)
  expect(away.sent).toHaveLength(3)
  const down = await newClient(() => busy(503), { retries: 1 })
  await expect(down.client.get('/tasks')).rejects.toMatchObject({
    name: 'ProblemError',
    status: 503,
    type: 'about:blank',
  })
  expect(down.sent).toHaveLength(2)
})

test('it waits as Retry-After says, and leaves a long wait to the caller', async () => {
  const soon = await newClient(first(busy(503, { 'Retry-After': '30' })))
  const patience = { signal: AbortSignal.timeout(100) }
  await expect(soon.client.get('/tasks', patience)).rejects.toMatchObject({ name: 'TimeoutError' })
  const date = new Date(Date.now() + 3_600_000).toUTCString()
  for (const later of ['31', date]) {
    const late = await newClient(first(busy(429, { 'Retry-After': later })))
    await expect(late.client.get('/tasks')).rejects.toMatchObject({ status: 429 })
    expect([soon.sent.length, late.sent.length]).toEqual([1, 1])
  }
})

test('a signal ends the wait', async () => {
  const { client, sent } = await newClient(() => 'lost request', { backoff: 1e9 })
  const controller = new AbortController()
  const request = client.get('/tasks', { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('enough')), 20)
  await expect(request).rejects.toThrow('enough')
  expect(sent).toHaveLength(1)
})

test('a toggle of a row not seen is not sent again when it may have been done', async () => {
  const { client, user } = await newClient(first('lost answer'))
  const { body } = await user.call('POST', '/tasks', { title })
  const params = { path: { id: body.id } }
  await expect(client.patch('/tasks/{id}/complete', { params })).rejects.toBeInstanceOf(OfflineError)
  expect((await client.get('/tasks/{id}', { params })).completed).toBe(true)
})

test('a lost answer to a change or deletion of a seen row is no conflict with oneself', async () => {
  const { client } = await newClient((request, count) =>
    ['PATCH', 'DELETE'].includes(request.method) && [1, 4].includes(count) ? 'lost answer' : undefined,
  )
  const { id, revision } = await client.post('/tasks', { body: { title } })
  const params = { path: { id } }
  const changed = await client.patch('/tasks/{id}', { params, body: { title: 'Done', tags: ['a'] } })
  expect(changed).toMatchObject({ title: 'Done', tags: ['a'] })
  expect(changed.revision).toBeGreaterThan(revision)
  await client.delete('/tasks/{id}', { params })
  await expect(client.get('/tasks/{id}', { params })).rejects.toMatchObject({ type: 'row_not_found' })
})

test('what was last seen goes as If-Match, so that a change somebody else made meanwhile is not lost', async () => {
  const { client, user } = await newClient()
  for await (const task of client.list('/tasks')) expect(task).toBeUndefined()
  await user.call('POST', '/tasks', { title })
  const [task] = (await client.get('/tasks')).tasks
  const { body } = await user.call('PATCH', `/tasks/${task?.id}`, { title: 'Theirs' })
  const params = { path: { id: String(task?.id) } }
  const stale = await client
    .patch('/tasks/{id}', { params, body: { title: 'Mine' } })
    .catch((error: unknown) => error)
  expect(stale).toBeInstanceOf(ProblemError)
  expect(stale).toMatchObject({ type: 'stale_revision', status: 412, etag: `"${body.revision}"` })
  // `*` overwrites anything; a fresh read continues from the current row.
  const forced = client.patch('/tasks/{id}', {
    params,
    body: { title: 'Mine' },
    headers: { 'If-Match': '*' },
  })
  expect((await forced).title).toBe('Mine')
  expect((await client.put('/tasks/{id}', { params, body: { title: 'Again' } })).title).toBe('Again')
})

test('each request carries the latest bookmark', async () => {
  const bookmark = '00000001-00000000-00000001-0123456789abcdef0123456789abcdef'
  const headers = { 'Content-Type': 'application/json', 'x-d1-bookmark': bookmark }
  const { client, sent } = await newClient(first(new Response('{}', { headers })))
  await client.get('/tasks')
  await client.get('/tasks')
  await client.get('/tasks')
  expect(sent.map((request) => request.headers.get('x-d1-bookmark'))).toEqual([null, bookmark, bookmark])
})

test('a problem says what is wrong, where, and what to quote', async () => {
  const { client } = await newClient()
  const refused = await client.post('/tasks', { body: { title: '' } }).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(ProblemError)
  expect(refused).toMatchObject({
    type: 'invalid_body',
    status: 422,
    errors: [{ path: 'title', code: expect.any(String), message: expect.any(String) }],
    requestId: expect.stringMatching(/./),
  })
  const operations = [
    { op: 'create' as const, data: { title } },
    { op: 'delete' as const, id: newId() },
  ]
  await expect(client.post('/tasks/bulk', { body: { operations } })).rejects.toMatchObject({
    index: 1,
    status: 404,
  })
})

test('a list is iterated over page by page', async () => {
  const { client, sent } = await newClient()
  const operations = Array.from({ length: 25 }, (_, at) => ({
    op: 'create' as const,
    data: { title: `Task ${at}` },
  }))
  await client.post('/tasks/bulk', { body: { operations } })
  const titles: string[] = []
  const query = { limit: 10, sort: 'title' as const, offset: 2 }
  for await (const task of client.list('/tasks', { params: { query } })) titles.push(task.title)
  expect(titles).toEqual(
    operations
      .map(({ data }) => data.title)
      .toSorted()
      .slice(2),
  )
  expect(sent.filter(({ method }) => method === 'GET')).toHaveLength(3)
})
