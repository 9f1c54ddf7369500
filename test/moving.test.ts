import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { errandOf } from '../src/objects/owner.ts'
import { relocate } from '../src/objects/relocate.ts'
import { resources } from '../src/resources/index.ts'
import { newAccount } from './account.ts'
import { newId, newUser, type Answer, type Json } from './client.ts'
import { deploy } from './deployment.ts'
import { problemOf, storedBy } from './stored.ts'
import { newTeam } from './team.ts'

/** The Worker that keeps rows in D1, and the one that keeps them in objects: in a roll-out both serve. */
const older = deploy({ ROWS: 'd1', RATE_LIMITS: 'off', ENVIRONMENT: 'development' })
const newer = deploy({ ROWS: 'objects', RATE_LIMITS: 'off', ENVIRONMENT: 'development' })

type Serve = typeof older

/** A user who is served by whichever Worker a call names. */
async function mover(as?: string) {
  const { id, authorization } = await newUser(as)
  const call = (
    serve: Serve,
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ) => serve(method, `/api/me${path}`, { body, headers: { ...authorization, ...headers } })
  return { id, authorization, call }
}

type Mover = Awaited<ReturnType<typeof mover>>

function objectOf(owner: string) {
  return env.HUB.get(env.HUB.idFromName(owner))
}

async function fill({ call }: Mover, count: number, serve = older): Promise<Json[]> {
  const made: Json[] = []
  for (let at = 0; at < count; at += 50) {
    const operations = Array.from({ length: Math.min(50, count - at) }, (_, nth) => ({
      op: 'create',
      data: { title: `Task ${at + nth}`, tags: ['canary'] },
    }))
    const { status, body, text } = await call(serve, 'POST', '/tasks/bulk', { operations })
    expect(status, text).toBe(200)
    made.push(...body.results.map(({ task }: Json) => task))
  }
  return made
}

/** Everything that is synced from a cursor on, page by page, and the cursor after it. */
async function changes(
  { call }: Mover,
  serve: Serve,
  cursor?: string,
): Promise<{ all: Json[]; cursor: string }> {
  const all: Json[] = []
  for (let next = cursor; ;) {
    const query = next === undefined ? '' : `&cursor=${encodeURIComponent(next)}`
    const { status, body, text } = await call(serve, 'GET', `/changes?limit=500${query}`)
    expect(status, text).toBe(200)
    all.push(...body.changes)
    next = String(body.cursor)
    if (!body.has_more) return { all, cursor: next }
  }
}

/** Sends until the answer is one, as a client does. */
async function untilServed(send: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await send().catch(() => undefined)
    if (answer && answer.status < 500) return answer
    await scheduler.wait(20)
  }
}

/** The rows of an owner that are left in D1, in any table. */
async function leftInD1(owner: string): Promise<number> {
  const tables = ['idempotency_keys', 'remaining_rows']
  const keys = await env.DB.batch<Json>(
    tables.map((name) => env.DB.prepare(`SELECT * FROM ${name} WHERE user_id = ?`).bind(owner)),
  )
  return Object.values(await storedBy(owner)).flat().length + keys.flatMap(({ results }) => results).length
}

/** What happens to an object's nth batch in D1 from now on. */
async function onBatch(
  owner: string,
  happens: (nth: number, run: () => Promise<unknown>) => Promise<unknown>,
) {
  await runInDurableObject(objectOf(owner), (instance) => {
    let count = 0
    const DB = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: (statements: D1PreparedStatement[]) => happens(count++, () => env.DB.batch(statements)),
    }
    Reflect.set(instance, 'env', { ...env, DB })
  })
}

/** Ends an object as a deployment or a fault does. */
async function kill(owner: string): Promise<void> {
  const killed = runInDurableObject(objectOf(owner), (_instance, context) =>
    context.abort('The object was reset.'),
  )
  await killed.catch(() => {})
}

/** Has an owner moved back to D1; resolves to whether that has to be asked for again. */
async function goBack(owner: string): Promise<boolean> {
  await objectOf(owner).relocate(errandOf(owner), 'd1')
  return false
}

/** How many rows an owner has in their object. */
function rowsInObject(owner: string): Promise<number> {
  return runInDurableObject(objectOf(owner), (_instance, { storage }) =>
    resources
      .map(({ name }) => Number(storage.sql.exec(`SELECT count(*) AS n FROM "${name}"`).one().n))
      .reduce((sum, each) => sum + each, 0),
  )
}

