import { env } from 'cloudflare:workers'
import { hashSync } from 'bcryptjs'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { describe, expect, test } from 'vitest'
import { inTurn, MAX_WAITING } from '../src/accounts/turns.ts'
import { logIn, newAccount, newEmail, newLogin, PASSWORD, refresh } from './account.ts'
import { call, newId, newUser, tokenFor, type Answer, type Json } from './client.ts'
import { problemOf } from './stored.ts'

const register = (body: unknown) => call('POST', '/api/auth/register', { body })

describe('register', () => {
  test('makes an account and answers with what it is', async () => {
    const email = newEmail()
    const { status, body, headers } = await register({ email, password: PASSWORD })
    expect(status).toBe(201)
    expect(body).toEqual({
      id: expect.any(String),
      email,
      email_verified: false,
      role: 'user',
      created_at: expect.any(String),
    })
    expect(body.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(headers.get('Cache-Control')).toBe('no-store')
  })

  test('refuses an e-mail that is taken, however it is written', async () => {
    const email = newEmail()
    await register({ email, password: PASSWORD })
    for (const same of [email, email.toUpperCase(), ` ${email} `]) {
      expect(problemOf(await register({ email: same, password: PASSWORD }))).toEqual([409, 'email_taken'])
    }
  })

  test.each([
    [{ email: 'nobody', password: PASSWORD }, 'email'],
    [{ email: 'a@b@example.com', password: PASSWORD }, 'email'],
    [{ email: newEmail(), password: 'short' }, 'password'],
    [{ email: newEmail(), password: 'x'.repeat(129) }, 'password'],
    [{ email: newEmail(), password: 'Password1' }, 'password'],
    [{ email: 'ada.lovelace@example.com', password: 'ada.lovelace1' }, 'password'],
    [{ email: 'ada.lovelace@example.com', password: 'Lovelace!!' }, 'password'],
    [{ email: newEmail(), password: 'Freehold123' }, 'password'],
    [{ email: newEmail(), password: 'Summer2026!' }, 'password'],
    [{ email: newEmail(), password: 'password2024' }, 'password'],
    [{ email: newEmail() }, 'password'],
    [{ email: newEmail(), password: PASSWORD, role: 'admin' }, 'role'],
  ])('refuses %j and names %s', async (body, path) => {
    const answer = await register(body)
    expect(problemOf(answer)).toEqual([422, 'invalid_body'])
    expect(answer.body.errors.map((error: { path: string }) => error.path)).toEqual([path])
    expect(answer.text).not.toContain(PASSWORD)
  })

  test('takes JSON only', async () => {
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const body = 'email=a@example.com&password=whatever'
    expect(problemOf(await call('POST', '/api/auth/register', { body, headers: form }))).toEqual([
      415,
      'not_json',
    ])
    expect(problemOf(await register('{'))).toEqual([400, 'malformed_json'])
  })
})

describe('login', () => {
  test('answers with a pair of tokens that the API takes', async () => {
    const { email, id } = await newAccount()
    const { status, body, headers } = await logIn(email)
    expect(status).toBe(200)
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'bearer',
      expires_in: 900,
      refresh_token: expect.stringMatching(/^[\w-]{80,}$/),
    })
    expect(headers.get('Cache-Control')).toBe('no-store')
    expect(headers.get('Set-Cookie')).toBeNull()
    expect(decodeJwt(body.access_token)).toMatchObject({ sub: id, role: 'user', sid: expect.any(String) })
    expect(decodeProtectedHeader(body.access_token)).toMatchObject({ typ: 'at+jwt' })
    const authorization = { Authorization: `Bearer ${body.access_token}` }
    const tasks = await call('POST', `/api/${id}/tasks`, { body: { title: 'mine' }, headers: authorization })
    expect(tasks.status).toBe(201)
    expect(tasks.body.user_id).toBe(id)
  })

  test('finds the account however the e-mail is written', async () => {
    const { email } = await newAccount()
    expect((await logIn(` ${email.toUpperCase()}`)).status).toBe(200)
  })

  test('takes the form of OAuth 2.0, and what else such a client sends', async () => {
    const { email } = await newAccount()
    const form = (fields: Record<string, string>) =>
      call('POST', '/api/auth/login', {
        body: new URLSearchParams(fields).toString(),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded; charset=UTF-8' },
      })
    const sent = { grant_type: 'password', username: email, password: PASSWORD, scope: '', client_id: 'app' }
    expect((await form(sent)).body.token_type).toBe('bearer')
    expect((await form({ username: email, password: PASSWORD })).status).toBe(200)
    expect(problemOf(await form({ ...sent, password: 'wrong' }))).toEqual([401, 'invalid_credentials'])
    expect(problemOf(await form({ ...sent, grant_type: 'client_credentials' }))).toEqual([
      400,
      'unsupported_grant_type',
    ])
    expect(problemOf(await form({ username: email }))).toEqual([400, 'invalid_request'])
  })

  test('takes no field of a form twice', async () => {
    const { email } = await newAccount()
    const fields = new URLSearchParams({ username: email, password: PASSWORD })
    fields.append('password', PASSWORD)
    const answer = await call('POST', '/api/auth/login', {
      body: fields.toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
    expect(problemOf(answer)).toEqual([400, 'invalid_request'])
    expect(answer.body.errors).toEqual([{ path: 'password', code: 'repeated', message: 'must come once' }])
  })

  test('tells a wrong password and an unknown e-mail apart by nothing but the request’s own marks', async () => {
    const { email } = await newAccount()
    const [wrong, unknown] = [
      await logIn(email, 'not the password'),
      await logIn(newEmail(), 'not the password'),
    ]
    const marks = (answer: typeof wrong) => {
      const headers = Object.fromEntries(answer.headers)
      const { request_id: _id, ...body } = answer.body
      return {
        status: answer.status,
        body,
        headers: { ...headers, 'x-request-id': '', 'x-d1-bookmark': '', 'server-timing': '' },
      }
    }
    expect(problemOf(wrong)).toEqual([401, 'invalid_credentials'])
    expect(wrong.headers.get('WWW-Authenticate')).toBe('Bearer')
    expect(marks(wrong)).toEqual(marks(unknown))
  })
})

describe('an account brought from another system', () => {
  test.each(['legacy-42', 'auth0|5f7c8ec7c33c6c004bbafe82', '~'.repeat(128)])(
    'keeps its id %s',
    async (name) => {
      const id = name.slice(0, -8) + crypto.randomUUID().slice(0, 8)
      const email = newEmail()
      await env.DB.prepare(`INSERT INTO users (id, email, password_hash, created_at, updated_at)
      VALUES (?, ?, ?, '2020-01-01T00:00:00.000Z', '2020-01-01T00:00:00.000Z')`)
        .bind(id, email, hashSync(PASSWORD, 4))
        .run()
      const { refreshToken, request } = await newLogin(email)
      expect((await request('GET', '/api/auth/me')).body.id).toBe(id)
      const { status, body } = await refresh(refreshToken)
      expect([status, decodeJwt(body.access_token).sub]).toEqual([200, id])
      await env.DB.prepare(`UPDATE users SET role = 'admin' WHERE id = ?`).bind(id).run()
      const admin = await newLogin(email)
      const seen: string[] = []
      for (let cursor: string | null = ''; cursor !== null && !seen.includes(id);) {
        const page: Answer = await admin.request(
          'GET',
          `/api/admin/users?limit=1${cursor && `&cursor=${cursor}`}`,
        )
        expect(page.status).toBe(200)
        seen.push(...page.body.users.map((user: Json) => user.id))
        cursor = page.body.next_cursor
      }
      expect(seen).toContain(id)
    },
  )
})

describe('logins at the same time', () => {
  test('all succeed while one replaces the bcrypt hash of another system', async () => {
    const { email, id } = await newAccount()
    const hash = hashSync(PASSWORD, 4)
    await env.DB.prepare('UPDATE users SET password_hash = ? WHERE id = ?').bind(hash, id).run()
    const answers = await Promise.all(Array.from({ length: 4 }, () => logIn(email)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    const stored = await env.DB.prepare('SELECT password_hash FROM users WHERE id = ?').bind(id).first()
    expect(stored).toEqual({ password_hash: expect.stringMatching(/^\$scrypt\$/) })
  })

  test('that are too many tell a known e-mail and an unknown one apart by no cost', async () => {
    const { email } = await newAccount()
    let end = () => {}
    const held = new Promise<void>((resolve) => (end = resolve))
    const queue = Array.from({ length: MAX_WAITING }, () => inTurn(() => held))
    const refused = [await logIn(email), await logIn(newEmail())]
    end()
    await Promise.allSettled(queue)
    for (const answer of refused) {
      expect(problemOf(answer)).toEqual([503, 'busy'])
      expect(answer.headers.get('x-d1-rows-read')).toBeNull()
    }
  })
})

describe('me', () => {
  test('is the account of the token', async () => {
    const { id, email, request } = await newAccount()
    const { status, body } = await request('GET', '/api/auth/me')
    expect(status).toBe(200)
    expect(body).toEqual({ id, email, email_verified: false, role: 'user', created_at: expect.any(String) })
    expect((await request('GET', '/api/v1/auth/me')).body).toEqual(body)
  })

  test('is nobody for a user of an identity provider', async () => {
    const { request } = await newUser()
    expect(problemOf(await request('GET', '/api/auth/me'))).toEqual([404, 'no_account'])
  })

  test('needs credentials', async () => {
    expect(problemOf(await call('GET', '/api/auth/me'))).toEqual([401, 'missing_credentials'])
  })
})

describe('a change of password', () => {
  const changed = 'another password that nobody has'

  test('keeps this session, ends every other at once, and the old password is no longer one', async () => {
    const { email, request, refreshToken } = await newAccount()
    const other = await newLogin(email)
    const body = { current_password: PASSWORD, new_password: changed }
    const renewed = await request('PUT', '/api/auth/password', body)
    expect([renewed.status, renewed.body.token_type]).toEqual([200, 'bearer'])
    expect((await request('GET', '/api/auth/me')).status).toBe(200)
    expect(problemOf(await other.request('GET', '/api/me/tasks'))).toEqual([401, 'session_ended'])
    const refreshed = (token: string) => call('POST', '/api/auth/refresh', { body: { refresh_token: token } })
    expect(problemOf(await refreshed(other.refreshToken))).toEqual([401, 'invalid_refresh_token'])
    expect(problemOf(await refreshed(refreshToken))).toEqual([401, 'invalid_refresh_token'])
    expect((await refreshed(renewed.body.refresh_token)).status).toBe(200)
    expect((await request('GET', '/api/auth/me')).status).toBe(200)
    expect(problemOf(await logIn(email))).toEqual([401, 'invalid_credentials'])
    expect((await logIn(email, changed)).status).toBe(200)
  })

  test('needs the current one, and a good one', async () => {
    const { email, request } = await newAccount()
    const change = (current_password: string, new_password: string) =>
      request('PUT', '/api/auth/password', { current_password, new_password })
    expect(problemOf(await change('wrong', changed))).toEqual([401, 'invalid_credentials'])
    expect(problemOf(await change(PASSWORD, 'short'))).toEqual([422, 'invalid_body'])
    expect((await logIn(email)).status).toBe(200)
  })

  test('by cookie puts the new tokens into cookies', async () => {
    const { email } = await newAccount()
    const body = { email, password: PASSWORD }
    const login = await call('POST', '/api/auth/login?cookie=true', { body })
    const Cookie = login.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0])
      .join('; ')
    const renewed = await call('PUT', '/api/auth/password', {
      body: { current_password: PASSWORD, new_password: changed },
      headers: { Cookie, Origin: 'https://api.test' },
    })
    expect([renewed.status, renewed.body]).toEqual([200, { token_type: 'bearer', expires_in: 900 }])
    expect(renewed.headers.getSetCookie().join()).toMatch(/__Host-access_token=.*__Host-refresh_token=/)
  })

  test('with a token without a session has nothing to renew', async () => {
    const { id } = await newAccount()
    const headers = { Authorization: `Bearer ${await tokenFor(id)}` }
    const body = { current_password: PASSWORD, new_password: changed }
    expect((await call('PUT', '/api/auth/password', { body, headers })).status).toBe(204)
  })

  test('that finished first leaves no session to a login under way', async () => {
    const { email, request } = await newAccount()
    const [change, ...logins] = await Promise.all([
      request('PUT', '/api/auth/password', { current_password: PASSWORD, new_password: changed }),
      ...Array.from({ length: 5 }, () => logIn(email)),
    ])
    expect(change.status).toBe(200)
    for (const { status, body } of logins) {
      if (status !== 200) continue
      const authorization = { Authorization: `Bearer ${body.access_token}` }
      const seen = await call('GET', '/api/auth/me', { headers: authorization })
      expect(problemOf(seen)).toEqual([401, 'session_ended'])
    }
  })
})

describe('paths', () => {
  test.each([
    ['register', 'POST'],
    ['login', 'POST'],
    ['refresh', 'POST'],
    ['logout', 'POST'],
    ['password', 'PUT'],
    ['me', 'GET, HEAD'],
    ['sessions', 'GET, HEAD'],
    [`sessions/${newId()}`, 'DELETE'],
    ['activity', 'GET, HEAD'],
  ])('/api/auth/%s knows its methods before it asks for credentials', async (path, allow) => {
    for (const prefix of ['/api', '/api/v1']) {
      const { status, headers } = await call('PATCH', `${prefix}/auth/${path}`)
      expect([status, headers.get('Allow')]).toEqual([405, allow])
    }
  })

  test('a user called auth or admin has none', async () => {
    const authorization = { Authorization: `Bearer ${await tokenFor('someone')}` }
    for (const path of ['/api/auth/tasks', '/api/admin/tasks', '/api/auth', '/api/admin']) {
      const method = path.endsWith('tasks') ? 'GET' : 'DELETE'
      expect(problemOf(await call(method, path, { headers: authorization }))).toEqual([403, 'not_your_path'])
    }
  })
})
