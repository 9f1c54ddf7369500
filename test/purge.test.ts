import { createScheduledController } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { decodeJwt } from 'jose'
import { expect, test, vi } from 'vitest'
import worker from '../src/index.ts'
import { newAccount, newLogin } from './account.ts'
import { resources } from '../src/resources/index.ts'
import { purge } from '../src/user/purge.ts'
import { newUser } from './client.ts'
import { purgeAll } from './purge-all.ts'
import { ask, askAll, inObjects } from './rows.ts'

async function purgeAfter(days: number) {
  for (const table of ['tasks', 'projects', 'comments']) {
    await askAll(
      `UPDATE ${table} SET deleted_at = strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at, '-${days} days') WHERE deleted_at IS NOT NULL`,
    )
  }
  await purgeAll()
}

async function stored(userId: string) {
  const rows = await ask<{ name: string; id: string }>(
    userId,
    `SELECT 'tasks' AS name, id FROM tasks WHERE user_id = ?1
     UNION ALL SELECT 'projects', id FROM projects WHERE user_id = ?1
     UNION ALL SELECT 'comments', id FROM comments WHERE user_id = ?1`,
    userId,
  )
  return rows.map(({ name }) => name).toSorted()
}

test('a row leaves the trash for good after 30 days, and not before', async () => {
  const user = await newUser()
  const { body: task } = await user.call('POST', '/tasks', { title: 'old' })
  await user.call('DELETE', `/tasks/${task.id}`)
  await purgeAfter(29)
  expect(await stored(user.id)).toEqual(['tasks'])
  await purgeAfter(1)
  expect(await stored(user.id)).toEqual([])
  expect((await user.call('POST', `/tasks/${task.id}/restore`)).status).toBe(404)
})

test('purging a task purges its comments, live or not, and nobody else’s', async () => {
  const [user, other] = [await newUser(), await newUser()]
  const { body: theirs } = await other.call('POST', '/tasks', { title: 'kept' })
  await other.call('POST', `/tasks/${theirs.id}/comments`, { body: 'kept' })
  const { body: task } = await user.call('POST', '/tasks', { title: 'old' })
  await user.call('POST', `/tasks/${task.id}/comments`, { body: 'one' })
  const { body: comment } = await user.call('POST', `/tasks/${task.id}/comments`, { body: 'two' })
  await user.call('DELETE', `/tasks/${task.id}/comments/${comment.id}`)
  await user.call('DELETE', `/tasks/${task.id}`)
  await purgeAfter(30)
  expect(await stored(user.id)).toEqual([])
  expect(await stored(other.id)).toEqual(['comments', 'tasks'])
})

test('deleting a project leaves its tasks; purging it clears their reference, each with a revision of its own', async () => {
  const user = await newUser()
  const { body: project } = await user.call('POST', '/projects', { name: 'old' })
  const tasks = await Promise.all(
    ['a', 'b', 'c'].map((title) => user.call('POST', '/tasks', { title, project_id: project.id })),
  )
  await user.call('DELETE', `/projects/${project.id}`)
  const { body: between } = await user.call('GET', '/tasks')
  expect(between.tasks.map((task: { project_id: string }) => task.project_id)).toEqual([
    project.id,
    project.id,
    project.id,
  ])
  await purgeAfter(30)
  const { body: after } = await user.call('GET', '/tasks')
  expect(after.tasks.map((task: { project_id: string }) => task.project_id)).toEqual([null, null, null])
  const revisions: number[] = after.tasks.map((task: { revision: number }) => task.revision)
  expect(new Set(revisions).size).toBe(3)
  expect(Math.min(...revisions)).toBeGreaterThan(Math.max(...tasks.map(({ body }) => body.revision)))
})

test('one run purges all that has expired, whoever it belongs to and however much one user left', async () => {
  const users = [await newUser(), await newUser()] as const
  const [hoarder, other] = users
  await ask(
    hoarder.id,
    `INSERT INTO tasks (id, user_id, title, tags, revision, created_at, updated_at, deleted_at)
     WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 699)
     SELECT printf('019a0000-0000-7000-8000-%012x', n), ?, 'old', '[]', n + 1, 'then', 'then', '2020-01-01T00:00:00.000Z' FROM numbers`,
    hoarder.id,
  )
  const { body: task } = await other.call('POST', '/tasks', { title: 'old' })
  await other.call('DELETE', `/tasks/${task.id}`)
  await purgeAfter(30)
  for (const { id } of users) expect(await stored(id)).toEqual([])
})

// With objects each user has an alarm, and no other's turn to wait for.
test.skipIf(inObjects)('every user has a turn before the one with the oldest rows is done', async () => {
  const [hoarder, other] = [await newUser(), await newUser()]
  await env.DB.prepare(
    `INSERT INTO tasks (id, user_id, title, tags, revision, created_at, updated_at, deleted_at)
     WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 299)
     SELECT printf('019a0000-0000-7000-8000-%012x', n), ?, 'old', '[]', n + 1, 'then', 'then', '2020-01-01T00:00:00.000Z' FROM numbers`,
  )
    .bind(hoarder.id)
    .run()
  const { body: task } = await other.call('POST', '/tasks', { title: 'less old' })
  await other.call('DELETE', `/tasks/${task.id}`)
  await env.DB.prepare(`UPDATE tasks SET deleted_at = '2021-01-01T00:00:00.000Z' WHERE user_id = ?`)
    .bind(other.id)
    .run()
  // Without any time there is one step of each.
  await purge(resources, env, 0)
  expect(await stored(other.id)).toEqual([])
  expect((await stored(hoarder.id)).length).toBeGreaterThan(0)
  await purge(resources, env)
  expect(await stored(hoarder.id)).toEqual([])
})

test.skipIf(inObjects)(
  'a purge of nothing reads nothing of the live rows, however many there are',
  async () => {
    await worker.scheduled(createScheduledController(), env)
    const before = await purgedNothing()
    await env.DB.prepare(
      `INSERT INTO tasks (id, user_id, title, tags, revision, created_at, updated_at)
     WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 4999)
     SELECT printf('019a0000-0000-7000-8000-%012x', n), 'user-' || (n % 50), 'live', '[]', n + 1, 'then', 'then' FROM numbers`,
    ).run()
    expect(await purgedNothing()).toBe(before)
  },
)

/** Purges what is not there, and returns how many rows that has read. */
async function purgedNothing(): Promise<unknown> {
  const info = vi.spyOn(console, 'info').mockImplementation(() => {})
  await worker.scheduled(createScheduledController(), env)
  const [line] = info.mock.calls.map(([text]) => JSON.parse(String(text)) as Record<string, unknown>)
  info.mockRestore()
  expect(line).toMatchObject({ event: 'purge', rows_written: 0, rows_read: expect.any(Number) })
  return line?.rows_read
}

test('a session that has expired is deleted, and one that lives is not', async () => {
  const account = await newAccount()
  const dead = await newLogin(account.email)
  const { sid } = decodeJwt(dead.access)
  await env.DB.prepare(`UPDATE sessions SET ends_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?`)
    .bind(sid)
    .run()
  await worker.scheduled(createScheduledController(), env)
  const { results } = await env.DB.prepare('SELECT id FROM sessions WHERE user_id = ?').bind(account.id).all()
  expect(results).toEqual([{ id: decodeJwt(account.access).sid }])
  expect((await account.request('GET', '/api/auth/me')).status).toBe(200)
})