test('an owner of rows in D1 moves at the first request, with all that lies there', async () => {
  const user = await mover()
  const tasks = await fill(user, 60)
  const key = { 'Idempotency-Key': newId() }
  const keyed = await user.call(older, 'POST', '/tasks', { title: 'Once' }, key)
  await user.call(older, 'DELETE', `/tasks/${tasks[0].id}`)
  const before = await changes(user, older)
  const listed = await user.call(older, 'GET', '/tasks?limit=100')

  expect((await user.call(newer, 'GET', '/tasks?limit=100')).body).toEqual(listed.body)
  const replay = await user.call(newer, 'POST', '/tasks', { title: 'Once' }, key)
  expect([replay.status, replay.body, replay.headers.get('Idempotent-Replayed')]).toEqual([
    201,
    keyed.body,
    'true',
  ])
  expect((await changes(user, newer, before.cursor)).all).toEqual([])
  const changed = await user.call(
    newer,
    'PATCH',
    `/tasks/${tasks[1].id}`,
    { title: 'Changed' },
    {
      'If-Match': `"${tasks[1].revision}"`,
    },
  )
  expect(changed.status).toBe(200)
  expect(changed.body.revision).toBeGreaterThan(keyed.body.revision)
  expect((await changes(user, newer, before.cursor)).all.map(({ id }) => id)).toEqual([tasks[1].id])
  expect((await changes(user, newer)).all).toHaveLength(before.all.length)
  expect((await user.call(newer, 'POST', `/tasks/${tasks[0].id}/restore`)).status).toBe(200)
  await expect.poll(() => leftInD1(user.id)).toBe(0)
})

test('an owner without rows begins in the object, and the older Worker knows', async () => {
  const user = await mover()
  const { status, body } = await user.call(newer, 'POST', '/tasks', { title: 'New' })
  expect(status).toBe(201)
  expect((await user.call(older, 'GET', `/tasks/${body.id}`)).body).toEqual(body)
  expect(await leftInD1(user.id)).toBe(0)
})

test('the older Worker serves a moved owner out of the object', async () => {
  const user = await mover()
  const [first, second] = await fill(user, 3)
  await user.call(newer, 'GET', '/tasks')
  const key = { 'Idempotency-Key': newId() }
  const answers = [
    await user.call(older, 'POST', '/tasks', { title: 'Later' }, key),
    await user.call(older, 'PATCH', `/tasks/${first.id}`, { title: 'Changed' }),
    await user.call(older, 'DELETE', `/tasks/${second.id}`),
    await user.call(older, 'POST', `/tasks/${second.id}/restore`),
    await user.call(older, 'POST', '/tasks', { title: 'Later' }, key),
    await user.call(older, 'GET', '/tasks/nothing'),
    await user.call(older, 'GET', '/export'),
  ]
  expect(answers.map(({ status }) => status)).toEqual([201, 200, 204, 200, 201, 404, 200])
  expect(answers[6]?.body.tasks).toHaveLength(4)
  expect((await user.call(newer, 'GET', `/tasks/${first.id}`)).body.title).toBe('Changed')
  await expect.poll(() => leftInD1(user.id)).toBe(0)
})

test('a version that knows nothing of objects cannot write rows of a moved owner', async () => {
  const user = await mover()
  const [row] = await fill(user, 1)
  // The move stops where the copy is compared.
  await onBatch(user.id, async (nth, run) => (nth < 2 ? run() : Promise.reject(new Error('stopped'))))
  expect((await user.call(newer, 'GET', '/tasks')).status).toBe(500)
  const writes = [
    `UPDATE tasks SET title = 'Lost' WHERE user_id = '${user.id}'`,
    `DELETE FROM tasks WHERE user_id = '${user.id}'`,
    `INSERT INTO idempotency_keys VALUES ('${user.id}', 'r', 'k', 'f', '[]', '')`,
  ]
  for (const write of writes) {
    await expect(env.DB.prepare(write).run()).rejects.toThrow('assertion: database_unavailable')
  }
  const { results } = await env.DB.prepare('SELECT title FROM tasks WHERE user_id = ?').bind(user.id).all()
  expect(results).toEqual([{ title: row.title }])
})

