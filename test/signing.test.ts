import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { issueAccessToken, verifyToken } from '../src/auth/tokens.ts'
import { readConfig, type Settings } from '../src/config.ts'
import { newId, type Answer } from './client.ts'
import { captureLog, countedDatabase, deploy } from './deployment.ts'
import { forge, newKey, partsOf, sign, verifies, type Jwk } from './jws.ts'

const PATH = '/.well-known/jwks.json'
const ALGORITHMS = ['EdDSA', 'ES256'] as const

/** The identity provider, and how its tokens say whose and for whom they are. */
const PROVIDER = {
  JWKS_URL: 'https://idp.test/jwks',
  JWT_ISSUER: 'https://idp.test',
  JWT_AUDIENCE: 'freehold',
}
const ISSUED = { iss: 'https://idp.test', aud: 'freehold' }

type Call = ReturnType<typeof deploy>

const now = () => Math.floor(Date.now() / 1000)
const claims = (more: object = {}) => ({ sub: `user-${newId()}`, exp: now() + 600, ...more })
const typeOf = ({ body }: Answer) => body.type?.replace('/docs/problems#', '')
const configOf = (settings: Settings) => readConfig({ ...env, ...settings })
const someone = () => ({ userId: `user-${newId()}`, role: 'user' as const, sessionId: newId() })

async function published(app: Call): Promise<Jwk[]> {
  const answer = await app('GET', PATH)
  expect(answer.status).toBe(200)
  return answer.body.keys
}

function listTasks(app: Call, token: string): Promise<Answer> {
  return app('GET', '/api/me/tasks', { headers: { Authorization: `Bearer ${token}` } })
}

async function statusOf(app: Call, token: string): Promise<number> {
  return (await listTasks(app, token)).status
}

