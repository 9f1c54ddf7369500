import { onError } from '../src/http/on-error.ts'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Bindings, Limiter } from '../src/config.ts'
import type { App } from '../src/context.ts'
import { cost } from '../src/http/cost.ts'
import { addressKey, limitAccount, limitAddress, policies, type Purpose } from '../src/http/rate-limit.ts'
import { requestId } from '../src/http/request-id.ts'
import { requestLog } from '../src/http/request-log.ts'
import wrangler from '../wrangler.toml?raw'
import { logIn, newAccount, PASSWORD, refresh } from './account.ts'
import { answerOf, newAddress, newUser, requestOf, tokenFor, type Answer } from './client.ts'
import { captureLog, countedDatabase, deploy } from './deployment.ts'
import { problemOf } from './stored.ts'
import { ask as askRows } from './rows.ts'

const WINDOW = 60_000
/** More than any of these tests takes, in milliseconds. */
const ROOM = 20_000

// The local binding's windows begin with each minute, and one that ends amid a test would begin a new count.
beforeEach(async () => {
  const left = WINDOW - (Date.now() % WINDOW)
  if (left < ROOM) await new Promise((resolve) => setTimeout(resolve, left))
}, 2 * ROOM)

/** Leaves a user this many requests in the current window. */
async function leave(userId: string, requests: number): Promise<void> {
  await env.USER_LIMIT.limit({ key: userId, delta: policies.USER_LIMIT.quota - requests })
}

/**
 * A USER_LIMIT and a D1 that write down what they are asked for, in that order. Each batch has taken D1 so many
 * milliseconds, by its own account.
 */
function meters(batchMs: number) {
  const asked: string[] = []
  const USER_LIMIT: RateLimit = {
    limit: async ({ key }) => {
      asked.push(key)
      return { success: true }
    },
  }
  const DB = {
    prepare: (sql: string) => env.DB.prepare(sql),
    batch: async (statements: D1PreparedStatement[]) => {
      asked.push('batch')
      const results = await env.DB.batch(statements)
      results.forEach(({ meta }, at) => Object.assign(meta, { duration: at ? 0 : batchMs }))
      return results
    },
  } as D1Database
  return { asked, USER_LIMIT, DB }
}

/** A user who has no request left. */
async function limitedUser() {
  const user = await newUser()
  await env.USER_LIMIT.limit({ key: user.id, delta: policies.USER_LIMIT.quota })
  return user
}

const broken: RateLimit = {
  limit: async () => {
    throw new Error('no answer')
  },
}

test('clients are told the numbers of wrangler.toml, and each binding counts on its own', () => {
  const bindings = [
    ...wrangler.matchAll(
      /^\[\[ratelimits\]\]\nname = "(\w+)"\nnamespace_id = "(\d+)"\nsimple = \{ limit = (\d+), period = (\d+) \}$/gm,
    ),
  ]
  expect(wrangler.match(/ratelimits/g)).toHaveLength(bindings.length)
  expect(
    Object.fromEntries(
      bindings.map(([, name, , limit, period]) => [name, { quota: Number(limit), window: Number(period) }]),
    ),
  ).toEqual(
    Object.fromEntries(
      Object.entries(policies).map(([name, { quota, window }]) => [name, { quota, window }]),
    ),
  )
  expect(new Set(bindings.map(([, , namespace]) => namespace)).size).toBe(bindings.length)
})

