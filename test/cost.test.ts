import { beforeAll, describe, expect, test } from 'vitest'
import { newId, newUser, type Answer, type Json } from './client.ts'
import type { User } from './collection.ts'
import { recordedApp } from './recorder.ts'
import { ask, askAll } from './rows.ts'

// What an operation costs must not depend on how many rows there are: 10 000 in the user's own partition, 100 000 in all.
const PARTITION = 10_000
const OTHERS = 9

const app = recordedApp()
let user: User

beforeAll(async () => {
  user = await newUser()
  const users = [user.id, ...Array.from({ length: OTHERS }, () => `other-${crypto.randomUUID()}`)]
  for (const id of users) await ask(id, FILL, id, PARTITION)
})

/** One row a millisecond, every tenth of them in the trash. */
const FILL = `
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
  INSERT INTO tasks (id, user_id, title, status, priority, due_date, tags, revision, created_at, updated_at, deleted_at)
  SELECT printf('%08x-0000-7000-8000-%012x', 26000000 + i, i), ?1, 'Task ' || i,
    CASE i % 3 WHEN 0 THEN 'pending' WHEN 1 THEN 'in_progress' ELSE 'completed' END, 'low',
    CASE i % 2 WHEN 0 THEN '2026-11-20' END, '["tag' || (i % 7) || '"]', i,
    '2026-11-20T00:00:00.000Z', '2026-11-20T00:00:00.000Z', CASE i % 10 WHEN 0 THEN '2026-11-20T00:00:00.000Z' END
  FROM n`

/** Sends a request and says what it cost, by D1's own count and by what passed through the binding. */
async function costOf(method: string, path: string, body?: unknown, headers?: Record<string, string>) {
  const answer = await app.fetch(method, `/api/me${path}`, body, { ...user.authorization, ...headers })
  const trips = app.taken()
  const statements = trips.flat()
  // What the guard of a token without a session costs is the same for all: a statement, and before a write a row.
  const guards = statements.filter(({ sql }) => sql.includes('erased_users'))
  const asserted = guards.filter(({ sql }) => sql.startsWith('INSERT'))
  return {
    answer,
    status: answer.status,
    roundTrips: trips.length,
    statements: statements.length - guards.length,
    read: Number(answer.headers.get('x-d1-rows-read')) - asserted.length,
    written: Number(answer.headers.get('x-d1-rows-written')),
  }
}

async function created(): Promise<Json> {
  return (await costOf('POST', '/tasks', { title: 'One' })).answer.body
}

function lastOf({ body }: Answer): Json {
  return body.tasks.at(-1)
}