describe('an access token', () => {
  test.each(ALGORITHMS)('is signed by the private key when there is one: %s', async (alg) => {
    const own = await newKey(alg)
    const config = configOf({ JWT_PRIVATE_KEY: own.text })
    const user = someone()
    const token = await issueAccessToken(config, user)
    const [key] = await published(deploy({ JWT_PRIVATE_KEY: own.text }))
    expect(partsOf(token).header).toEqual({ alg, kid: key?.kid, typ: 'at+jwt' })
    expect(await verifyToken(token, config)).toEqual({ ...user, own: true, expires: expect.any(Number) })
  })

  test.each(ALGORITHMS)('verifies elsewhere, with the published keys alone: %s', async (alg) => {
    const own = await newKey(alg)
    const other = await newKey(alg)
    const settings = { JWT_PRIVATE_KEY: own.text, JWT_PRIVATE_KEY_PREVIOUS: other.text }
    const token = await issueAccessToken(configOf(settings), someone())
    const { header } = partsOf(token)
    const keys = await published(deploy(settings))
    expect(await Promise.all(keys.map((key) => verifies(alg, key, token)))).toEqual([true, false])
    expect(header).toMatchObject({ kid: keys[0]?.kid })
  })

  test('is signed by the shared secret when there is no private key', async () => {
    const config = configOf({ JWT_SECRET_PREVIOUS: 'the secret before, of more than 32 bytes' })
    const user = someone()
    const token = await issueAccessToken(config, user)
    const { header, claims: said } = partsOf(token)
    expect(header).toEqual({ alg: 'HS256', typ: 'at+jwt' })
    expect(await forge(header, said)).toBe(token)
    expect(await verifyToken(token, config)).toEqual({ ...user, own: true, expires: expect.any(Number) })
  })

  test('says who, in which session, until when, and nothing else', async () => {
    const { userId, sessionId } = someone()
    const before = now()
    const token = await issueAccessToken(configOf({}), { userId, sessionId, role: 'admin' })
    const { claims: said } = partsOf(token)
    const { iat, exp, jti, ...rest } = said
    expect(rest).toEqual({ sub: userId, role: 'admin', sid: sessionId, iss: 'freehold' })
    expect(Number(iat)).toBeGreaterThanOrEqual(before)
    expect(Number(exp) - Number(iat)).toBe(900)
    expect(jti).toMatch(/^[\da-f-]{36}$/)
    const again = partsOf(await issueAccessToken(configOf({}), { userId, sessionId, role: 'admin' }))
    expect(again.claims.jti).not.toBe(jti)
  })

  test('carries the issuer and audience, and the lifetime, of the configuration', async () => {
    const config = configOf({ JWT_ISSUER: 'https://i.example', JWT_AUDIENCE: 'app', ACCESS_TOKEN_TTL: '60' })
    const user = someone()
    const token = await issueAccessToken(config, user)
    const { iat, exp, iss, aud } = partsOf(token).claims
    expect([iss, aud, Number(exp) - Number(iat)]).toEqual(['https://i.example', 'app', 60])
    expect(await verifyToken(token, config)).toEqual({ ...user, own: true, expires: expect.any(Number) })
  })

  test('makes an admin only of the role “admin”', async () => {
    for (const [role, expected] of [
      ['admin', 'admin'],
      ['user', 'user'],
      ['Admin', 'user'],
      [undefined, 'user'],
      [true, 'user'],
      [['admin'], 'user'],
    ]) {
      const { role: read } = await verifyToken(await forge({ alg: 'HS256' }, claims({ role })), configOf({}))
      expect([role, read]).toEqual([role, expected])
    }
  })

  test('names a session only by keys of our own', async () => {
    const key = env.PROVIDER_KEYS.ES256 as Jwk
    for (const sid of [newId(), 'its own session', 7]) {
      const token = await sign('ES256', key, { alg: 'ES256', kid: 'kid-ES256' }, claims({ sid, ...ISSUED }))
      const { sessionId } = await verifyToken(token, configOf(PROVIDER))
      expect(sessionId).toBeUndefined()
      expect(await statusOf(deploy(PROVIDER), token)).toBe(200)
    }
    const byHand = await verifyToken(await forge({ alg: 'HS256' }, claims()), configOf({}))
    expect(byHand.sessionId).toBeUndefined()
  })

  test.each(['', 'x', 7, null, [newId()], crypto.randomUUID(), newId().toUpperCase()])(
    'of our own with a session that is no id (%s) is refused',
    async (sid) => {
      const own = await newKey('EdDSA')
      const app = deploy({ JWT_PRIVATE_KEY: own.text })
      for (const token of [
        await forge({ alg: 'HS256' }, claims({ sid })),
        await sign('EdDSA', own.jwk, { alg: 'EdDSA' }, claims({ sid })),
      ]) {
        const answer = await listTasks(app, token)
        expect([answer.status, typeOf(answer)]).toEqual([401, 'invalid_token'])
      }
    },
  )
})

