import { env } from 'cloudflare:workers'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { loginWith, newAccount, newLogin, refresh } from './account.ts'
import { call, newId, newUser, tokenFor, type Answer } from './client.ts'
import { captureLog, countedDatabase, deploy } from './deployment.ts'
import { problemOf } from './stored.ts'
import { inObjects } from './rows.ts'

const REFUSED = [401, 'invalid_refresh_token']
const ENDED = [401, 'session_ended']

/** What is stored of a session, by its access token. */
async function storedSession(access: string) {
  const { sub, sid } = decodeJwt(access)
  return env.DB.prepare('SELECT * FROM sessions WHERE user_id = ? AND id = ?')
    .bind(sub, sid)
    .first<Record<string, string>>()
}

/** Makes a session's last refresh older. */
async function age(access: string, seconds: number, columns = ['last_used_at']) {
  const sets = columns.map(
    (column) => `${column} = strftime('%Y-%m-%dT%H:%M:%fZ', ${column}, '-${seconds} seconds')`,
  )
  const { sub, sid } = decodeJwt(access)
  await env.DB.prepare(`UPDATE sessions SET ${sets.join()} WHERE user_id = ? AND id = ?`).bind(sub, sid).run()
}

describe('refresh', () => {
  test('exchanges a token for a new pair of the same session, and keeps only hashes', async () => {
    const { access, refreshToken, id } = await newAccount()
    const { status, body } = await refresh(refreshToken)
    expect(status).toBe(200)
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'bearer',
      expires_in: 900,
      refresh_token: expect.any(String),
    })
    expect(body.refresh_token).not.toBe(refreshToken)
    expect(decodeJwt(body.access_token)).toMatchObject({ sub: id, sid: decodeJwt(access).sid })
    expect((await loginWith(body).request('GET', '/api/me/tasks')).status).toBe(200)
    const stored = JSON.stringify(await storedSession(access))
    for (const token of [refreshToken, body.refresh_token]) {
      const bytes = Uint8Array.fromBase64(token, { alphabet: 'base64url' })
      expect(bytes.length).toBe(100)
      expect(stored).not.toContain(token)
      expect(stored).not.toContain(bytes.slice(-32).toHex())
    }
  })

  test('is one round trip', async () => {
    const { refreshToken } = await newAccount()
    const { seen, DB } = countedDatabase()
    const answer = await deploy({ DB })('POST', '/api/auth/refresh', {
      body: { refresh_token: refreshToken },
    })
    expect([answer.status, seen.batches]).toEqual([200, 1])
  })

  test('gives two tabs that race one session that goes on', async () => {
    const { access, refreshToken } = await newAccount()
    const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(refreshToken)))
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200))
    const sessions = new Set(answers.map(({ body }) => decodeJwt(body.access_token).sid))
    expect([...sessions]).toEqual([decodeJwt(access).sid])
    for (const { body } of answers) {
      expect((await loginWith(body).request('GET', '/api/auth/me')).status).toBe(200)
    }
    // Each of them continues with what it got.
    const [first, second] = answers
    const next = await refresh(first?.body.refresh_token)
    expect(next.status).toBe(200)
    expect((await refresh(second?.body.refresh_token)).status).toBe(200)
    expect((await refresh(next.body.refresh_token)).status).toBe(200)
  })

  test('with the previous token within ten seconds gets a pair that works', async () => {
    const { access, refreshToken } = await newAccount()
    const [first, again] = [await refresh(refreshToken), await refresh(refreshToken)]
    expect(again.status).toBe(200)
    expect((await loginWith(again.body).request('GET', '/api/auth/me')).status).toBe(200)
    expect(decodeJwt(again.body.access_token).sid).toBe(decodeJwt(access).sid)
    expect((await refresh(first.body.refresh_token)).status).toBe(200)
  })

  test('with the previous token later ends the session', async () => {
    const { access, refreshToken, request } = await newAccount()
    const { body } = await refresh(refreshToken)
    await age(access, 11)
    expect(problemOf(await refresh(refreshToken))).toEqual(REFUSED)
    expect(problemOf(await refresh(body.refresh_token))).toEqual(REFUSED)
    expect(problemOf(await request('GET', '/api/me/tasks'))).toEqual(ENDED)
    expect(await storedSession(access)).toBeNull()
  })

  test('with a token before the previous one ends the session at once', async () => {
    const { refreshToken } = await newAccount()
    const second = await refresh(refreshToken)
    const third = await refresh(second.body.refresh_token)
    expect(problemOf(await refresh(refreshToken))).toEqual(REFUSED)
    expect(problemOf(await refresh(third.body.refresh_token))).toEqual(REFUSED)
    expect(problemOf(await loginWith(third.body).request('GET', '/api/auth/me'))).toEqual(ENDED)
  })

  test('with a token that somebody made up for a session does not end it', async () => {
    const { access, refreshToken } = await newAccount()
    const bytes = Uint8Array.fromBase64(refreshToken, { alphabet: 'base64url' })
    const forged = bytes.slice()
    crypto.getRandomValues(forged.subarray(-48))
    const text = (token: Uint8Array) => token.toBase64({ alphabet: 'base64url', omitPadding: true })
    expect(problemOf(await refresh(text(forged)))).toEqual(REFUSED)
    expect(await storedSession(access)).not.toBeNull()
    expect((await refresh(refreshToken)).status).toBe(200)
  })

  test('raises an alarm when a token is used again, and none when its session has expired', async () => {
    const { parsed } = captureLog()
    const alarms = () => parsed().filter(({ event }) => event === 'refresh_token_reused').length
    const late = await newAccount()
    await age(late.access, 15 * 86_400, ['ends_at'])
    expect(problemOf(await refresh(late.refreshToken))).toEqual(REFUSED)
    expect(alarms()).toBe(0)
    const robbed = await newAccount()
    await refresh(robbed.refreshToken)
    await age(robbed.access, 11)
    expect(problemOf(await refresh(robbed.refreshToken))).toEqual(REFUSED)
    expect(alarms()).toBe(1)
  })

  test('never moves the end of a session', async () => {
    const { access, refreshToken } = await newAccount()
    const before = await storedSession(access)
    const { body } = await refresh(refreshToken)
    const after = await storedSession(body.access_token)
    expect(after?.expires_at).toBe(before?.expires_at)
    const lifetime = Date.parse(before?.expires_at ?? '') - Date.parse(before?.created_at ?? '')
    expect(lifetime).toBe(30 * 86_400_000)
  })

  test.each([
    ['has expired', ['expires_at', 'ends_at'], 30 * 86_400],
    ['was not used for too long', ['last_used_at', 'ends_at'], 14 * 86_400],
  ])('is refused once the session %s, and so is its access token', async (_, columns, seconds) => {
    const { access, refreshToken, request } = await newAccount()
    await age(access, seconds, columns)
    expect(problemOf(await request('GET', '/api/me/tasks'))).toEqual(ENDED)
    expect(problemOf(await refresh(refreshToken))).toEqual(REFUSED)
  })

  test('takes the role of the account as it is now', async () => {
    const { id, refreshToken } = await newAccount()
    await env.DB.prepare(`UPDATE users SET role = 'admin' WHERE id = ?`).bind(id).run()
    const { body } = await refresh(refreshToken)
    expect(decodeJwt(body.access_token).role).toBe('admin')
  })

  test.each(['', 'x', 'a'.repeat(107), '..', '%00'])(
    'refuses %j without asking D1',
    async (refresh_token) => {
      const { seen, DB } = countedDatabase()
      const answer = await deploy({ DB })('POST', '/api/auth/refresh', { body: { refresh_token } })
      expect(problemOf(answer)).toEqual(REFUSED)
      expect(answer.headers.get('WWW-Authenticate')).toContain('error="invalid_token"')
      expect(seen.batches).toBe(0)
    },
  )

  test('needs a token', async () => {
    expect(problemOf(await call('POST', '/api/auth/refresh'))).toEqual([401, 'missing_credentials'])
    expect(problemOf(await call('POST', '/api/auth/refresh', { body: {} }))).toEqual([
      401,
      'missing_credentials',
    ])
    const wrong = await call('POST', '/api/auth/refresh', { body: { refresh_token: 1 } })
    expect(problemOf(wrong)).toEqual([422, 'invalid_body'])
  })
})