describe('with 10 000 rows of the user and 100 000 in the table', () => {
  test('the table is as full as that', async () => {
    const counts = await askAll<{ n: number }>('SELECT count(*) AS n FROM tasks')
    expect(counts.reduce((sum, { n }) => sum + n, 0)).toBeGreaterThanOrEqual(PARTITION * (OTHERS + 1))
  })

  test('create reads at most 3 rows and writes 2, in one statement beside that of the quota', async () => {
    const cost = await costOf('POST', '/tasks', { title: 'One', tags: ['a'], priority: 'high' })
    expect(cost).toMatchObject({ status: 201, roundTrips: 1, statements: 2, written: 2 })
    expect(cost.read).toBeLessThanOrEqual(3)
  })

  test('get reads 1 row', async () => {
    const { id, revision } = await created()
    const one = { roundTrips: 1, statements: 1, read: 1, written: 0 }
    expect(await costOf('GET', `/tasks/${id}`)).toMatchObject({ status: 200, ...one })
    const known = await costOf('GET', `/tasks/${id}`, undefined, { 'If-None-Match': `"${revision}"` })
    expect(known).toMatchObject({ status: 304, ...one })
  })

  test.each(['PUT', 'PATCH', 'complete'])(
    '%s reads at most 3 rows and writes 2, in one statement',
    async (method) => {
      const { id } = await created()
      const cost =
        method === 'complete'
          ? await costOf('PATCH', `/tasks/${id}/complete`)
          : await costOf(method, `/tasks/${id}`, { title: 'Two', status: 'completed' })
      expect(cost).toMatchObject({ status: 200, roundTrips: 1, statements: 1, written: 2 })
      expect(cost.read).toBeLessThanOrEqual(3)
    },
  )

  test('If-Match adds a statement to the same round trip, and reads 2 rows more', async () => {
    const { id, revision } = await created()
    const cost = await costOf('PATCH', `/tasks/${id}`, { title: 'Two' }, { 'If-Match': `"${revision}"` })
    expect(cost).toMatchObject({ status: 200, roundTrips: 1, statements: 2, written: 2 })
    // The list of tags counts as a row, too.
    expect(cost.read).toBeLessThanOrEqual(5)
  })

  test('delete reads and writes at most 3 rows', async () => {
    const { id } = await created()
    const cost = await costOf('DELETE', `/tasks/${id}`)
    expect(cost).toMatchObject({ status: 204, roundTrips: 1, statements: 1 })
    expect(cost.read).toBeLessThanOrEqual(3)
    expect(cost.written).toBeLessThanOrEqual(3)
  })

  test.each([1, 20, 100])('the newest page of %d reads at most 2 rows more than it has', async (limit) => {
    // The newest rows of all, so that none of the trash lies between them.
    for (let at = 0; at < 3; at += 1) await created()
    const first = await costOf('GET', `/tasks?limit=${limit}`)
    expect(first).toMatchObject({ status: 200, roundTrips: 1, statements: 1, written: 0 })
    const between = trashedAmong(first.answer.body.tasks)
    expect(first.read - between).toBeLessThanOrEqual(limit + 2)
  })

  test('a page deep in the list costs what the first one costs', async () => {
    let { answer } = await costOf('GET', '/tasks?limit=100')
    for (let page = 2; page <= 60; page += 1) {
      const cost = await costOf('GET', `/tasks?limit=100&cursor=${answer.body.next_cursor}`)
      expect(cost).toMatchObject({ status: 200, roundTrips: 1, statements: 1, written: 0 })
      const span = numberOf(lastOf(answer)) - numberOf(lastOf(cost.answer))
      // A page is a range of the key: the trash inside it is read and passed over.
      expect(cost.read).toBeLessThanOrEqual(Math.max(span, 100) + 2 + 1)
      answer = cost.answer
    }
  })

  /** The rows of the trash between the filled ones of a page: every tenth. */
  function trashedAmong(rows: readonly Json[]): number {
    const numbers = rows.map(numberOf).filter((number) => number > 0)
    const [newest = 0, oldest = 0] = [numbers.at(0), numbers.at(-1)]
    return Math.floor(newest / 10) - Math.floor((oldest - 1) / 10) + 1
  }

  function numberOf({ title }: Json): number {
    return Number(/^Task (\d+)$/.exec(title)?.[1] ?? 0)
  }

  test.each([
    '?total=true&limit=1',
    '?status=completed',
    '?status=completed&total=true',
    '?priority=high',
    '?tag=tag3&limit=100',
    '?due_before=2026-11-20&due_after=2026-11-20',
    '?q=nothing%20like%20it',
    '?sort=title',
    '?sort=-due_date&status=pending&total=true',
    '?offset=5000&limit=100',
    '?trashed=true&total=true',
  ])('%s reads at most the rows of the user for each statement', async (query) => {
    const cost = await costOf('GET', `/tasks${query}`)
    expect(cost).toMatchObject({ status: 200, roundTrips: 1, written: 0 })
    expect(cost.statements).toBe(query.includes('total') ? 2 : 1)
    // D1 counts a row again when it is sorted, and each tag that a filter looks at; there is one tag a row.
    const again = /sort=|tag=/.test(query) ? PARTITION : 0
    expect(cost.read).toBeLessThanOrEqual((PARTITION + 100) * cost.statements + again)
  })

  test('a write that is refused or finds no row writes nothing, and a request that is invalid costs nothing', async () => {
    const { id } = await created()
    const missing = newId()
    const stale = { 'If-Match': '"1"' }
    const body = { title: 'Two' }
    const found: [string, string, unknown, Record<string, string>?][] = [
      ['PUT', `/tasks/${missing}`, body],
      ['PATCH', `/tasks/${missing}`, body],
      ['PATCH', `/tasks/${missing}/complete`, undefined],
      ['DELETE', `/tasks/${missing}`, undefined],
      ['PUT', `/tasks/${id}`, body, stale],
      ['PATCH', `/tasks/${id}`, body, stale],
      ['PATCH', `/tasks/${id}/complete`, undefined, stale],
      ['DELETE', `/tasks/${id}`, undefined, stale],
    ]
    for (const [method, path, sent, headers] of found) {
      const cost = await costOf(method, path, sent, headers)
      expect(cost).toMatchObject({ status: headers ? 412 : 404, roundTrips: 1, written: 0 })
      expect(cost.read).toBeLessThanOrEqual(headers ? 4 : 1)
    }
    expect(await costOf('POST', '/tasks', { ...body, id })).toMatchObject({
      status: 409,
      roundTrips: 1,
      written: 0,
    })

    const free = { roundTrips: 0, read: 0, written: 0 }
    expect(await costOf('GET', '/tasks/not-an-id')).toMatchObject({ status: 404, ...free })
    expect(await costOf('POST', '/tasks', {})).toMatchObject({ status: 422, ...free })
    expect(await costOf('PATCH', `/tasks/${id}`, {})).toMatchObject({ status: 400, ...free })
    expect(await costOf('GET', '/tasks?limit=0')).toMatchObject({ status: 422, ...free })
    expect(await costOf('GET', '/tasks?cursor=x')).toMatchObject({ status: 422, ...free })
    expect(await costOf('PROPFIND', '/tasks')).toMatchObject({ status: 405, ...free })
  })

  test('a batch that fails stores nothing of it', async () => {
    const { id } = await created()
    await costOf('POST', '/tasks', { title: 'Two', id })
    expect((await costOf('GET', `/tasks/${id}`)).answer.body.title).toBe('One')
  })
})