describe('a private key', () => {
  test.each(ALGORITHMS)('alone is enough to serve: %s', async (alg) => {
    const own = await newKey(alg)
    const app = deploy({ JWT_SECRET: undefined, JWT_PRIVATE_KEY: own.text })
    expect(await statusOf(app, await sign(alg, own.jwk, { alg }, claims()))).toBe(200)
    expect(await statusOf(app, await forge({ alg: 'HS256' }, claims()))).toBe(401)
  })

  test('leaves the shared secret and an identity provider trusted beside it', async () => {
    const own = await newKey('ES256')
    const app = deploy({ JWT_PRIVATE_KEY: own.text, ...PROVIDER })
    const key = env.PROVIDER_KEYS.ES256 as Jwk
    for (const token of [
      await forge({ alg: 'HS256' }, claims()),
      await sign('ES256', own.jwk, { alg: 'ES256' }, claims()),
      await sign('ES256', key, { alg: 'ES256', kid: 'kid-ES256' }, claims(ISSUED)),
    ]) {
      expect(await statusOf(app, token)).toBe(200)
    }
  })

  test('is rotated: what the one before signed holds until it is taken away', async () => {
    const [first, second] = [await newKey('EdDSA'), await newKey('ES256')]
    const alone = deploy({ JWT_PRIVATE_KEY: first.text })
    const old = await sign('EdDSA', first.jwk, { alg: 'EdDSA' }, claims())
    const fresh = await sign('ES256', second.jwk, { alg: 'ES256' }, claims())
    expect([await statusOf(alone, old), await statusOf(alone, fresh)]).toEqual([200, 401])

    for (const previous of [first.text, JSON.stringify(first.public)]) {
      const both = deploy({ JWT_PRIVATE_KEY: second.text, JWT_PRIVATE_KEY_PREVIOUS: previous })
      expect([await statusOf(both, old), await statusOf(both, fresh)]).toEqual([200, 200])
      expect(await published(both)).toMatchObject([second.public, first.public])
    }

    const done = deploy({ JWT_PRIVATE_KEY: second.text })
    expect([await statusOf(done, old), await statusOf(done, fresh)]).toEqual([401, 200])
    expect(await published(done)).toMatchObject([second.public])
  })

  test('of before still verifies when the deployment goes back to a shared secret', async () => {
    const own = await newKey('EdDSA')
    const settings = { JWT_PRIVATE_KEY_PREVIOUS: own.text }
    const app = deploy(settings)
    expect(await statusOf(app, await sign('EdDSA', own.jwk, { alg: 'EdDSA' }, claims()))).toBe(200)
    expect(await published(app)).toMatchObject([own.public])
    const token = await issueAccessToken(configOf(settings), someone())
    expect(partsOf(token).header).toMatchObject({ alg: 'HS256' })
  })

  test('given twice is published once', async () => {
    const own = await newKey('EdDSA')
    const app = deploy({ JWT_PRIVATE_KEY: own.text, JWT_PRIVATE_KEY_PREVIOUS: own.text })
    expect(await published(app)).toHaveLength(1)
  })
})

describe('GET /.well-known/jwks.json', () => {
  test('publishes the public members, and no others', async () => {
    const [first, second] = [await newKey('EdDSA'), await newKey('ES256')]
    const app = deploy({
      JWT_PRIVATE_KEY: JSON.stringify({ ...first.jwk, kid: 'first', secret: 'a note', use: 'sig' }),
      JWT_PRIVATE_KEY_PREVIOUS: second.text,
    })
    const answer = await app('GET', PATH)
    expect(answer.body).toEqual({
      keys: [
        { ...first.public, kid: 'first', alg: 'EdDSA', use: 'sig' },
        { ...second.public, kid: expect.stringMatching(/^[\w-]{43}$/), alg: 'ES256', use: 'sig' },
      ],
    })
    for (const secret of [first.jwk.d, second.jwk.d, 'a note', env.JWT_SECRET]) {
      expect(secret).toBeTruthy()
      expect(answer.text).not.toContain(secret)
    }
  })

  test('never publishes a shared secret', async () => {
    for (const settings of [{}, { JWT_SECRET_PREVIOUS: env.JWT_SECRET }, PROVIDER]) {
      const answer = await deploy(settings)('GET', PATH)
      expect([answer.status, answer.body]).toEqual([200, { keys: [] }])
    }
  })

  test('names a key by its thumbprint when it has no name: the example of RFC 8037, Appendix A.3', async () => {
    const x = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'
    const d = 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A'
    const JWT_PRIVATE_KEY = JSON.stringify({ kty: 'OKP', crv: 'Ed25519', d, x })
    const [key] = await published(deploy({ JWT_PRIVATE_KEY }))
    expect(key?.kid).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
  })

  test('is public, kept for five minutes, read by browsers and free of queries', async () => {
    const { seen, DB } = countedDatabase()
    const own = await newKey('EdDSA')
    const app = deploy({ DB, JWT_PRIVATE_KEY: own.text, CORS_ORIGINS: 'https://app.example' })
    const { status, headers } = await app('GET', PATH, { headers: { Origin: 'https://app.example' } })
    expect(status).toBe(200)
    expect(headers.get('Cache-Control')).toBe('public, max-age=300')
    expect(headers.get('Content-Type')).toBe('application/json')
    expect(headers.get('Access-Control-Allow-Origin')).toBe('https://app.example')
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff')
    expect(seen.batches).toBe(0)
  })

  test('answers HEAD like GET, and other methods with 405', async () => {
    const app = deploy()
    const head = await app('HEAD', PATH)
    expect([head.status, head.text]).toEqual([200, ''])
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await app(method, PATH)
      expect([answer.status, typeOf(answer)]).toEqual([405, 'method_not_allowed'])
      expect(answer.headers.get('Allow')).toBe('GET, HEAD')
    }
  })
})

