import { createHash } from 'node:crypto'
import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newAccount, newLogin, refresh } from './account.ts'
import { leastBodyOf } from './arbitraries.ts'
import { newUser, tokenFor, type Json } from './client.ts'
import { collectionOf, resources, type User } from './collection.ts'
import { ask, askAll, inObjects } from './rows.ts'
import { problemOf } from './stored.ts'
import { newTeam } from './team.ts'

/** The rows of every table of the database that mention a text anywhere, by table. */
// Tickets are nobody's: their ids say nothing of who used them, and are forgotten within the hour.
async function mentions(text: string): Promise<Record<string, number>> {
  const { results: tables } = await env.DB.prepare(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'
     AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN ('d1_migrations', 'spent_tickets')`,
  ).all<{ name: string }>()
  const found: Record<string, number> = {}
  for (const { name } of tables) {
    const { results } = await env.DB.prepare(`SELECT * FROM "${name}"`).all()
    const rows = inObjects && isOwned(name) ? await askAll(`SELECT * FROM "${name}"`) : []
    found[name] = [...results, ...rows].filter((row) => JSON.stringify(row).includes(text)).length
  }
  return found
}

function isOwned(table: string): boolean {
  return ['idempotency_keys', 'remaining_rows', ...resources.map(({ name }) => name)].includes(table)
}

/** A row of every resource in a team, by this user, each under an Idempotency-Key. */
async function fillTeam(team: string, user: User): Promise<void> {
  const inTeam: User = {
    ...user,
    call: (method, path, body, headers) => user.request(method, `/api/${team}${path}`, body, headers),
  }
  for (const resource of resources) {
    const collection = await collectionOf(resource, inTeam)
    const [body = {}] = fc.sample(leastBodyOf(resource, collection), { numRuns: 1, seed: 7 })
    await collection.call('POST', '', body, { 'Idempotency-Key': resource.name })
  }
}

/**
 * An account with something in every table: rows, live and in the trash, sessions and idempotency keys; and in a team of its
 * own, one that it is in, and one that it has left.
 */
async function fullAccount() {
  const account = await newAccount()
  await newLogin(account.email)
  const user = await newUser(account.id)
  const rows: Record<string, Json[]> = {}
  for (const resource of resources) {
    const collection = await collectionOf(resource, user)
    const [one = {}, two = {}] = fc.sample(leastBodyOf(resource, collection), { numRuns: 2, seed: 7 })
    const kept = await collection.call('POST', '', one, { 'Idempotency-Key': resource.name })
    const { id } = await collection.create(two)
    await collection.call('DELETE', `/${id}`)
    rows[resource.name] = [kept.body]
  }
  const inserts = [
    `INSERT INTO proofs VALUES (?, 'verify', '', '', '')`,
    `INSERT INTO guesses VALUES (?, '', 1, '', '')`,
    `INSERT INTO passkeys VALUES (?1, '', ?1, '', -7, 0, 0, '', '', '', NULL)`,
    `INSERT INTO identities VALUES (?1, '', '', ?1, '', NULL, '', NULL)`,
    `INSERT INTO activity (user_id, id, at, event) VALUES (?, '', '', 'login_failed')`,
  ]
  await env.DB.batch(inserts.map((insert) => env.DB.prepare(insert).bind(account.id)))
  await ask(account.id, `INSERT INTO remaining_rows VALUES (?, 'tasks', 1)`, account.id)
  const own = await newTeam(user)
  await own.call('POST', '/invitations', { role: 'editor' })
  await own.call('DELETE', '/members/me', undefined, await own.member('admin'))
  await fillTeam(own.id, user)
  const shared = await newTeam()
  await shared.member('admin', user)
  await shared.call('POST', '/invitations', { role: 'editor' }, user)
  await shared.call('PATCH', `/members/${account.id}`, { role: 'editor' })
  await fillTeam(shared.id, user)
  const left = await newTeam()
  await left.member('editor', user)
  await fillTeam(left.id, user)
  await left.call('DELETE', '/members/me', undefined, user)
  return { ...account, user, rows, own, shared, left }
}

describe('erasing an account', () => {
  test('leaves no trace of it in any table, and everybody else’s rows alone', async () => {
    const [account, other] = [await fullAccount(), await fullAccount()]
    const [before, others] = [await mentions(account.id), await mentions(other.id)]
    // A table that this test puts nothing into would prove nothing. Who has moved is erased in test/moving.test.ts.
    const empty = Object.entries(before).filter(([name, count]) => count === 0 && name !== 'moved_owners')
    expect(empty).toEqual([
      ['erased_users', 0],
      // It names no user: its members do.
      ['teams', 0],
    ])
    expect((await account.request('DELETE', '/api/me')).status).toBe(204)
    const after = await mentions(account.id)
    expect(Object.entries(after).filter(([, count]) => count > 0)).toEqual([])
    expect((await mentions(createHash('sha256').update(account.id).digest('hex'))).erased_users).toBe(1)
    expect(Object.values(await mentions(account.email)).every((count) => count === 0)).toBe(true)
    expect(Object.values(await mentions(account.own.id)).every((count) => count === 0)).toBe(true)
    for (const { id, owner } of [account.shared, account.left]) {
      const { body } = await owner.request('GET', `/api/${id}/projects`)
      expect(body.projects.length).toBeGreaterThan(0)
      for (const row of body.projects) expect([row.created_by, row.updated_by]).toEqual([id, id])
      expect((await owner.request('GET', `/api/teams/${id}/members`)).body.count).toBe(1)
    }
    expect(await mentions(other.id)).toEqual(others)
  })

  test('is heard of by every copy of the teams it was in, in the order of the rows', async () => {
    const { id, owner, member } = await newTeam()
    const [gone, other] = [await member('editor'), await member('editor')]
    const make = async (user: typeof gone, title: string) =>
      (await user.request('POST', `/api/${id}/tasks`, { title })).body
    const rows = [await make(gone, 'One'), await make(other, 'Two'), await make(gone, 'Three')]
    await owner.request('PATCH', `/api/${id}/tasks/${rows[2].id}`, { title: 'Three, by two' })
    await gone.request('DELETE', `/api/${id}/tasks/${rows[0].id}`)
    const { body: before } = await other.request('GET', `/api/${id}/changes`)
    expect((await gone.request('DELETE', '/api/me')).status).toBe(204)
    let after: Json
    const changed = async () => {
      after = (await other.request('GET', `/api/${id}/changes?cursor=${before.cursor}`)).body
      return after.changes.map((change: Json) => [change.id, change.deleted])
    }
    // With rows in objects each team's own hears of it after the answer.
    await expect.poll(changed).toEqual([
      [rows[2].id, false],
      [rows[0].id, true],
    ])
    const { data } = after.changes[0]
    expect([data.created_by, data.updated_by, data.revision]).toEqual([
      id,
      owner.id,
      after.changes[0].revision,
    ])
    expect(JSON.stringify(after)).not.toContain(gone.id)
    const next = await make(other, 'Four')
    expect(next.revision).toBeGreaterThan(after.changes[1].revision)
  })

  test('waits for the only owner of a team with others in it to hand that over', async () => {
    const { id, owner, member, call } = await newTeam()
    const other = await member('editor')
    await owner.call('POST', '/tasks', { title: 'Mine' })
    expect(problemOf(await owner.request('DELETE', '/api/me'))).toEqual([409, 'last_owner'])
    expect((await owner.call('GET', '/tasks')).body.count).toBe(1)
    await call('PATCH', `/members/${other.id}`, { role: 'owner' })
    expect((await owner.request('DELETE', '/api/me')).status).toBe(204)
    expect((await other.request('GET', `/api/teams/${id}`)).body.role).toBe('owner')
  })

  test('of a team leaves no trace of it in any table, and its members’ own rows alone', async () => {
    for (const path of ['/api/teams/', '/api/']) {
      const account = await fullAccount()
      const { own, request } = account
      await own.member('viewer')
      const before = await mentions(own.id)
      const personal = ['teams', 'team_members', 'team_invitations', 'activity', 'idempotency_keys']
      const expected = [...resources.map(({ name }) => name), ...personal].toSorted()
      const held = Object.entries(before).filter(([name, count]) => count > 0 && name !== 'moved_owners')
      expect(held.map(([name]) => name).toSorted()).toEqual(expected)
      const others = await mentions(account.shared.id)
      const mine = (await account.user.call('GET', '/changes')).body.changes.length
      expect((await request('DELETE', `${path}${own.id}`)).status).toBe(204)
      expect(Object.values(await mentions(own.id)).every((count) => count === 0)).toBe(true)
      expect(await mentions(account.shared.id)).toEqual(others)
      expect((await account.user.call('GET', '/changes')).body.changes.length).toBe(mine)
      expect((await request('GET', '/api/auth/activity')).body.activity[0].event).toBe('team_deleted')
    }
  })

  test('ends its sessions at once, and frees its e-mail', async () => {
    const { email, request, refreshToken } = await newAccount()
    expect((await request('DELETE', '/api/me')).status).toBe(204)
    expect(problemOf(await request('GET', '/api/me/tasks'))).toEqual([401, 'session_ended'])
    expect(problemOf(await request('POST', '/api/me/tasks', { title: 'late' }))).toEqual([
      401,
      'session_ended',
    ])
    expect(problemOf(await refresh(refreshToken))).toEqual([401, 'invalid_refresh_token'])
    await expect(newLogin(email)).rejects.toThrow('401')
  })

  test('is for its owner, and for administrators', async () => {
    const account = await newAccount()
    const { request } = await newAccount()
    expect(problemOf(await request('DELETE', `/api/${account.id}`))).toEqual([403, 'not_your_path'])
    const admin = await newUser()
    const authorization = { Authorization: `Bearer ${await tokenFor(admin.id, { role: 'admin' })}` }
    expect((await admin.request('DELETE', `/api/${account.id}`, undefined, authorization)).status).toBe(204)
    expect(problemOf(await account.request('GET', '/api/auth/me'))).toEqual([401, 'session_ended'])
  })

  test('erases the rows of somebody who has no account here', async () => {
    const user = await newUser()
    await user.call('POST', '/tasks', { title: 'mine' })
    expect((await user.request('DELETE', `/api/${user.id}`)).status).toBe(204)
    expect(await ask(user.id, 'SELECT 1 FROM tasks WHERE user_id = ?', user.id)).toEqual([])
    expect(problemOf(await user.call('GET', '/changes'))).toEqual([401, 'invalid_token'])
    expect(problemOf(await user.request('DELETE', '/api/me'))).toEqual([401, 'invalid_token'])
  })

  test('is the only method of the path', async () => {
    const user = await newUser()
    for (const method of ['GET', 'POST', 'PUT', 'PATCH']) {
      const { status, headers } = await user.request(method, '/api/me')
      expect([status, headers.get('Allow')]).toEqual([405, 'DELETE'])
    }
  })
})

describe('an export', () => {
  test('holds the account and every live row, as the lists show them', async () => {
    const { id, email, user, rows, request } = await fullAccount()
    const { status, headers, body } = await request('GET', '/api/me/export')
    expect(status).toBe(200)
    expect(headers.get('Content-Type')).toBe('application/json')
    expect(headers.get('Cache-Control')).toBe('no-store')
    expect(headers.get('Content-Disposition')).toMatch(
      /^attachment; filename="export-\d{4}-\d\d-\d\d\.json"$/,
    )
    expect(body).toMatchObject({
      user_id: id,
      exported_at: expect.stringMatching(/Z$/),
      account: { id, email, role: 'user' },
      sessions: [{ current: false }, { current: true }],
    })
    for (const { name } of resources) expect(body[name]).toEqual(expect.arrayContaining(rows[name] ?? []))
    const { body: tasks } = await user.call('GET', '/tasks?limit=100')
    expect(body.tasks).toEqual(tasks.tasks)
    expect(Object.keys(body)).toEqual([
      'user_id',
      'exported_at',
      'account',
      'sessions',
      'passkeys',
      'identities',
      'activity',
      ...resources.map(({ name }) => name),
    ])
  })

  test('holds its passkeys and identities as their lists show them, and no key', async () => {
    const { request } = await fullAccount()
    const { body } = await request('GET', '/api/me/export')
    expect(body.passkeys).toEqual((await request('GET', '/api/auth/passkeys')).body.passkeys)
    expect(body.identities).toEqual((await request('GET', '/api/auth/identities')).body.identities)
    expect([body.passkeys, body.identities]).toEqual([
      [{ id: '', name: '', created_at: '', last_used_at: null }],
      [{ id: '', provider: '', label: null, created_at: '', last_used_at: null }],
    ])
  })

  test('leaves out the trash and what is under it', async () => {
    const user = await newUser()
    const { body: task } = await user.call('POST', '/tasks', { title: 'parent' })
    const { body: comment } = await user.call('POST', `/tasks/${task.id}/comments`, { body: 'child' })
    expect((await user.call('GET', '/export')).body.comments).toEqual([comment])
    await user.call('DELETE', `/tasks/${task.id}`)
    expect((await user.call('GET', '/export')).body).toMatchObject({ tasks: [], comments: [] })
  })

  test('of somebody who has nothing is empty', async () => {
    const user = await newUser()
    const { status, body } = await user.call('GET', '/export')
    expect(status).toBe(200)
    expect(body).toMatchObject({ account: null, sessions: [], passkeys: [], identities: [], tasks: [] })
    expect((await user.call('HEAD', '/export')).status).toBe(200)
    expect((await user.call('POST', '/export', {})).headers.get('Allow')).toBe('GET, HEAD')
  })

  test('holds every one of 50 000 rows, once', async () => {
    const user = await newUser()
    await ask(
      user.id,
      `INSERT INTO tasks (id, user_id, title, revision, created_at, updated_at)
       WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
       SELECT printf('01900000-0000-7000-8000-%012x', i), ?, 'task ' || i, i, '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z' FROM n`,
      user.id,
    )
    const { body } = await user.call('GET', '/export')
    const titles = new Set(body.tasks.map(({ title }: Json) => title))
    expect([body.tasks.length, titles.size]).toEqual([50_000, 50_000])
    // A large account is erased all the same.
    expect((await user.request('DELETE', '/api/me')).status).toBe(204)
    expect((await mentions(user.id)).tasks).toBe(0)
  })

  test('is for its owner', async () => {
    const [user, other] = [await newUser(), await newUser()]
    expect(problemOf(await user.request('GET', `/api/${other.id}/export`))).toEqual([403, 'not_your_path'])
  })

  test('of an ended session is a problem and no download', async () => {
    const { request } = await newAccount()
    await request('POST', '/api/auth/logout')
    expect(problemOf(await request('GET', '/api/me/export'))).toEqual([401, 'session_ended'])
  })
})