test('a team moves with the rows of its members', async () => {
  const team = await newTeam()
  const member = await team.member('editor')
  const ask = (
    serve: Serve,
    user: Pick<Mover, 'authorization'>,
    method: string,
    path: string,
    body?: unknown,
  ) => serve(method, `/api/${team.id}${path}`, { body, headers: user.authorization })
  const { body: row } = await ask(older, member, 'POST', '/tasks', { title: 'Theirs' })
  expect((await ask(newer, team.owner, 'GET', `/tasks/${row.id}`)).body).toEqual(row)
  expect((await ask(older, team.owner, 'GET', `/tasks/${row.id}`)).body).toEqual(row)
  expect(problemOf(await ask(older, await newUser(), 'GET', '/tasks'))).toEqual([403, 'not_your_path'])
  expect(row.created_by).toBe(member.id)

  // The member is erased by the older Worker, and the rows in the object forget who they were.
  await ask(newer, member, 'GET', '/tasks')
  expect((await older('DELETE', '/api/me', { headers: member.authorization })).status).toBe(204)
  const { body: after } = await ask(newer, team.owner, 'GET', `/tasks/${row.id}`)
  expect(after.created_by).toBe(team.id)
})

test('a session lives on, and its end at the older Worker ends it in the object', async () => {
  const account = await newAccount()
  const headers = { Authorization: `Bearer ${account.access}` }
  await older('POST', '/api/me/tasks', { body: { title: 'Mine' }, headers })
  for (let turn = 0; turn < 2; turn++) {
    expect((await newer('GET', '/api/me/tasks', { headers })).body.tasks).toHaveLength(1)
  }
  const out = await older('POST', '/api/auth/logout', {
    headers,
    body: { refresh_token: account.refreshToken },
  })
  expect(out.status).toBe(204)
  expect(problemOf(await newer('GET', '/api/me/tasks', { headers }))).toEqual([401, 'session_ended'])
  expect(problemOf(await older('GET', '/api/me/tasks', { headers }))).toEqual([401, 'session_ended'])
})

test.each([
  ['newer', newer],
  ['older', older],
])('the %s Worker erases a moved owner everywhere', async (_, serve) => {
  const user = await mover()
  await fill(user, 2)
  await user.call(newer, 'GET', '/tasks')
  await expect.poll(() => leftInD1(user.id)).toBe(0)
  expect((await user.call(serve, 'DELETE', '')).status).toBe(204)
  const { results } = await env.DB.prepare('SELECT * FROM moved_owners WHERE user_id = ?').bind(user.id).all()
  expect(results).toEqual([])
  const kept = await runInDurableObject(objectOf(user.id), async (_instance, { storage }) => [
    ...(await storage.list()).keys(),
    ...storage.kv.list(),
  ])
  expect(kept).toEqual([])
})

/** How many batches a move of one page takes: the fence, the page, the comparison and the clearing, with the guards before. */
const BATCHES = 5

test.each(
  Array.from({ length: BATCHES }, (_, nth) => nth).flatMap((nth) => [
    [nth, 'before'],
    [nth, 'after'],
  ]),
)(
  'a move whose object is killed at its batch %i, %s D1 commits it, loses and doubles nothing',
  async (nth, when) => {
    const user = await mover()
    await fill(user, 5)
    const before = await changes(user, older)
    const killed = { yes: false }
    await onBatch(user.id, async (each, run) => {
      const result = each === nth && when === 'before' ? undefined : await run()
      if (each !== nth) return result
      killed.yes = true
      await kill(user.id)
      return result
    })
    const key = { 'Idempotency-Key': newId() }
    const created = await untilServed(() => user.call(newer, 'POST', '/tasks', { title: 'New' }, key))
    await expect.poll(() => killed.yes).toBe(true)
    expect(created.status).toBe(201)
    const after = await changes(user, newer)
    expect(after.all.slice(0, -1)).toEqual(before.all)
    expect(after.all.at(-1).data).toEqual(created.body)
    expect((await changes(user, older)).all).toEqual(after.all)
  },
)

test('the way back to D1 is the same: also killed at any batch, it loses and doubles nothing', async () => {
  for (let nth = 0; nth < 6; nth++) {
    const user = await mover()
    const [row] = await fill(user, 3)
    await user.call(newer, 'PATCH', `/tasks/${row.id}`, { title: 'There' })
    await user.call(newer, 'POST', `/tasks/${row.id}/comments`, { body: 'Under it' })
    const before = await changes(user, newer)
    await onBatch(user.id, async (each, run) => {
      const result = await run()
      if (each === nth) await kill(user.id)
      return result
    })
    while (await goBack(user.id).catch(() => true));
    expect((await changes(user, older)).all).toEqual(before.all)
    const { body, status } = await user.call(older, 'PATCH', `/tasks/${row.id}`, { title: 'Back' })
    expect(status).toBe(200)
    expect((await changes(user, older, before.cursor)).all.map(({ data }) => data)).toEqual([body])
    expect(Object.values(await storedBy(user.id)).flat()).toHaveLength(4)
    expect(await rowsInObject(user.id)).toBe(0)
    // And there again.
    expect((await user.call(newer, 'GET', `/tasks/${row.id}`)).body).toEqual(body)
  }
})

