import { env } from 'cloudflare:workers'
import { importJWK, SignJWT, type JWK, type JWTPayload } from 'jose'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { newAccount } from './account.ts'
import { call, newUser, tokenFor } from './client.ts'
import { captureLog, deploy } from './deployment.ts'
import { partsOf } from './jws.ts'

const PROVIDER = 'https://idp.test'
const TRUST = { JWKS_URL: `${PROVIDER}/jwks`, JWT_ISSUER: PROVIDER, JWT_AUDIENCE: 'freehold' }
const app = deploy(TRUST)

async function providerToken(sub: string, more: JWTPayload = {}): Promise<{ Authorization: string }> {
  const exp = Math.floor(Date.now() / 1000) + 600
  const token = await new SignJWT({ sub, exp, iss: PROVIDER, aud: 'freehold', ...more })
    .setProtectedHeader({ alg: 'ES256', kid: 'kid-ES256' })
    .sign(await importJWK(env.PROVIDER_KEYS.ES256 as JWK, 'ES256'))
  return { Authorization: `Bearer ${token}` }
}

describe('an identity provider', () => {
  test('names no account that is kept here, to read or to write', async () => {
    const { id, request } = await newAccount()
    await request('POST', '/api/me/tasks', { title: 'mine' })
    const headers = await providerToken(id)
    for (const [method, path, body] of [
      ['GET', '/api/me/tasks', undefined],
      ['POST', '/api/me/tasks', { title: 'theirs' }],
      ['GET', '/api/auth/me', undefined],
      ['DELETE', '/api/me', undefined],
    ] as const) {
      const answer = await app(method, path, { headers, body })
      expect([method, path, answer.status, answer.body?.type]).toEqual([
        method,
        path,
        401,
        '/docs/problems#invalid_token',
      ])
      expect(answer.headers.get('WWW-Authenticate')).toContain('invalid_token')
    }
    expect((await request('GET', '/api/me/tasks')).body.count).toBe(1)
    const other = await providerToken(`user-${crypto.randomUUID()}`)
    expect((await app('POST', '/api/me/tasks', { headers: other, body: { title: 'x' } })).status).toBe(201)
  })

  test('makes nobody an administrator unless JWT_TRUST_ROLE says so', async () => {
    const headers = await providerToken(`user-${crypto.randomUUID()}`, { role: 'admin' })
    expect((await app('GET', '/api/admin/users', { headers })).status).toBe(403)
    const trusting = deploy({ ...TRUST, JWT_TRUST_ROLE: 'on' })
    expect((await trusting('GET', '/api/admin/users', { headers })).status).toBe(200)
  })

  test('leaves tokens made by hand as they are, and those of a login under a name of our own', async () => {
    const user = await newUser()
    expect((await app('GET', '/api/me/tasks', { headers: user.authorization })).status).toBe(200)
    const admin = {
      Authorization: `Bearer ${await tokenFor(`user-${crypto.randomUUID()}`, { role: 'admin' })}`,
    }
    expect((await app('GET', `/api/${user.id}/tasks`, { headers: admin })).status).toBe(200)
    const { email } = await newAccount()
    const body = { email, password: 'a password that nobody has' }
    const { access_token } = (await app('POST', '/api/auth/login', { body })).body
    expect(partsOf(access_token).claims).toMatchObject({ iss: 'freehold', aud: 'freehold' })
    const headers = { Authorization: `Bearer ${access_token}` }
    expect((await app('GET', '/api/auth/me', { headers })).status).toBe(200)
  })

  test('is asked once for the keys of forty tokens of unknown ones', async () => {
    const { parsed } = captureLog()
    // Each fetch that fails is a line of the log.
    const down = deploy({ ...TRUST, JWKS_URL: `${PROVIDER}/down` })
    const tokens = await Promise.all(Array.from({ length: 40 }, (_, at) => providerToken(`user-${at}`)))
    const answers = await Promise.all(tokens.map((headers) => down('GET', '/api/me/tasks', { headers })))
    expect(answers.map(({ status }) => status)).toEqual(tokens.map(() => 503))
    expect(parsed().filter(({ event }) => event === 'jwks_unavailable')).toHaveLength(1)
  })
})

describe('an erased user', () => {
  test('is refused whatever token names it, before and after', async () => {
    const user = await newUser()
    await user.call('POST', '/tasks', { title: 'x' })
    expect((await user.request('DELETE', '/api/me')).status).toBe(204)
    const later = { Authorization: `Bearer ${await tokenFor(user.id, { iat: 1 })}` }
    for (const headers of [user.authorization, later, await providerToken(user.id)]) {
      for (const method of ['GET', 'POST']) {
        const body = method === 'POST' ? { title: 'y' } : undefined
        const answer = await app(method, '/api/me/tasks', { headers, body })
        expect([answer.status, answer.body.type]).toEqual([401, '/docs/problems#invalid_token'])
      }
    }
    const stranger = await newUser()
    expect((await stranger.call('GET', '/tasks')).status).toBe(200)
  })
})

test('/ready asks the database once, however many ask it at once, and again a second later', async () => {
  let batches = 0
  const DB = {
    prepare: (sql: string) => env.DB.prepare(sql),
    batch: async (statements: D1PreparedStatement[]) => {
      batches += 1
      await scheduler.wait(50)
      return env.DB.batch(statements)
    },
  } as D1Database
  const counted = deploy({ DB })
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const answers = await Promise.all(Array.from({ length: 40 }, () => counted('GET', '/ready')))
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  expect(batches).toBe(1)
  vi.setSystemTime(Date.now() + 1_100)
  await counted('GET', '/ready')
  expect(batches).toBe(2)
})

describe('the log', () => {
  test('names whose rows an administrator visited, and who logged in or failed to', async () => {
    const { id, email } = await newAccount()
    const admin = `admin-${crypto.randomUUID()}`
    const headers = {
      Authorization: `Bearer ${await tokenFor(admin, { role: 'admin' })}`,
      'CF-Connecting-IP': '2001:db8:1:2:3::4',
    }
    const { requests, lines } = captureLog()
    await call('GET', `/api/${id}/tasks`, { headers })
    const login = (password: string, as = email) =>
      call('POST', '/api/auth/login', {
        body: { email: as, password },
        headers: { 'CF-Connecting-IP': '192.0.2.7' },
      })
    await login('a password that nobody has')
    await login('wrong')
    await login('wrong', `nobody-${email}`)
    const [visit, good, bad, unknown] = requests()
    expect(visit).toMatchObject({
      user: admin,
      owner: id,
      security: 'admin_access',
      address: '2001:db8:1:2::/64',
    })
    expect(good).toMatchObject({
      user: id,
      address: '192.0.2.7',
      email_key: expect.stringMatching(/^[\da-f]{32}$/),
    })
    expect(bad).toMatchObject({ user: id, security: 'failed_login', email_key: good?.email_key })
    expect(unknown?.user).toBeUndefined()
    expect(unknown?.email_key).not.toBe(good?.email_key)
    expect(lines.join()).not.toContain(email)
  })
})