describe('a user over the limit', () => {
  test('is refused with 429, told the policy and when to come back', async () => {
    const user = await newUser()
    await leave(user.id, 1)
    expect((await user.call('GET', '/tasks')).status).toBe(200)
    const refused = await user.call('GET', '/tasks')
    expect(refused.status).toBe(429)
    expect(refused.headers.get('Content-Type')).toBe('application/problem+json')
    expect(refused.body).toMatchObject({ type: '/docs/problems#rate_limited', status: 429 })
    expect(refused.headers.get('Retry-After')).toBe('60')
    expect(refused.headers.get('RateLimit-Policy')).toBe('"user";q=1200;w=60')
    expect(refused.headers.get('RateLimit')).toBe('"user";r=0;t=60')
  })

  test('does not slow another one, at the same address or not', async () => {
    const address = { 'CF-Connecting-IP': newAddress() }
    const limited = await limitedUser()
    const other = await newUser()
    expect((await limited.call('GET', '/tasks', undefined, address)).status).toBe(429)
    expect((await other.call('GET', '/tasks', undefined, address)).status).toBe(200)
    expect((await limited.call('GET', '/tasks')).status).toBe(429)
  })

  test('is limited on every path and version of it, and costs no query', async () => {
    const { seen, DB } = countedDatabase()
    const app = deploy({ DB })
    const user = await limitedUser()
    for (const [method, path] of [
      ['GET', '/api/me/tasks'],
      ['GET', `/api/v1/${user.id}/projects`],
      ['GET', '/api/me/changes'],
      ['POST', '/api/me/tasks/bulk'],
      ['DELETE', '/api/me/tasks/x'],
      ['GET', '/api/me/nothing'],
    ] as const) {
      const { status, headers } = await app(method, path, { headers: user.authorization })
      expect([path, status, headers.get('x-d1-bookmark')]).toEqual([path, 429, null])
    }
    expect(seen.batches).toBe(0)
  })

  test('hears of size, credentials and a foreign path first, and of the body last', async () => {
    const user = await limitedUser()
    const other = await newUser()
    const text = { 'Content-Type': 'text/plain' }
    const statuses = async (...requests: Promise<Answer>[]) =>
      (await Promise.all(requests)).map(({ status }) => status)
    expect(
      await statuses(
        user.call('POST', '/tasks', 'x'.repeat(65_537)),
        user.call('GET', '/tasks', undefined, { Authorization: 'Bearer no' }),
        user.request('GET', `/api/${other.id}/tasks`),
        user.call('POST', '/tasks', 'no', text),
        user.call('POST', '/tasks', '{'),
        user.call('POST', '/tasks', { title: '' }),
      ),
    ).toEqual([413, 401, 403, 429, 429, 429])
  })

  test('uses up nothing of it on the paths of others', async () => {
    const user = await newUser()
    await leave(user.id, 1)
    expect((await user.request('GET', `/api/${(await newUser()).id}/tasks`)).status).toBe(403)
    expect((await user.call('GET', '/tasks')).status).toBe(200)
    expect((await user.call('GET', '/tasks')).status).toBe(429)
  })

  test('is logged as a security event', async () => {
    const user = await limitedUser()
    const { requests } = captureLog()
    await deploy()('GET', '/api/me/tasks', { headers: user.authorization })
    expect(requests()).toMatchObject([
      { level: 'warn', status: 429, user: user.id, problem: 'rate_limited', security: 'rate_limited' },
    ])
  })
})

describe('a request', () => {
  test.each([
    [0, 1],
    [4.9, 1],
    [5, 2],
    [14.9, 3],
    [600, 121],
    [3_600_000, 1 + policies.USER_LIMIT.quota],
  ])('that took D1 %d ms takes %d units of its user', async (ms, units) => {
    const { asked, ...bindings } = meters(ms)
    const { id, authorization: headers } = await newUser()
    expect((await deploy(bindings)('GET', '/api/me/tasks', { headers })).status).toBe(200)
    // What is beyond the first is counted after the answer.
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(units))
    expect(asked).toEqual([id, 'batch', ...Array.from({ length: units - 1 }, () => id)])
  })

  test('that writes takes them, too; with RATE_LIMITS=off none does', async () => {
    const { asked, ...bindings } = meters(10)
    const { id, authorization: headers } = await newUser()
    const parts = { headers, body: { title: 'x' } }
    expect((await deploy(bindings)('POST', '/api/me/tasks', parts)).status).toBe(201)
    expect(asked).toEqual([id, 'batch', id, id])
    const off = deploy({ ...bindings, ENVIRONMENT: 'development', RATE_LIMITS: 'off' })
    expect((await off('POST', '/api/me/tasks', parts)).status).toBe(201)
    expect(asked).toEqual([id, 'batch', id, id, 'batch'])
  })

  test('for an export takes them page by page, as it is read', async () => {
    const { asked, ...bindings } = meters(5)
    const { id, authorization: headers } = await newUser()
    await askRows(id, FILL, id, 1_200)
    const answer = await deploy(bindings)('GET', '/api/me/export', { headers })
    expect(answer.body.tasks).toHaveLength(1_200)
    const batches = asked.filter((each) => each === 'batch')
    // The account, three pages of tasks, and one at least of anything else.
    expect(batches.length).toBeGreaterThan(1 + 3 + 2)
    expect(asked).toEqual([id, ...batches.flatMap(() => ['batch', id])])
  })
})

/** So many tasks of a user. */
const FILL = `
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
  INSERT INTO tasks (id, user_id, title, status, priority, tags, revision, created_at, updated_at)
  SELECT printf('%08x-0000-7000-8000-%012x', 26000000 + i, i), ?1, 'Task ' || i, 'pending', 'low', '[]', i,
    '2026-11-20T00:00:00.000Z', '2026-11-20T00:00:00.000Z' FROM n`