describe('logout', () => {
  const out = (body?: unknown, access?: string): Promise<Answer> =>
    call('POST', '/api/auth/logout', { body, headers: access ? { Authorization: `Bearer ${access}` } : {} })

  test.each([
    ['an access token', ({ access }: Awaited<ReturnType<typeof newAccount>>) => out(undefined, access)],
    [
      'a refresh token',
      ({ refreshToken }: Awaited<ReturnType<typeof newAccount>>) => out({ refresh_token: refreshToken }),
    ],
    [
      'both',
      ({ access, refreshToken }: Awaited<ReturnType<typeof newAccount>>) =>
        out({ refresh_token: refreshToken }, access),
    ],
  ])('with %s ends the session, and no other', async (_, logout) => {
    const account = await newAccount()
    const other = await newLogin(account.email)
    expect((await logout(account)).status).toBe(204)
    expect(problemOf(await account.request('GET', '/api/me/tasks'))).toEqual(ENDED)
    expect(problemOf(await account.request('POST', '/api/me/tasks', { title: 'late' }))).toEqual(ENDED)
    expect(problemOf(await refresh(account.refreshToken))).toEqual(REFUSED)
    expect((await other.request('GET', '/api/me/tasks')).body.tasks).toEqual([])
  })

  test.each([
    ['an access token', ({ access }: Awaited<ReturnType<typeof newAccount>>) => out({ all: true }, access)],
    [
      'a refresh token',
      ({ refreshToken }: Awaited<ReturnType<typeof newAccount>>) =>
        out({ all: true, refresh_token: refreshToken }),
    ],
  ])('of all, with %s, ends every session of the user, and nobody else’s', async (_, logout) => {
    const [account, stranger] = [await newAccount(), await newAccount()]
    const other = await newLogin(account.email)
    expect((await logout(account)).status).toBe(204)
    expect(problemOf(await account.request('GET', '/api/auth/me'))).toEqual(ENDED)
    expect(problemOf(await other.request('GET', '/api/auth/me'))).toEqual(ENDED)
    expect((await stranger.request('GET', '/api/auth/me')).status).toBe(200)
  })

  test('with an old refresh token still ends the session', async () => {
    const { refreshToken, request } = await newAccount()
    await refresh(refreshToken)
    await out({ refresh_token: refreshToken })
    expect(problemOf(await request('GET', '/api/auth/me'))).toEqual(ENDED)
  })

  test('with a refresh token of no session does nothing, and needs some credentials', async () => {
    const { refreshToken } = await newAccount()
    await out({ refresh_token: refreshToken })
    expect((await out({ refresh_token: refreshToken })).status).toBe(204)
    expect((await out({ refresh_token: 'nonsense' })).status).toBe(204)
    expect(problemOf(await out())).toEqual([401, 'missing_credentials'])
    expect(problemOf(await out({ all: true }))).toEqual([401, 'missing_credentials'])
    expect(problemOf(await out({ refresh_token: refreshToken }, 'bad'))).toEqual([401, 'invalid_token'])
  })
})

