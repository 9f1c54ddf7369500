import { createScheduledController } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import worker from '../src/index.ts'
import { logIn, newAccount, newLogin, PASSWORD, refresh, type Login } from './account.ts'
import { call, newUser, tokenFor, type Json } from './client.ts'
import { problemOf } from './stored.ts'

/** What the account's owner is told, newest first. */
async function activityOf({ request }: Pick<Login, 'request'>): Promise<Json[]> {
  const { status, body } = await request('GET', '/api/auth/activity')
  expect(status).toBe(200)
  return body.activity
}

const eventsOf = async (login: Pick<Login, 'request'>) =>
  (await activityOf(login)).map(({ event }) => String(event)).toSorted((a, b) => a.localeCompare(b))

const adminHeaders = async () => ({
  Authorization: `Bearer ${await tokenFor(`admin-${crypto.randomUUID()}`, { role: 'admin' })}`,
})

describe('what happened', () => {
  test('has each login with its session, device and address', async () => {
    const account = await newAccount()
    await logIn(account.email, PASSWORD, { 'User-Agent': 'a phone', 'CF-Connecting-IP': '192.0.2.7' })
    const { body } = await account.request('GET', '/api/auth/sessions')
    const [last] = await activityOf(account)
    expect(last).toEqual({
      id: expect.stringMatching(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/),
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      event: 'login_password',
      session_id: body.sessions[0].id,
      user_agent: 'a phone',
      address: '192.0.2.7',
    })
  })

  test('has failed logins, and of those nothing that has no account', async () => {
    const account = await newAccount()
    await logIn(account.email, 'not the password')
    expect(await eventsOf(account)).toEqual(['login_failed', 'login_password'])
  })

  test('has a change of password, and each session that it ended', async () => {
    const account = await newAccount()
    await newLogin(account.email)
    await newLogin(account.email)
    const change = { current_password: PASSWORD, new_password: 'another password that nobody has' }
    expect((await account.request('PUT', '/api/auth/password', change)).status).toBe(200)
    const events = await eventsOf(account)
    expect(events.filter((event) => event !== 'login_password')).toEqual([
      'password_changed',
      'session_ended',
      'session_ended',
    ])
    const ended = (await activityOf(account)).filter(({ event }) => event === 'session_ended')
    expect(new Set(ended.map(({ session_id }) => session_id)).size).toBe(2)
    expect(new Set(ended.map(({ id }) => id)).size).toBe(2)
  })

  test('has a wrong current password', async () => {
    const account = await newAccount()
    const change = { current_password: 'wrong', new_password: 'another password that nobody has' }
    await account.request('PUT', '/api/auth/password', change)
    expect(await eventsOf(account)).toContain('password_refused')
  })

  test('has a refresh token that was used again', async () => {
    const account = await newAccount()
    let token = account.refreshToken
    for (let times = 0; times < 3; times += 1) token = (await refresh(token)).body.refresh_token
    expect((await refresh(account.refreshToken)).status).toBe(401)
    const events = await eventsOf(await newLogin(account.email))
    expect(events).toEqual(['login_password', 'login_password', 'refresh_token_reused'])
  })

  test('has logouts, by whichever token, and sessions that were ended', async () => {
    const account = await newAccount()
    const [one, two, three] = [
      await newLogin(account.email),
      await newLogin(account.email),
      await newLogin(account.email),
    ]
    await one.request('POST', '/api/auth/logout', {})
    await call('POST', '/api/auth/logout', { body: { refresh_token: two.refreshToken } })
    const { body } = await three.request('GET', '/api/auth/sessions')
    await account.request('DELETE', `/api/auth/sessions/${body.sessions[0].id}`)
    const events = await eventsOf(account)
    expect(events.filter((event) => event === 'session_ended')).toHaveLength(3)
  })

  test('has exports, and the visits of administrators once an hour', async () => {
    const account = await newAccount()
    await account.request('GET', '/api/me/export')
    const headers = await adminHeaders()
    for (const path of ['tasks', 'projects', 'tasks'])
      await call('GET', `/api/${account.id}/${path}`, { headers })
    await call('DELETE', `/api/admin/users/${account.id}/sessions`, { headers })
    const events = await eventsOf(await newLogin(account.email))
    expect(events.filter((event) => event === 'exported')).toHaveLength(1)
    expect(events.filter((event) => event === 'admin_access')).toHaveLength(1)
  })

  test('comes in pages and is the owner’s alone', async () => {
    const [account, other] = [await newAccount(), await newAccount()]
    await newLogin(account.email)
    const first = await account.request('GET', '/api/auth/activity?limit=1')
    expect(first.body).toMatchObject({ count: 1, next_cursor: expect.any(String) })
    const second = await account.request('GET', `/api/auth/activity?limit=1&cursor=${first.body.next_cursor}`)
    expect(second.body).toMatchObject({ count: 1, next_cursor: null })
    expect(second.body.activity[0].id).not.toBe(first.body.activity[0].id)
    expect(await eventsOf(other)).toEqual(['login_password'])
    expect(problemOf(await call('GET', '/api/auth/activity'))).toEqual([401, 'missing_credentials'])
  })

  test('is kept for 90 days', async () => {
    const account = await newAccount()
    const insert = env.DB.prepare(
      `INSERT INTO activity (user_id, id, at, event) VALUES (?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?), 'exported')`,
    )
    await env.DB.batch([
      insert.bind(account.id, '01900000-0000-7000-8000-000000000001', '-89 days'),
      insert.bind(account.id, '01900000-0000-7000-8000-000000000000', '-91 days'),
    ])
    expect(await eventsOf(account)).toEqual(['exported', 'login_password'])
    await worker.scheduled(createScheduledController(), env)
    const { results } = await env.DB.prepare('SELECT id FROM activity WHERE user_id = ? AND event = ?')
      .bind(account.id, 'exported')
      .all()
    expect(results).toEqual([{ id: '01900000-0000-7000-8000-000000000001' }])
  })

  test('is exported with the account', async () => {
    const account = await newAccount()
    const { body } = await account.request('GET', '/api/me/export')
    expect(new Set(body.activity.map(({ event }: Json) => event))).toEqual(
      new Set(['exported', 'login_password']),
    )
  })

  test('notes nothing of a user who has no account here', async () => {
    const user = await newUser()
    await user.call('GET', '/export')
    await call('GET', `/api/${user.id}/tasks`, { headers: await adminHeaders() })
    const noted = await env.DB.prepare('SELECT count(*) AS rows FROM activity WHERE user_id = ?')
      .bind(user.id)
      .first('rows')
    expect(noted).toBe(0)
  })
})