describe('RATE_LIMITS=off', () => {
  test('lifts the limits in development', async () => {
    const { authorization: headers } = await limitedUser()
    const app = deploy({ ENVIRONMENT: 'development', RATE_LIMITS: 'off' })
    expect((await app('GET', '/api/me/tasks', { headers })).status).toBe(200)
    expect((await deploy({ ENVIRONMENT: 'development' })('GET', '/api/me/tasks', { headers })).status).toBe(
      429,
    )
  })

  test('lifts nothing anywhere else', async () => {
    const { authorization: headers } = await limitedUser()
    for (const ENVIRONMENT of [undefined, 'production']) {
      const { status, body } = await deploy({ ENVIRONMENT, RATE_LIMITS: 'off' })('GET', '/api/me/tasks', {
        headers,
      })
      expect([status, body.type]).toEqual([503, '/docs/problems#misconfigured'])
    }
  })
})

describe('on the way to an account', () => {
  test('a client address has a quota for each purpose', async () => {
    const ask = accounts()
    const headers = { 'CF-Connecting-IP': newAddress() }
    const statuses: number[] = []
    for (let i = 0; i <= policies.ADDRESS_LIMIT.quota; i += 1) {
      statuses.push((await ask('login', crypto.randomUUID(), headers)).status)
    }
    expect(statuses).toEqual([...Array.from({ length: policies.ADDRESS_LIMIT.quota }, () => 200), 429])
    const refused = await ask('login', crypto.randomUUID(), headers)
    expect(refused.headers.get('RateLimit-Policy')).toBe('"address";q=120;w=60')
    expect(refused.headers.get('RateLimit')).toBe('"address";r=0;t=60')
    expect((await ask('refresh', crypto.randomUUID(), headers)).status).toBe(200)
    expect((await ask('login', crypto.randomUUID())).status).toBe(200)
  })

  test('addresses of one IPv6 /64 share it, two /64s do not', async () => {
    const ask = accounts()
    const prefix = newAddress().slice(0, -'::1'.length)
    const status = async (address: string) =>
      (await ask('login', crypto.randomUUID(), { 'CF-Connecting-IP': address })).status
    const key = `login ${addressKey(`${prefix}::1`)}`
    await env.ADDRESS_LIMIT.limit({ key, delta: policies.ADDRESS_LIMIT.quota - 1 })
    expect(await status(`${prefix}::1`)).toBe(200)
    expect(await status(`${prefix}:ffff:0:0:2`.toUpperCase())).toBe(429)
    expect(await status(newAddress())).toBe(200)
  })

  test('clients without an address share one', async () => {
    const ask = accounts()
    await env.ADDRESS_LIMIT.limit({ key: 'register unknown', delta: policies.ADDRESS_LIMIT.quota })
    expect((await ask('register', crypto.randomUUID(), { 'CF-Connecting-IP': '' })).status).toBe(429)
  })

  test('an account has a quota for each purpose, from wherever it is asked for', async () => {
    const ask = accounts()
    const account = `${crypto.randomUUID()}@example.com`
    const statuses: number[] = []
    for (let i = 0; i <= policies.ACCOUNT_LIMIT.quota; i += 1)
      statuses.push((await ask('login', account)).status)
    expect(statuses).toEqual([...Array.from({ length: policies.ACCOUNT_LIMIT.quota }, () => 200), 429])
    const refused = await ask('login', account)
    expect(refused.body.type).toBe('/docs/problems#rate_limited')
    expect(refused.headers.get('Retry-After')).toBe('60')
    expect(refused.headers.get('RateLimit-Policy')).toBe('"account";q=20;w=60')
    expect((await ask('register', account)).status).toBe(200)
    expect((await ask('login', `other-${account}`)).status).toBe(200)
  })

  test('the bindings are told no e-mail', async () => {
    const keys: string[] = []
    const spy: RateLimit = {
      limit: async ({ key }) => {
        keys.push(key)
        return { success: true }
      },
    }
    await accounts({ ACCOUNT_LIMIT: spy, ADDRESS_LIMIT: spy })('login', 'ann@example.com')
    expect(keys).toEqual([
      expect.stringMatching(/^login 2001:.*::\/64$/),
      expect.stringMatching(/^login [\da-f]{64}$/),
    ])
  })
})

describe.each([
  ['missing', undefined],
  ['broken', broken],
])('a binding that is %s', (_, binding) => {
  test('lets the API serve, and is logged once', async () => {
    const { parsed } = captureLog()
    const app = deploy({ USER_LIMIT: binding })
    const headers = { Authorization: `Bearer ${await tokenFor(crypto.randomUUID())}` }
    for (const path of ['/api/me/tasks', '/api/me/projects']) {
      expect((await app('GET', path, { headers })).status).toBe(200)
    }
    expect(parsed().filter(({ event }) => event !== 'request')).toEqual([
      { level: 'error', event: 'rate_limit_missing', binding: 'USER_LIMIT' },
    ])
  })

  test.each(['ACCOUNT_LIMIT', 'ADDRESS_LIMIT'] as const)('refuses accounts without %s', async (name) => {
    const { parsed } = captureLog()
    const ask = accounts({ [name]: binding })
    for (const purpose of ['login', 'register', 'refresh'] as const) {
      const { status, body, headers } = await ask(purpose, crypto.randomUUID())
      expect([status, body.type]).toEqual([503, '/docs/problems#misconfigured'])
      expect(headers.get('Retry-After')).toBe('1')
    }
    expect(parsed().filter(({ event }) => event !== 'request')).toEqual([
      { level: 'error', event: 'rate_limit_missing', binding: name },
    ])
  })
})