describe('a token of a session', () => {
  test('costs a read one row more and no round trip', async () => {
    const { id, access } = await newAccount()
    const user = await newUser(id)
    const { body: task } = await user.call('POST', '/tasks', { title: 'one' })
    for (const path of [`/tasks/${task.id}`, '/tasks', '/changes']) {
      const { seen, DB } = countedDatabase()
      const through = (authorization: string) =>
        deploy({ DB })('GET', `/api/me${path}`, { headers: { Authorization: authorization } })
      const without = await through(user.authorization.Authorization)
      const within = await through(`Bearer ${access}`)
      const rows = (answer: Answer) => Number(answer.headers.get('x-d1-rows-read'))
      // An object remembers what D1 has said of a session.
      expect(rows(within) - rows(without)).toBe(inObjects ? 0 : 1)
      expect(seen.batches).toBe(inObjects ? 0 : 2)
    }
  })

  test('writes nothing once the session has ended', async () => {
    const { id, access, request } = await newAccount()
    const { body: task } = await request('POST', '/api/me/tasks', { title: 'before' })
    await call('POST', '/api/auth/logout', { headers: { Authorization: `Bearer ${access}` } })
    const writes = [
      ['POST', '/tasks', { title: 'after' }],
      ['PUT', `/tasks/${task.id}`, { title: 'after' }],
      ['PATCH', `/tasks/${task.id}`, { title: 'after' }],
      ['PATCH', `/tasks/${task.id}/complete`, undefined],
      ['POST', '/tasks/bulk', { operations: [{ op: 'delete', id: task.id }] }],
      ['DELETE', `/tasks/${task.id}`, undefined],
      ['DELETE', '', undefined],
    ] as const
    for (const [method, path, body] of writes) {
      const answer = await request(method, `/api/me${path}`, body, { 'Idempotency-Key': 'late' })
      expect([method, path, ...problemOf(answer)]).toEqual([method, path, ...ENDED])
      expect(answer.headers.get('WWW-Authenticate')).toContain('error="invalid_token"')
    }
    const user = await newUser(id)
    expect((await user.call('GET', `/tasks/${task.id}`)).body).toEqual(task)
  })

  test('that was never one is no session', async () => {
    const { id } = await newAccount()
    for (const [sub, sid] of [
      [id, newId()],
      ['somebody', newId()],
    ] as const) {
      const authorization = { Authorization: `Bearer ${await tokenFor(sub, { sid })}` }
      expect(problemOf(await call('GET', '/api/me/tasks', { headers: authorization }))).toEqual(ENDED)
    }
  })
})

