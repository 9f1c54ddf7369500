import { expect, test } from 'vitest'
import { newId, newUser, type Answer, type Json } from './client.ts'
import type { User } from './collection.ts'
import { countOf, problemOf, storedBy } from './stored.ts'

async function created(user: User, fields: Json = {}): Promise<Json> {
  const { status, body, text } = await user.call('POST', '/tasks', { title: 'One', ...fields })
  expect(status, text).toBe(201)
  return body
}

function atOnce(count: number, request: (number: number) => Promise<Answer>): Promise<Answer[]> {
  return Promise.all(Array.from({ length: count }, (_, number) => request(number)))
}

/** How many answers there are of each status and problem. */
function tally(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const answer of answers) {
    const [status, type] = problemOf(answer)
    const name = type ? `${status} ${type}` : String(status)
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

async function stored(user: User, id: string): Promise<Json> {
  return (await user.call('GET', `/tasks/${id}`)).body
}

test.each(['PATCH', 'PUT'])('of 200 %s with the same If-Match exactly one wins', async (method) => {
  const user = await newUser()
  const { id, revision } = await created(user)
  const match = { 'If-Match': `"${revision}"` }
  const answers = await atOnce(200, (number) =>
    user.call(method, `/tasks/${id}`, { title: `By ${number}` }, match),
  )
  expect(tally(answers)).toEqual({ 200: 1, '412 stale_revision': 199 })
  const winner = answers.find(({ status }) => status === 200)
  expect(await stored(user, id)).toEqual(winner?.body)
  // The losers are told the revision to try again with.
  const etag = winner?.headers.get('ETag')
  expect(new Set(answers.map(({ headers }) => headers.get('ETag')))).toEqual(new Set([etag]))
})

test('200 PATCH of different fields without If-Match lose none', async () => {
  const user = await newUser()
  const { id } = await created(user)
  const fields: Json[] = [
    { title: 'Two' },
    { description: 'Two' },
    { status: 'in_progress' },
    { priority: 'high' },
    { due_date: '2026-11-20' },
    { tags: ['two'] },
  ]
  const answers = await atOnce(200, (number) =>
    user.call('PATCH', `/tasks/${id}`, fields[number % fields.length]),
  )
  expect(tally(answers)).toEqual({ 200: 200 })
  expect(await stored(user, id)).toMatchObject(Object.assign({}, ...fields))
  expect(new Set(answers.map(({ body }) => body.revision)).size).toBe(200)
})

test('200 PATCH of one field leave the one with the greatest revision', async () => {
  const user = await newUser()
  const { id } = await created(user)
  const answers = await atOnce(200, (number) => user.call('PATCH', `/tasks/${id}`, { title: `By ${number}` }))
  expect(tally(answers)).toEqual({ 200: 200 })
  const last = answers.toSorted((a, b) => b.body.revision - a.body.revision)[0]
  expect(await stored(user, id)).toEqual(last?.body)
})

test('of 100 POST with the same client-made id exactly one wins, and its row is what is stored', async () => {
  const user = await newUser()
  const id = newId()
  const answers = await atOnce(100, (number) => user.call('POST', '/tasks', { id, title: `By ${number}` }))
  expect(tally(answers)).toEqual({ 201: 1, '409 id_taken': 99 })
  expect(await countOf(user.id)).toBe(1)
  expect(await stored(user, id)).toEqual(answers.find(({ status }) => status === 201)?.body)
})

test('100 POST without an id make 100 rows with a revision each', async () => {
  const user = await newUser()
  const answers = await atOnce(100, (number) => user.call('POST', '/tasks', { title: `Task ${number}` }))
  expect(tally(answers)).toEqual({ 201: 100 })
  const { tasks = [] } = await storedBy(user.id)
  expect(new Set(tasks.map(({ revision }) => revision)).size).toBe(100)
  expect(new Set(tasks.map(({ title }) => title)).size).toBe(100)
})

test.each([100, 101])('%i toggles at once are that many flips', async (count) => {
  const user = await newUser()
  const { id } = await created(user)
  const answers = await atOnce(count, () => user.call('PATCH', `/tasks/${id}/complete`))
  expect(tally(answers)).toEqual({ 200: count })
  expect((await stored(user, id)).completed).toBe(count % 2 === 1)
  const inOrder = answers.map(({ body }) => body).toSorted((a, b) => a.revision - b.revision)
  expect(inOrder.map(({ completed }) => completed)).toEqual(inOrder.map((_, number) => number % 2 === 0))
})

test('of 100 toggles with the same If-Match exactly one flips', async () => {
  const user = await newUser()
  const { id, revision } = await created(user)
  const match = { 'If-Match': `"${revision}"` }
  const answers = await atOnce(100, () => user.call('PATCH', `/tasks/${id}/complete`, undefined, match))
  expect(tally(answers)).toEqual({ 200: 1, '412 stale_revision': 99 })
  expect((await stored(user, id)).completed).toBe(true)
})

test('of 100 DELETE exactly one deletes, and of 100 restores all find it restored once', async () => {
  const user = await newUser()
  const { id } = await created(user)
  const removals = await atOnce(100, () => user.call('DELETE', `/tasks/${id}`))
  expect(tally(removals)).toEqual({ 204: 1, '404 row_not_found': 99 })
  const restores = await atOnce(100, () => user.call('POST', `/tasks/${id}/restore`))
  expect(tally(restores)).toEqual({ 200: 100 })
  expect(new Set(restores.map(({ body }) => body.revision)).size).toBe(1)
})

test('deleting and restoring at once leave the row whole, where the last of them put it', async () => {
  const user = await newUser()
  const row = await created(user, { tags: ['kept'] })
  const answers = await atOnce(100, (number) =>
    number % 2 ? user.call('DELETE', `/tasks/${row.id}`) : user.call('POST', `/tasks/${row.id}/restore`),
  )
  const counts = tally(answers)
  expect(Object.keys(counts).filter((name) => !['200', '204', '404 row_not_found'].includes(name))).toEqual(
    [],
  )
  expect(counts['200']).toBe(50)
  const [left] = (await storedBy(user.id)).tasks ?? []
  const { body } = await user.call('POST', `/tasks/${row.id}/restore`)
  expect(body).toEqual({ ...row, revision: expect.any(Number), updated_at: expect.any(String) })
  expect(body.revision).toBeGreaterThanOrEqual(left?.revision)
})

test('creating under a parent while it is deleted leaves no child that was refused, and hides those that were not', async () => {
  const user = await newUser()
  const { id } = await created(user)
  const answers = await atOnce(60, (number) =>
    number === 30
      ? user.call('DELETE', `/tasks/${id}`)
      : user.call('POST', `/tasks/${id}/comments`, { body: `Comment ${number}` }),
  )
  const counts = tally(answers)
  expect(counts['204']).toBe(1)
  expect((counts['201'] ?? 0) + (counts['404 row_not_found'] ?? 0)).toBe(59)
  expect((await user.call('GET', `/tasks/${id}/comments`)).status).toBe(404)
  expect((await storedBy(user.id)).comments).toHaveLength(counts['201'] ?? 0)
})

test('writes of different users at once never meet', async () => {
  const users = await Promise.all(Array.from({ length: 10 }, () => newUser()))
  const id = newId()
  const answers = await atOnce(100, (number) => {
    const user = users[number % users.length] as User
    return user.call('POST', '/tasks', { id, title: user.id }, { 'Idempotency-Key': 'the-same' })
  })
  expect(tally(answers)).toEqual({ 201: 100 })
  for (const user of users) {
    const { tasks = [] } = await storedBy(user.id)
    expect(tasks.map(({ title }) => title)).toEqual([user.id])
  }
})
