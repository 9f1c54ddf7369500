import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import { newMailbox } from '../openapi/mailbox.ts'
import { newEmail, PASSWORD } from './account.ts'
import type { Answer } from './client.ts'
import worker from '../src/index.ts'
import { captureLog, deploy } from './deployment.ts'
import { problemOf } from './stored.ts'
import { ask } from './rows.ts'

const CHANGED = 'another password that nobody has'
const FROM = { MAIL_FROM: 'Freehold <freehold@example.com>' }

/** A deployment that sends mail, and its mailbox. */
function newPost(settings: Parameters<typeof deploy>[0] = {}) {
  const mailbox = newMailbox()
  const app = deploy({ EMAIL: mailbox.EMAIL, ...FROM, ...settings })
  const post = (path: string, body: unknown) => app('POST', `/api/auth${path}`, { body })
  const as = (token: string) => (method: string, path: string, body?: unknown) =>
    app(method, path, { body, headers: { Authorization: `Bearer ${token}` } })
  const logIn = (email: string, password = PASSWORD) => post('/login', { email, password })

  /** Registers and logs in. */
  async function register(email = newEmail()) {
    const { status, body } = await post('/register', { email, password: PASSWORD })
    expect(status).toBe(201)
    const login = await logIn(email)
    return {
      id: String(body.id),
      email,
      refreshToken: String(login.body.refresh_token),
      request: as(login.body.access_token),
    }
  }

  /** Registers and follows the first mail. */
  async function verified(email = newEmail()) {
    const account = await register(email)
    expect((await post('/email/verify', { token: await mailbox.token('verify', email) })).status).toBe(204)
    return account
  }

  /** Forgets the password, and uses the mail. */
  async function reset(email: string, new_password = CHANGED): Promise<Answer> {
    expect((await post('/password/forgot', { email })).status).toBe(202)
    return post('/password/reset', { token: await mailbox.token('reset', email), new_password })
  }

  return { app, mailbox, post, as, logIn, register, verified, reset }
}

const stampNow = `strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`