describe('the list of sessions', () => {
  test('shows those that live, newest first, and which one asks', async () => {
    const { email, request, access } = await newAccount()
    const phone = await newLogin(email)
    await age((await newLogin(email)).access, 31 * 86_400, ['ends_at'])
    const { status, body } = await request('GET', '/api/auth/sessions')
    expect(status).toBe(200)
    expect(body).toMatchObject({ count: 2, next_cursor: null })
    expect(body.sessions.map(({ id, current }: { id: string; current: boolean }) => [id, current])).toEqual([
      [decodeJwt(phone.access).sid, false],
      [decodeJwt(access).sid, true],
    ])
    expect(Object.keys(body.sessions[0])).toEqual([
      'id',
      'current',
      'created_at',
      'last_used_at',
      'expires_at',
      'user_agent',
    ])
  })

  test('comes in pages', async () => {
    const { email, request } = await newAccount()
    await newLogin(email)
    await newLogin(email)
    const seen: string[] = []
    let cursor: string | null = ''
    for (let pages = 0; cursor !== null && pages < 5; pages += 1) {
      const { body }: Answer = await request(
        'GET',
        `/api/auth/sessions?limit=2${cursor && `&cursor=${cursor}`}`,
      )
      seen.push(...body.sessions.map(({ id }: { id: string }) => id))
      cursor = body.next_cursor
    }
    expect(seen).toHaveLength(3)
    expect(seen).toEqual([...new Set(seen)].toSorted().toReversed())
    for (const query of ['limit=0', 'limit=101', 'cursor=x', 'cursor=', 'page=2']) {
      expect(problemOf(await request('GET', `/api/auth/sessions?${query}`))).toEqual([422, 'invalid_query'])
    }
  })

  test('ends one', async () => {
    const { email, request } = await newAccount()
    const phone = await newLogin(email)
    const path = `/api/auth/sessions/${String(decodeJwt(phone.access).sid)}`
    const stranger = await newAccount()
    expect(problemOf(await stranger.request('DELETE', path))).toEqual([404, 'row_not_found'])
    expect((await request('DELETE', path)).status).toBe(204)
    expect(problemOf(await phone.request('GET', '/api/auth/me'))).toEqual(ENDED)
    expect(problemOf(await request('DELETE', path))).toEqual([404, 'row_not_found'])
    expect(problemOf(await request('DELETE', '/api/auth/sessions/nonsense'))).toEqual([404, 'row_not_found'])
    expect((await request('GET', '/api/auth/me')).status).toBe(200)
  })
})