test.each([
  ['203.0.113.9', '203.0.113.9'],
  [' 203.0.113.9 ', '203.0.113.9'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:0002::', '2001:db8:1:2::/64'],
  ['2001:db8::6', '2001:db8:0:0::/64'],
  ['2001:db8:0:0:1::', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['::FFFF:cb00:7109', '203.0.113.9'],
  ['0:0:0:0:0:ffff:203.0.113.9', '203.0.113.9'],
  ['64:ff9b::203.0.113.9', '64:ff9b:0:0::/64'],
  ['', 'unknown'],
  ['nobody', 'unknown'],
  ['1::2::3', 'unknown'],
  ['::1]@[::2', 'unknown'],
])('the address %j is limited as %s', (address, key) => {
  expect(addressKey(address)).toBe(key)
})

/** Routes that are limited as those of accounts, and do nothing else. */
function accounts(overrides: { [Name in Limiter]?: RateLimit | undefined } = {}) {
  const app = new Hono<App>()
  app.onError(onError)
  app.use(requestId, requestLog, cost)
  for (const purpose of ['login', 'register', 'refresh'] as const) {
    app.post(`/${purpose}`, limitAddress(purpose), async (c) => {
      await limitAccount(c, purpose, await c.req.text())
      return c.json({})
    })
  }
  const bindings = { ...env, ...overrides } as Bindings
  return async (purpose: Purpose, account: string, headers: Record<string, string> = {}) =>
    answerOf(await app.fetch(requestOf('POST', `/${purpose}`, { body: account, headers }), bindings))
}

test('who makes up refresh tokens for a user does not use up what the user may', async () => {
  const { refreshToken } = await newAccount()
  for (let i = 0; i <= policies.ACCOUNT_LIMIT.quota; i += 1) {
    const forged = Uint8Array.fromBase64(refreshToken, { alphabet: 'base64url' })
    crypto.getRandomValues(forged.subarray(-48))
    const token = forged.toBase64({ alphabet: 'base64url', omitPadding: true })
    expect((await refresh(token)).status).toBe(401)
  }
  expect((await refresh(refreshToken)).status).toBe(200)
})

describe('the account routes', () => {
  const bodies = {
    login: { email: 'limited@example.com', password: PASSWORD },
    register: { email: 'limited@example.com', password: PASSWORD },
    refresh: { refresh_token: 'x' },
  } as const

  test.each(['login', 'register', 'refresh'] as const)(
    '%s asks the limit of the address before D1',
    async (purpose) => {
      const address = newAddress()
      const key = `${purpose} ${addressKey(address)}`
      await env.ADDRESS_LIMIT.limit({ key, delta: policies.ADDRESS_LIMIT.quota })
      const { seen, DB } = countedDatabase()
      const headers = { 'CF-Connecting-IP': address }
      const refused = await deploy({ DB })('POST', `/api/auth/${purpose}`, { body: bodies[purpose], headers })
      expect(problemOf(refused)).toEqual([429, 'rate_limited'])
      expect(seen.batches).toBe(0)
    },
  )

  test.each(['login', 'register', 'refresh'] as const)('%s refuses without the binding', async (purpose) => {
    captureLog()
    const ask = deploy({ ADDRESS_LIMIT: undefined })
    expect(problemOf(await ask('POST', `/api/auth/${purpose}`, { body: bodies[purpose] }))).toEqual([
      503,
      'misconfigured',
    ])
  })

  test('a login over the limit of its account and address is refused before D1, and elsewhere it is not', async () => {
    const { email } = await newAccount()
    const headers = { 'CF-Connecting-IP': newAddress() }
    const login = { body: { email: email.toUpperCase(), password: PASSWORD }, headers }
    for (let i = 0; i < policies.ACCOUNT_LIMIT.quota; i += 1) {
      expect((await deploy()('POST', '/api/auth/login', login)).status).toBe(200)
    }
    const { seen, DB } = countedDatabase()
    const refused = await deploy({ DB })('POST', '/api/auth/login', login)
    expect(problemOf(refused)).toEqual([429, 'rate_limited'])
    expect(seen.batches).toBe(0)
    expect((await logIn(email)).status).toBe(200)
  })
})