describe('a key that cannot be used', () => {
  const jwk = {
    kty: 'OKP',
    crv: 'Ed25519',
    d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
    x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  }
  const json = (more: object) => JSON.stringify({ ...jwk, ...more })
  const OTHER = 'lq1Bfjxa4z6fvh0oUFs7HKbNNyWHadEsDkFTgNmh1kU'

  test.each<[string, Settings, string]>([
    ['no JSON', { JWT_PRIVATE_KEY: '-----BEGIN PRIVATE KEY-----' }, 'JWT_PRIVATE_KEY'],
    ['null', { JWT_PRIVATE_KEY: 'null' }, 'JWT_PRIVATE_KEY'],
    ['an empty object', { JWT_PRIVATE_KEY: '{}' }, 'JWT_PRIVATE_KEY'],
    ['a set of keys', { JWT_PRIVATE_KEY: JSON.stringify({ keys: [jwk] }) }, 'JWT_PRIVATE_KEY'],
    ['a symmetric key', { JWT_PRIVATE_KEY: JSON.stringify({ kty: 'oct', k: jwk.d }) }, 'JWT_PRIVATE_KEY'],
    ['an RSA key', { JWT_PRIVATE_KEY: JSON.stringify(env.PROVIDER_KEYS.RS256) }, 'JWT_PRIVATE_KEY'],
    ['a key of another curve', { JWT_PRIVATE_KEY: json({ crv: 'X25519' }) }, 'JWT_PRIVATE_KEY'],
    ['a key of another algorithm', { JWT_PRIVATE_KEY: json({ alg: 'ES256' }) }, 'JWT_PRIVATE_KEY'],
    ['a key for encryption', { JWT_PRIVATE_KEY: json({ use: 'enc' }) }, 'JWT_PRIVATE_KEY'],
    ['a key cut short', { JWT_PRIVATE_KEY: json({ d: jwk.d.slice(1) }) }, 'JWT_PRIVATE_KEY'],
    ['a name that is no text', { JWT_PRIVATE_KEY: json({ kid: 7 }) }, 'JWT_PRIVATE_KEY'],
    ['a public key', { JWT_PRIVATE_KEY: json({ d: undefined }) }, 'JWT_PRIVATE_KEY'],
    ['halves of two keys', { JWT_PRIVATE_KEY: json({ d: OTHER }) }, 'JWT_PRIVATE_KEY'],
    ['no key as the previous', { JWT_PRIVATE_KEY_PREVIOUS: '{}' }, 'JWT_PRIVATE_KEY_PREVIOUS'],
    [
      'a point that is not on its curve',
      { JWT_PRIVATE_KEY_PREVIOUS: JSON.stringify({ kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.x }) },
      'JWT_PRIVATE_KEY_PREVIOUS',
    ],
    [
      'two keys of one name',
      { JWT_PRIVATE_KEY: json({ kid: 'key' }), JWT_PRIVATE_KEY_PREVIOUS: json({ kid: 'key', x: OTHER }) },
      'JWT_PRIVATE_KEY_PREVIOUS',
    ],
  ])('%s: 503, and one line of the log names the setting and not its value', async (_, settings, named) => {
    const app = deploy(settings)
    const log = captureLog()
    const token = await forge({ alg: 'HS256' }, claims())
    for (const answer of [await listTasks(app, token), await app('GET', PATH), await listTasks(app, token)]) {
      expect([answer.status, typeOf(answer)]).toEqual([503, 'misconfigured'])
    }
    expect((await app('GET', '/health')).status).toBe(200)
    const why = log.parsed().filter(({ event }) => event !== 'request')
    expect(why).toEqual([
      { level: 'error', event: 'misconfigured', faults: [expect.stringMatching(`^${named} `)] },
    ])
    for (const value of [jwk.d, OTHER, jwk.x, 'BEGIN']) expect(log.lines.join()).not.toContain(value)
  })

  test.each<[string, string, Settings]>([
    ['ACCESS_TOKEN_TTL', 'a fraction', { ACCESS_TOKEN_TTL: '1.5' }],
    ['ACCESS_TOKEN_TTL', 'zero', { ACCESS_TOKEN_TTL: '0' }],
    ['ACCESS_TOKEN_TTL', 'negative', { ACCESS_TOKEN_TTL: '-900' }],
    ['ACCESS_TOKEN_TTL', 'a duration', { ACCESS_TOKEN_TTL: '15m' }],
    ['ACCESS_TOKEN_TTL', 'over 30 days', { ACCESS_TOKEN_TTL: '2592001' }],
    ['SESSION_TTL', 'endless', { SESSION_TTL: '1e400' }],
    ['SESSION_TTL', 'over 400 days', { SESSION_TTL: '34560001' }],
    ['SESSION_IDLE_TTL', 'hexadecimal', { SESSION_IDLE_TTL: '0x10' }],
    ['SESSION_IDLE_TTL', 'blank', { SESSION_IDLE_TTL: ' ' }],
    ['ACCOUNTS', 'no', { ACCOUNTS: 'no' }],
    ['RATE_LIMITS', 'no', { RATE_LIMITS: 'no', ENVIRONMENT: 'development' }],
    ['RATE_LIMITS', 'off in production', { RATE_LIMITS: 'off' }],
  ])('nor can %s that is %s', async (named, _, settings) => {
    const app = deploy(settings)
    const log = captureLog()
    const answer = await listTasks(app, await forge({ alg: 'HS256' }, claims()))
    expect([answer.status, typeOf(answer)]).toEqual([503, 'misconfigured'])
    expect(log.parsed()[0].faults).toEqual([expect.stringMatching(`^${named} `)])
  })

  test('without any the settings are those of the contract', () => {
    const usual = {
      accounts: true,
      ACCESS_TOKEN_TTL: 900,
      SESSION_TTL: 2_592_000,
      SESSION_IDLE_TTL: 1_209_600,
    }
    expect(configOf({})).toMatchObject({ ...usual, RATE_LIMITS: true })
    expect(configOf({ ACCOUNTS: 'on', RATE_LIMITS: 'on' })).toMatchObject({ ...usual, RATE_LIMITS: true })
    const told = { ACCESS_TOKEN_TTL: '1', SESSION_TTL: '34560000', SESSION_IDLE_TTL: '3600' }
    expect(configOf(told)).toMatchObject({
      ACCESS_TOKEN_TTL: 1,
      SESSION_TTL: 34_560_000,
      SESSION_IDLE_TTL: 3600,
    })
    // As wrangler hands over a number of [vars].
    expect(configOf({ ...told, SESSION_TTL: 60 as unknown as string }).SESSION_TTL).toBe(60)
    const development = configOf({ ENVIRONMENT: 'development', RATE_LIMITS: 'off' })
    expect(development.RATE_LIMITS).toBe(false)
  })

  test('accounts are kept only where there is a key to sign with', async () => {
    const { text } = await newKey('ES256')
    expect(configOf({ ACCOUNTS: 'off' }).accounts).toBe(false)
    expect(configOf({ JWT_SECRET: '', ...PROVIDER }).accounts).toBe(false)
    expect(configOf({ JWT_SECRET: '', JWT_SECRET_PREVIOUS: env.JWT_SECRET, ...PROVIDER }).accounts).toBe(
      false,
    )
    expect(configOf({ JWT_SECRET: '', JWT_PRIVATE_KEY: text }).accounts).toBe(true)
    expect(configOf({ JWT_SECRET: '', BETTER_AUTH_SECRET: env.JWT_SECRET }).accounts).toBe(true)
  })
})