/** Gives an account a passkey and a provider's identity, as if added now. */
async function addFactors(userId: string): Promise<void> {
  const id = crypto.randomUUID()
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO passkeys (user_id, id, credential_id, public_key, algorithm, counter, backup_eligible, transports, name, created_at)
       VALUES (?, ?, ?, '', -7, 0, 0, '[]', 'Trojan', ${stampNow})`,
    ).bind(userId, id, id),
    env.DB.prepare(
      `INSERT INTO identities (user_id, id, issuer, subject, provider, created_at)
       VALUES (?, ?, 'https://issuer.example', ?, 'example', ${stampNow})`,
    ).bind(userId, id, id),
  ])
}

/** How many passkeys, identities, sessions and mailed tokens an account has. */
async function holdingsOf(userId: string): Promise<number[]> {
  const tables = ['passkeys', 'identities', 'sessions', 'proofs']
  const counts = await env.DB.batch<{ rows: number }>(
    tables.map((name) =>
      env.DB.prepare(`SELECT count(*) AS rows FROM ${name} WHERE user_id = ?`).bind(userId),
    ),
  )
  return counts.map(({ results }) => results[0]?.rows ?? -1)
}

const LINK = [422, 'invalid_token_link']

describe('a new account', () => {
  test('gets a mail, and is verified by the token in its fragment', async () => {
    const { mailbox, post, register } = newPost()
    const account = await register()
    const [mail] = await mailbox.to(account.email)
    expect(mail).toMatchObject({ from: FROM.MAIL_FROM, subject: expect.any(String) })
    expect(mail?.text).toMatch(/https:\/\/api\.test\/#verify=[\w-]{60,}/)
    expect(mail?.html).toMatch(/href="https:\/\/api\.test\/#verify=[\w-]{60,}"/)
    expect((await account.request('GET', '/api/auth/me')).body.email_verified).toBe(false)
    const token = await mailbox.token('verify', account.email)
    expect((await post('/email/verify', { token })).status).toBe(204)
    expect((await account.request('GET', '/api/auth/me')).body.email_verified).toBe(true)
    expect(problemOf(await post('/email/verify', { token }))).toEqual(LINK)
    const { body } = await account.request('GET', '/api/auth/activity')
    expect(body.activity[0].event).toBe('email_verified')
  })

  test('may ask for the mail again, and the newest token alone works', async () => {
    const { mailbox, post, register } = newPost()
    const account = await register()
    const first = await mailbox.token('verify', account.email)
    expect((await account.request('POST', '/api/auth/email/verification')).status).toBe(202)
    const second = await mailbox.token('verify', account.email, 2)
    expect(problemOf(await post('/email/verify', { token: first }))).toEqual(LINK)
    expect((await post('/email/verify', { token: second })).status).toBe(204)
    expect((await account.request('POST', '/api/auth/email/verification')).status).toBe(202)
    expect((await mailbox.to(account.email, 2)).length).toBe(2)
  })

  test('cannot log in before it is verified where the settings say so', async () => {
    const { mailbox, post, logIn } = newPost({ REQUIRE_VERIFIED_EMAIL: 'on' })
    const email = newEmail()
    await post('/register', { email, password: PASSWORD })
    expect(problemOf(await logIn(email))).toEqual([403, 'email_unverified'])
    expect(problemOf(await logIn(email, 'wrong'))).toEqual([401, 'invalid_credentials'])
    expect((await mailbox.to(email)).length).toBe(1)
    await env.DB.prepare(`UPDATE proofs SET expires_at = '2000-01-01T00:00:00.000Z' WHERE email = ?`)
      .bind(email)
      .run()
    expect((await logIn(email)).status).toBe(403)
    const token = await mailbox.token('verify', email, 2)
    await post('/email/verify', { token })
    expect((await logIn(email)).status).toBe(200)
  })
})

describe('a forgotten password', () => {
  test('is reset by mail: the new one works, the old one and every session do not', async () => {
    const { logIn, verified, reset } = newPost()
    const account = await verified()
    expect((await reset(account.email)).status).toBe(204)
    expect(problemOf(await account.request('GET', '/api/auth/me'))).toEqual([401, 'session_ended'])
    expect(problemOf(await logIn(account.email))).toEqual([401, 'invalid_credentials'])
    expect((await logIn(account.email, CHANGED)).status).toBe(200)
  })

  test('verifies the address', async () => {
    const { as, logIn, register, reset } = newPost()
    const { email } = await register()
    await reset(email)
    const { body } = await logIn(email, CHANGED)
    expect((await as(body.access_token)('GET', '/api/auth/me')).body.email_verified).toBe(true)
  })

  test('takes a token once: of fifty at the same time one', async () => {
    const { mailbox, post, register } = newPost()
    const { email } = await register()
    await post('/password/forgot', { email })
    const token = await mailbox.token('reset', email)
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post('/password/reset', { token, new_password: CHANGED })),
    )
    const counts = Object.groupBy(answers, ({ status }) => status)
    expect(counts[204]?.length).toBe(1)
    expect((counts[422]?.length ?? 0) + (counts[503]?.length ?? 0)).toBe(49)
  })

  test('takes a token for an hour, of the newest mail, and no weak password', async () => {
    const { mailbox, post, register } = newPost()
    const { id, email } = await register()
    await post('/password/forgot', { email })
    const first = await mailbox.token('reset', email)
    await post('/password/forgot', { email })
    const token = await mailbox.token('reset', email, 2)
    const reset = (sent: string, new_password = CHANGED) =>
      post('/password/reset', { token: sent, new_password })
    expect(problemOf(await reset(first))).toEqual(LINK)
    expect(problemOf(await reset(token, `${email.split('@')[0]}1`))).toEqual([422, 'invalid_body'])
    await env.DB.prepare(`UPDATE proofs SET expires_at = ${stampNow} WHERE user_id = ?`).bind(id).run()
    expect(problemOf(await reset(token))).toEqual(LINK)
  })

  test('looks the same for an e-mail without an account, in the answer and in the rows', async () => {
    const { mailbox, post, register } = newPost()
    const known = await register()
    const unknown = newEmail()
    const asked: unknown[] = []
    for (const email of [known.email, unknown, known.email, unknown]) {
      const metas: unknown[] = []
      const batch = env.DB.batch.bind(env.DB)
      const spy = vi.spyOn(env.DB, 'batch').mockImplementation(async (statements) => {
        const results = await batch<never>(statements)
        metas.push(results.map(({ meta }) => [meta.rows_read, meta.rows_written]))
        return results
      })
      const { status, body, headers } = await post('/password/forgot', { email })
      spy.mockRestore()
      expect(metas.length).toBe(1)
      asked.push({ status, body, headers: [...headers.keys()], metas })
    }
    expect(asked[0]).toMatchObject({ status: 202, body: undefined })
    expect(asked[1]).toEqual(asked[0])
    expect(asked[3]).toEqual(asked[2])
    await mailbox.token('reset', known.email, 2)
    expect(mailbox.letters.filter(({ to }) => to === unknown)).toEqual([])
  })
})

describe('a forged token', () => {
  test('is refused, however it was made, and never a fault of ours', async () => {
    const { mailbox, post, register } = newPost()
    const { email } = await register()
    await post('/password/forgot', { email })
    const token = await mailbox.token('reset', email)
    const forgeries = new Set([
      '',
      'x',
      '..',
      '%00',
      token.slice(1),
      `${token}A`,
      token.toUpperCase(),
      '🐎',
      '\0',
    ])
    for (let i = 0; i < 200; i += 1) {
      const at = Math.floor(Math.random() * token.length)
      const other = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'[i % 64] ?? 'A'
      forgeries.add(token.slice(0, at) + other + token.slice(at + 1))
    }
    forgeries.delete(token)
    for (const forged of forgeries) {
      for (const [path, body] of [
        ['/email/verify', { token: forged }],
        ['/password/reset', { token: forged, new_password: CHANGED }],
      ] as const) {
        expect((await post(path, body)).status, forged).toBe(422)
      }
    }
    expect((await post('/password/reset', { token, new_password: CHANGED })).status).toBe(204)
  })

  test('of another purpose proves nothing', async () => {
    const { mailbox, post, register } = newPost()
    const { email } = await register()
    const verify = await mailbox.token('verify', email)
    expect(problemOf(await post('/password/reset', { token: verify, new_password: CHANGED }))).toEqual(LINK)
    await post('/password/forgot', { email })
    const reset = await mailbox.token('reset', email)
    expect(problemOf(await post('/email/verify', { token: reset }))).toEqual(LINK)
  })
})

test('a token proves an address once: of fifty at the same time one', async () => {
  const { mailbox, post, register } = newPost()
  const account = await register()
  const next = newEmail()
  const prove = async (email: string) => {
    const token = await mailbox.token('verify', email)
    const answers = await Promise.all(Array.from({ length: 50 }, () => post('/email/verify', { token })))
    const counts = Object.groupBy(answers, ({ status }) => status)
    return [counts[204]?.length, counts[422]?.length]
  }
  expect(await prove(account.email)).toEqual([1, 49])
  await account.request('PUT', '/api/auth/email', { email: next })
  expect(await prove(next)).toEqual([1, 49])
  const { body } = await account.request('GET', '/api/auth/activity')
  const events = (body.activity as { event: string }[]).map(({ event }) => event)
  expect(events.filter((event) => /^email_(verified|changed)$/.test(event))).toEqual([
    'email_changed',
    'email_verified',
  ])
})

describe('a change of e-mail', () => {
  test('changes nothing until the new address is proved, and tells the old one', async () => {
    const { mailbox, post, logIn, verified } = newPost()
    const account = await verified()
    const email = newEmail()
    expect((await account.request('PUT', '/api/auth/email', { email })).status).toBe(202)
    expect((await account.request('GET', '/api/auth/me')).body.email).toBe(account.email)
    const told = await mailbox.to(account.email, 2)
    expect(told.at(-1)?.text).toContain('another e-mail address')
    const token = await mailbox.token('verify', email)
    expect((await post('/email/verify', { token })).status).toBe(204)
    const { body } = await account.request('GET', '/api/auth/me')
    expect(body).toMatchObject({ email, email_verified: true })
    expect((await logIn(email)).status).toBe(200)
    expect((await logIn(account.email)).status).toBe(401)
  })

  test('needs the password or a recent login', async () => {
    const { verified } = newPost()
    const account = await verified()
    await env.DB.prepare(`UPDATE sessions SET created_at = '2026-01-01T00:00:00.000Z' WHERE user_id = ?`)
      .bind(account.id)
      .run()
    const change = (body: object) => account.request('PUT', '/api/auth/email', { email: newEmail(), ...body })
    expect(problemOf(await change({}))).toEqual([403, 'reauthentication_required'])
    expect(problemOf(await change({ current_password: 'wrong' }))).toEqual([401, 'invalid_credentials'])
    expect((await change({ current_password: PASSWORD })).status).toBe(202)
  })

  test('to an address of somebody else looks the same, and its owner is told', async () => {
    const { mailbox, post, verified } = newPost()
    const [account, other] = [await verified(), await verified()]
    const free = await account.request('PUT', '/api/auth/email', { email: newEmail() })
    const taken = await account.request('PUT', '/api/auth/email', { email: other.email })
    expect([taken.status, [...taken.headers.keys()]]).toEqual([free.status, [...free.headers.keys()]])
    const mails = await mailbox.to(other.email, 2)
    expect(mails.at(-1)?.text).not.toMatch(/#\w+=/)
    expect((await other.request('GET', '/api/auth/me')).body.email).toBe(other.email)
    expect((await post('/email/verify', { token: await mailbox.token('verify', other.email) })).status).toBe(
      422,
    )
  })

  test('stops when the password is changed', async () => {
    const { mailbox, post, verified } = newPost()
    const account = await verified()
    const email = newEmail()
    await account.request('PUT', '/api/auth/email', { email })
    const token = await mailbox.token('verify', email)
    const change = { current_password: PASSWORD, new_password: CHANGED }
    expect((await account.request('PUT', '/api/auth/password', change)).status).toBe(200)
    expect(problemOf(await post('/email/verify', { token }))).toEqual(LINK)
  })
})

describe('somebody who registered your address first', () => {
  test('loses password, sessions, passkeys and identities when you prove it', async () => {
    const { logIn, register, reset } = newPost()
    const thief = await register()
    await addFactors(thief.id)
    expect((await reset(thief.email)).status).toBe(204)
    expect(await holdingsOf(thief.id)).toEqual([0, 0, 0, 0])
    expect((await logIn(thief.email)).status).toBe(401)
    expect((await thief.request('GET', '/api/auth/me')).status).toBe(401)
    expect((await logIn(thief.email, CHANGED)).status).toBe(200)
  })

  test('loses what was added before you followed the first mail, and you keep what came after', async () => {
    const { mailbox, post, register, reset } = newPost()
    const thief = await register()
    await addFactors(thief.id)
    await post('/email/verify', { token: await mailbox.token('verify', thief.email) })
    await addFactors(thief.id)
    expect((await reset(thief.email)).status).toBe(204)
    expect(await holdingsOf(thief.id)).toEqual([1, 1, 0, 0])
  })

  test('cannot take it back by a change of e-mail that was under way', async () => {
    const { mailbox, post, as, logIn, register, reset } = newPost()
    const thief = await register()
    const own = newEmail()
    await thief.request('PUT', '/api/auth/email', { email: own })
    const waiting = await mailbox.token('verify', own)
    await reset(thief.email)
    expect(problemOf(await post('/email/verify', { token: waiting }))).toEqual(LINK)
    const { body } = await logIn(thief.email, CHANGED)
    expect((await as(body.access_token)('GET', '/api/auth/me')).body.email).toBe(thief.email)
  })

  test('loses it to an account of yours that proves it, with every way in', async () => {
    const { mailbox, post, logIn, register, verified } = newPost()
    const thief = await register()
    await addFactors(thief.id)
    const owner = await verified()
    await owner.request('PUT', '/api/auth/email', { email: thief.email })
    const token = await mailbox.token('verify', thief.email, 2)
    expect((await post('/email/verify', { token })).status).toBe(204)
    expect((await owner.request('GET', '/api/auth/me')).body).toMatchObject({
      id: owner.id,
      email: thief.email,
      email_verified: true,
    })
    expect(await holdingsOf(thief.id)).toEqual([0, 0, 0, 0])
    expect((await thief.request('GET', '/api/auth/me')).status).toBe(401)
    expect((await logIn(thief.email)).status).toBe(200)
    const stored = await env.DB.prepare('SELECT email, password_hash FROM users WHERE id = ?')
      .bind(thief.id)
      .first()
    expect(stored).toEqual({ email: null, password_hash: null })
  })

  test('keeps rows without a way in for thirty days, and then is erased with them', async () => {
    const { mailbox, post, register, verified } = newPost()
    const thief = await register()
    await thief.request('POST', '/api/me/tasks', { title: 'Left behind' })
    const owner = await verified()
    await owner.request('PUT', '/api/auth/email', { email: thief.email })
    await post('/email/verify', { token: await mailbox.token('verify', thief.email, 2) })
    const tasksAfter = async (days: number) => {
      await env.DB.prepare(
        `UPDATE users SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-${days} days') WHERE id = ?`,
      )
        .bind(thief.id)
        .run()
      await worker.scheduled?.({} as ScheduledController, env)
      return (await ask(thief.id, 'SELECT 1 FROM tasks WHERE user_id = ?', thief.id)).length
    }
    expect([await tasksAfter(29), await tasksAfter(31)]).toEqual([1, 0])
    expect((await owner.request('GET', '/api/auth/me')).body.email).toBe(thief.email)
  })

  test('cannot use its first mail once the address is another account’s', async () => {
    const { mailbox, post, register, verified } = newPost()
    const thief = await register()
    const first = await mailbox.token('verify', thief.email)
    const owner = await verified()
    await owner.request('PUT', '/api/auth/email', { email: thief.email })
    await post('/email/verify', { token: await mailbox.token('verify', thief.email, 2) })
    expect(problemOf(await post('/email/verify', { token: first }))).toEqual(LINK)
  })
})