/** How many moves are made under writers: `MOVES=20 MOVE_ROWS=10000 npx vitest run --project worker test/moving.test.ts` */
const MOVES = Number(env.MOVES || 4)
const ROWS = Number(env.MOVE_ROWS || 20)

test('moves under writers at both Workers, the mover killed at random, lose and double nothing', async () => {
  const waits: number[] = []
  for (let move = 0; move < MOVES; move++) {
    const user = await mover()
    await fill(user, ROWS)
    const copy = new Map<string, Json>()
    const known = new Map<string, Json>()
    const titles = new Map<string, string>()
    const state = { isOver: false }

    async function write(number: number): Promise<void> {
      const id = newId()
      for (let turn = 0; !state.isOver; turn++) {
        const serve = (turn + number) % 2 ? older : newer
        const began = performance.now()
        const path = turn ? `/tasks/${id}` : '/tasks'
        const title = `${number} ${turn}`
        const headers = turn ? {} : { 'Idempotency-Key': id }
        const sent = turn ? { title } : { id, title }
        const answer = await untilServed(() => user.call(serve, turn ? 'PATCH' : 'POST', path, sent, headers))
        expect([200, 201], answer.text).toContain(answer.status)
        waits.push(performance.now() - began)
        expect(answer.body.revision).toBeGreaterThan(known.get(id)?.revision ?? 0)
        known.set(id, answer.body)
        titles.set(id, title)
        await scheduler.wait(1)
      }
    }

    async function sync(): Promise<void> {
      for (let cursor = '', turn = 0; ; turn++) {
        const wasOver = state.isOver
        const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : ''
        const { body } = await untilServed(() =>
          user.call(turn % 2 ? older : newer, 'GET', `/changes${query}`),
        )
        for (const { id, data } of body.changes) {
          expect(data.revision).toBeGreaterThan(copy.get(id)?.revision ?? 0)
          copy.set(id, data)
        }
        cursor = body.cursor
        if (wasOver && !body.has_more) return
        await scheduler.wait(5)
      }
    }

    const killAt = Math.floor(Math.random() * 8)
    await onBatch(user.id, async (nth, run) => {
      await scheduler.wait(5)
      const result = await run()
      if (nth === killAt) await kill(user.id)
      await scheduler.wait(5)
      return result
    })
    const work = [write(0), write(1), write(2), write(3), sync()]
    await scheduler.wait(300)
    if (move % 2) while (await goBack(user.id).catch(() => true));
    await scheduler.wait(100)
    state.isOver = true
    await Promise.all(work)

    const { all } = await changes(user, newer)
    expect(all).toHaveLength(ROWS + known.size)
    for (const [id, title] of titles) expect(copy.get(id)?.title).toBe(title)
    expect(new Map(all.map(({ id, data }) => [id, data]))).toEqual(copy)
    await expect.poll(() => leftInD1(user.id)).toBe(0)
  }
  console.log(`${waits.length} writes, the longest waited ${Math.round(Math.max(...waits))} ms`)
})

test('the cron trigger moves who has not called, there and back', async () => {
  // The first owner of every table: without any time, a run takes the first few.
  const user = await mover(`0-${crypto.randomUUID()}`)
  await user.call(older, 'POST', '/projects', { name: 'One' })
  const [row] = await fill(user, 2)
  await relocate({ ...env, ROWS: 'objects' }, 0)
  await expect.poll(() => leftInD1(user.id)).toBe(0)
  expect(await rowsInObject(user.id)).toBe(3)
  await relocate({ ...env, ROWS: 'd1' })
  expect(await rowsInObject(user.id)).toBe(3)
  await env.DB.prepare('UPDATE moved_owners SET back = 1 WHERE user_id = ?').bind(user.id).run()
  await relocate({ ...env, ROWS: 'd1' })
  expect(await rowsInObject(user.id)).toBe(0)
  expect((await user.call(older, 'GET', `/tasks/${row.id}`)).body).toEqual(row)
})