describe('an administrator ends a user’s sessions', () => {
  test('all at once, for the very next request', async () => {
    const account = await newAccount()
    const other = await newLogin(account.email)
    const path = `/api/admin/users/${account.id}/sessions`
    expect((await call('DELETE', path, { headers: await adminHeaders() })).status).toBe(204)
    for (const login of [account, other]) {
      expect(problemOf(await login.request('GET', '/api/auth/me'))).toEqual([401, 'session_ended'])
      expect((await refresh(login.refreshToken)).status).toBe(401)
    }
    expect((await logIn(account.email)).status).toBe(200)
  })

  test('and nobody else can', async () => {
    const [account, other] = [await newAccount(), await newAccount()]
    const path = `/api/admin/users/${account.id}/sessions`
    expect(problemOf(await other.request('DELETE', path))).toEqual([403, 'admin_only'])
    expect(problemOf(await call('DELETE', path))).toEqual([401, 'missing_credentials'])
    expect((await account.request('GET', '/api/auth/me')).status).toBe(200)
    expect((await call('GET', path)).status).toBe(405)
  })

  test('and there has to be such an account', async () => {
    const path = `/api/admin/users/${crypto.randomUUID()}/sessions`
    expect(problemOf(await call('DELETE', path, { headers: await adminHeaders() }))).toEqual([
      404,
      'row_not_found',
    ])
  })
})