describe('mail', () => {
  test('is not there without a sender or somebody to send it; the rest is', async () => {
    for (const settings of [{ MAIL_FROM: '' }, { EMAIL: undefined }]) {
      const { app, post } = newPost(settings)
      const email = newEmail()
      expect((await post('/register', { email, password: PASSWORD })).status).toBe(201)
      expect((await post('/login', { email, password: PASSWORD })).status).toBe(200)
      for (const [method, path] of [
        ['POST', 'password/forgot'],
        ['POST', 'password/reset'],
        ['POST', 'email/verify'],
        ['POST', 'email/verification'],
        ['PUT', 'email'],
      ] as const) {
        expect(problemOf(await app(method, `/api/auth/${path}`, { body: {} }))).toEqual([
          503,
          'mail_unavailable',
        ])
      }
    }
  })

  test('is tried again, and a token is never logged', async () => {
    const { lines } = captureLog()
    const { mailbox, post } = newPost()
    mailbox.fail(2)
    const email = newEmail()
    await post('/register', { email, password: PASSWORD })
    const token = await mailbox.token('verify', email)
    expect(lines.join('\n')).not.toContain(token)
    expect(lines.join('\n')).not.toContain(email)
  })

  test('leads to APP_URL', async () => {
    const { mailbox, post } = newPost({ APP_URL: 'https://app.example/account' })
    const email = newEmail()
    await post('/register', { email, password: PASSWORD })
    const [mail] = await mailbox.to(email)
    expect(mail?.text).toMatch(/https:\/\/app\.example\/account#verify=/)
  })

  test.each([
    ['resend', 'https://api.resend.com/emails', 'Authorization', 'Bearer key'],
    ['postmark', 'https://api.postmarkapp.com/email', 'X-Postmark-Server-Token', 'key'],
  ] as const)('goes through %s when the settings say so', async (provider, url, name, value) => {
    const sent: { url: string; headers: Headers; body: string }[] = []
    const spy = vi.spyOn(globalThis, 'fetch').mockImplementation(async (to, init) => {
      const request = new Request(to, init)
      sent.push({ url: request.url, headers: request.headers, body: await request.text() })
      return new Response('{}')
    })
    const { post } = newPost({ EMAIL: undefined, MAIL_PROVIDER: provider, MAIL_API_KEY: 'key' })
    const email = newEmail()
    await post('/register', { email, password: PASSWORD })
    await vi.waitFor(() => expect(sent.length).toBe(1))
    spy.mockRestore()
    expect(sent[0]?.url).toBe(url)
    expect(sent[0]?.headers.get(name)).toBe(value)
    expect(sent[0]?.body).toContain(email)
    expect(sent[0]?.body).toContain('#verify=')
  })
})
