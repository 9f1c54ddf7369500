import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { MAX_STATEMENTS } from '../src/d1/database.ts'
import { resources } from '../src/resources/index.ts'
import { purge } from '../src/user/purge.ts'
import { newId, newUser, type Json } from './client.ts'
import { captureLog, deploy } from './deployment.ts'
import { invocation, limitedDatabase, production } from './production.ts'
import { countOf } from './stored.ts'

// What only production refuses. The Worker that the tests call is within the paid plan's limits (test/worker.ts); here is
// what would come near them.

/** How many statements D1 takes from one invocation on the free plan. */
const FREE = 50

describe('what local D1 refuses as production does, so that every test runs within it', () => {
  test.each([
    ['a hundred and one parameters', `SELECT ${Array.from({ length: 101 }, () => '?').join()}`, 101],
    ['100 KB of SQL', `SELECT '${'x'.repeat(100_000)}'`, 0],
  ])('%s', async (_, sql, parameters) => {
    const statement = env.DB.prepare(sql).bind(...Array.from({ length: parameters }, () => 1))
    await expect(statement.all()).rejects.toThrow(/D1_ERROR/)
  })
})

describe('a bulk of a hundred operations', () => {
  /** A hundred operations that each have the most to check: references, revisions. */
  async function largest() {
    const user = await newUser()
    const { body: project } = await user.call('POST', '/projects', { name: 'One' })
    const data = { title: 't', project_id: project.id }
    const create = Array.from({ length: 100 }, () => ({ op: 'create', id: newId(), data }))
    return { user, data, create }
  }

  test('takes a statement for each, and a few', async () => {
    const { user, data, create } = await largest()
    const send = (operations: Json[], most: number) =>
      deploy({ DB: limitedDatabase(env.DB, most) })('POST', '/api/me/tasks/bulk', {
        body: { operations },
        headers: { ...user.authorization, 'Idempotency-Key': newId() },
      })
    const made = await send(create, 110)
    expect(made.status, made.text).toBe(200)
    const update = made.body.results.map(({ id, task }: Json) => {
      return { op: 'update', id, revision: task.revision, data }
    })
    expect((await send(update, 110)).status).toBe(200)
  })

  test('is done within the paid plan where each depends on the one before', async () => {
    const { user, data } = await largest()
    const id = newId()
    const updates = Array.from({ length: 99 }, () => ({ op: 'update', id, data }))
    const { status, text } = await user.call('POST', '/tasks/bulk', {
      operations: [{ op: 'create', id, data }, ...updates],
    })
    expect(status, text).toBe(200)
  })

  test('goes beyond the free plan, which forty do not', async () => {
    const { user, create } = await largest()
    const send = (count: number) =>
      deploy({ DB: limitedDatabase(env.DB, FREE) })('POST', '/api/me/tasks/bulk', {
        body: { operations: create.slice(0, count) },
        headers: user.authorization,
      })
    captureLog()
    expect((await send(100)).status).toBe(500)
    // The project.
    expect(await countOf(user.id)).toBe(1)
    expect((await send(40)).status).toBe(200)
  })
})

test('an export asks twice for each thousand rows', async () => {
  const user = await newUser()
  await env.DB.prepare(
    `INSERT INTO tasks (id, user_id, title, tags, revision, created_at, updated_at)
     WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 4999)
     SELECT printf('019a0000-0000-7000-8000-%012x', n), ?, 'one', '[]', n + 1, 'then', 'then' FROM numbers`,
  )
    .bind(user.id)
    .run()
  const { body } = await deploy({ DB: limitedDatabase(env.DB, 40) })('GET', '/api/me/export', {
    headers: user.authorization,
  })
  expect(body.tasks).toHaveLength(5_000)
})

test('a purge ends before D1 takes no more, and the next one goes on', async () => {
  const guests = Array.from({ length: 60 }, () => `guest-${newId()}`)
  await env.DB.batch(
    guests.map((id) =>
      env.DB.prepare(
        `INSERT INTO users (id, role, created_at, updated_at) VALUES (?, 'user', '2020-01-01', '2020-01-01')`,
      ).bind(id),
    ),
  )
  const remaining = async () => {
    const ids = JSON.stringify(guests)
    const asked = env.DB.prepare(
      'SELECT count(*) AS n FROM users WHERE id IN (SELECT value FROM json_each(?))',
    )
    return (await asked.bind(ids).first<{ n: number }>())?.n
  }
  const log = captureLog()
  await invocation(() => purge(resources, production(env)))
  expect(log.parsed()).toEqual([expect.objectContaining({ event: 'purge', unfinished: ['guests'] })])
  expect(log.parsed()[0].statements).toBeLessThanOrEqual(MAX_STATEMENTS)
  expect(await remaining()).toBeGreaterThan(0)
  for (let run = 0; run < 4; run++) await invocation(() => purge(resources, production(env)))
  expect(await remaining()).toBe(0)
})