test('a malformed stored row takes down neither a list nor a filter, and can be read and repaired', async () => {
  const owner = await newUser()
  const sound = (await owner.call('POST', '/tasks', { title: 'Sound', tags: ['a'] })).body
  for (const tags of ['not json', '{', '', '[1', 'null', '7', '"a"', '{"a":1}', '[1,null,[]]']) {
    const { id } = (await owner.call('POST', '/tasks', { title: 'Broken', tags: ['a'] })).body
    await ask(owner.id, 'UPDATE tasks SET tags = ? WHERE user_id = ? AND id = ?', tags, owner.id, id)
    for (const query of ['', '?sort=title', '?q=o', '?total=true', '?status=pending']) {
      const { status, body } = await owner.call('GET', `/tasks${query}`)
      expect(status, tags).toBe(200)
      const found = body.tasks.map((task: Json) => task.id)
      expect(found, `${tags} ${query}`).toEqual(expect.arrayContaining([id, sound.id]))
    }
    expect((await owner.call('GET', '/tasks?tag=a')).body.tasks.map((task: Json) => task.id)).toContain(
      sound.id,
    )
    const read = await owner.call('GET', `/tasks/${id}`)
    expect(read.status, tags).toBe(200)
    if (!isJson(tags)) expect(read.body.tags, tags).toEqual([])
    expect((await owner.call('PATCH', `/tasks/${id}`, { tags: ['b'] })).body.tags).toEqual(['b'])
    expect((await owner.call('DELETE', `/tasks/${id}`)).status).toBe(204)
  }
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
