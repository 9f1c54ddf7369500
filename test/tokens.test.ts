import { env } from 'cloudflare:workers'
import { importJWK, SignJWT, type JWK, type JWTPayload } from 'jose'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { call, newId, newUser, tokenFor, type Answer, type Json } from './client.ts'
import { captureLog, countedDatabase, deploy } from './deployment.ts'
import { base64url, forge } from './jws.ts'

const SECRET = 'another secret for tests, of 32 bytes or more'
const PROVIDER = 'https://idp.test'
const CHALLENGE = /^Bearer error="invalid_token", error_description="[^"\\]+"$/

type Call = ReturnType<typeof deploy>

const now = () => Math.floor(Date.now() / 1000)
const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } })
const withToken = (app: Call, token: string) => app('GET', '/api/me/tasks', bearer(token))
const typeOf = ({ body }: Answer) => body.type?.replace('/docs/problems#', '')

const HS256 = { alg: 'HS256' }
const claims = (more: object = {}) => ({ sub: `user-${newId()}`, exp: now() + 600, ...more })
const signedWith = (secret: string, more: object = {}) => forge(HS256, claims(more), secret)

/** What a deployment must know of the identity provider besides where its keys are. */
const TRUST = { JWT_ISSUER: PROVIDER, JWT_AUDIENCE: 'freehold' }
/** How the provider's tokens say that they are its own, and for whom. */
const ISSUED = { iss: PROVIDER, aud: 'freehold' }

/** A token as the identity provider issues it. */
async function providerToken(alg: string, more: JWTPayload = {}, header: object = {}): Promise<string> {
  return new SignJWT({ ...claims(), ...ISSUED, ...more })
    .setProtectedHeader({ alg, kid: `kid-${alg}`, ...header })
    .sign(await importJWK(env.PROVIDER_KEYS[alg] as JWK, alg))
}

/** An identity provider that is down until it is switched on. */
function ownProvider() {
  const name = newId()
  return {
    JWKS_URL: `${PROVIDER}/switch/${name}`,
    ...TRUST,
    on: () => fetch(`${PROVIDER}/on/${name}`),
    off: () => fetch(`${PROVIDER}/off/${name}`),
    withdraw: () => fetch(`${PROVIDER}/withdraw/${name}`),
  }
}

/** Lets the clock jump by so many minutes until the end of this test; timers run on. */
function jump(minutes: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + minutes * 60_000 })
  onTestFinished(() => {
    vi.useRealTimers()
  })
}

async function expectRefused(app: Call, token: string): Promise<void> {
  const answer = await withToken(app, token)
  expect([token, answer.status]).toEqual([token, 401])
  expect(typeOf(answer)).toBe('invalid_token')
  expect(answer.headers.get('WWW-Authenticate')).toMatch(CHALLENGE)
  expect(answer.headers.get('x-d1-rows-read')).toBe('0')
}

describe('credentials', () => {
  test.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])(
    'the scheme is read in any case: %s',
    async (scheme) => {
      const token = await tokenFor(`user-${newId()}`)
      const answer = await call('GET', '/api/me/tasks', { headers: { Authorization: `${scheme} ${token}` } })
      expect(answer.status).toBe(200)
    },
  )

  test.each([undefined, 'Basic dXNlcjpwYXNz', 'Digest x', 'Token x', 'Bearerx', 'x Bearer y'])(
    'without a bearer token (%s) the challenge is a bare Bearer',
    async (authorization) => {
      const headers = authorization === undefined ? {} : { Authorization: authorization }
      for (const [method, path] of [
        ['GET', '/api/me/tasks'],
        ['POST', '/api/v1/me/tasks'],
        ['GET', '/api/nothing'],
        ['DELETE', `/api/somebody/tasks/${newId()}`],
      ] as const) {
        const answer = await call(method, path, { headers })
        expect([answer.status, typeOf(answer)]).toEqual([401, 'missing_credentials'])
        expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer')
      }
    },
  )

  test.each([
    'Bearer',
    'bearer ',
    'Bearer x',
    'Bearer a.b',
    'Bearer a.b.c d',
    'Bearer "a.b.c"',
    'Bearer ..',
    'Bearer a.b.c, Bearer a.b.c',
  ])('a bearer token that is none (%s) is an invalid one', async (authorization) => {
    const answer = await call('GET', '/api/me/tasks', { headers: { Authorization: authorization } })
    expect([answer.status, typeOf(answer)]).toEqual([401, 'invalid_token'])
    expect(answer.headers.get('WWW-Authenticate')).toMatch(CHALLENGE)
  })

  test('a token is taken from the Authorization header alone', async () => {
    const token = await tokenFor(`user-${newId()}`)
    const answer = await call('GET', `/api/me/tasks?access_token=${token}`, {
      headers: { Cookie: `token=${token}` },
    })
    expect(answer.status).toBe(401)
  })
})

describe('the shared secret', () => {
  test('JWT_SECRET verifies, and JWT_SECRET_PREVIOUS during a rotation', async () => {
    const app = deploy({ JWT_SECRET: SECRET, JWT_SECRET_PREVIOUS: env.JWT_SECRET })
    expect((await withToken(app, await signedWith(SECRET))).status).toBe(200)
    expect((await withToken(app, await signedWith(env.JWT_SECRET))).status).toBe(200)
    await expectRefused(app, await signedWith(`${SECRET}!`))
    await expectRefused(deploy({ JWT_SECRET: SECRET }), await signedWith(env.JWT_SECRET))
  })

  test('BETTER_AUTH_SECRET is read only when JWT_SECRET is unset', async () => {
    const token = await signedWith(SECRET)
    for (const unset of [undefined, '']) {
      expect((await withToken(deploy({ JWT_SECRET: unset, BETTER_AUTH_SECRET: SECRET }), token)).status).toBe(
        200,
      )
    }
    await expectRefused(deploy({ BETTER_AUTH_SECRET: SECRET }), token)
  })

  test('its tokens say who the user is', async () => {
    for (const sub of ['a', 'x'.repeat(128), 'auth0|5f7c', 'a.b_c~d:e@f-g', 'Me', 'v2']) {
      const headers = { Authorization: `Bearer ${await signedWith(env.JWT_SECRET, { sub })}` }
      const answer = await call('POST', '/api/me/tasks', { headers, body: { title: 'x' } })
      expect([answer.status, answer.body.user_id]).toEqual([201, sub])
      expect((await call('GET', `/api/${sub}/tasks`, { headers })).status).toBe(200)
    }
  })
})

describe('a token is refused', () => {
  const app: Call = call

  test.each<[string, object | string]>([
    ['no sub', { sub: undefined }],
    ['null as sub', { sub: null }],
    ['a number as sub', { sub: 7 }],
    ['an array as sub', { sub: ['user'] }],
    ['an object as sub', { sub: {} }],
    ['true as sub', { sub: true }],
    ['an empty sub', { sub: '' }],
    ['a sub of 129 characters', { sub: 'x'.repeat(129) }],
    ['a sub with a slash', { sub: 'a/b' }],
    ['a sub with a space', { sub: 'a b' }],
    ['a sub with a line break behind it', { sub: 'a\n' }],
    ['a sub with a NUL', { sub: 'a\0' }],
    ['a sub with a percent', { sub: 'a%20' }],
    ['a sub outside ASCII', { sub: 'é' }],
    ['the reserved sub me', { sub: 'me' }],
    ['the reserved sub v1', { sub: 'v1' }],
    ['the reserved sub auth', { sub: 'auth' }],
    ['the reserved sub admin', { sub: 'admin' }],
    ['no exp', { exp: undefined }],
    ['null as exp', { exp: null }],
    ['a string as exp', { exp: String(now() + 600) }],
    ['an array as exp', { exp: [now() + 600] }],
    ['an exp long gone', { exp: now() - 3600 }],
    ['an exp beyond the leeway', { exp: now() - 60 }],
    ['an exp of 0', { exp: 0 }],
    ['an exp in milliseconds of the far future', { exp: 1e15 }],
    ['an nbf beyond the leeway', { nbf: now() + 120 }],
    ['a string as nbf', { nbf: '0' }],
    ['an iat beyond the leeway', { iat: now() + 120 }],
    ['a string as iat', { iat: '0' }],
    ['null as iat', { iat: null }],
  ])('for %s', async (_, wrong) => {
    await expectRefused(app, await signedWith(env.JWT_SECRET, wrong as object))
  })

  test('for an expiry that JSON can write and no clock can reach', async () => {
    for (const exp of ['1e400', '-1e400', '1e300', '253402300800']) {
      await expectRefused(app, await forge(HS256, `{"sub":"user-1","exp":${exp}}`))
    }
  })

  test.each<[string, string]>([
    ['an array', '[]'],
    ['null', 'null'],
    ['a string', '"x"'],
    ['no JSON', '{"sub"'],
    ['nothing', ''],
  ])('for a payload that is %s', async (_, payload) => {
    await expectRefused(app, await forge(HS256, payload))
  })

  test.each<[string, unknown]>([
    ['none', { alg: 'none' }],
    ['None', { alg: 'None' }],
    ['NONE', { alg: 'NONE' }],
    ['an empty string', { alg: '' }],
    ['lower case', { alg: 'hs256' }],
    ['HS512', { alg: 'HS512' }],
    ['HS384', { alg: 'HS384' }],
    ['RS256', { alg: 'RS256' }],
    ['an array', { alg: ['HS256'] }],
    ['null', { alg: null }],
    ['missing', {}],
  ])('for an algorithm that is %s, signed or not', async (_, header) => {
    const token = await forge(header, claims())
    await expectRefused(app, token)
    const [head, payload] = token.split('.')
    await expectRefused(app, `${head}.${payload}.`)
    await expectRefused(app, `${head}.${payload}`)
  })

  test.each<[string, unknown]>([
    ['an unknown critical extension', { ...HS256, crit: ['exp'], exp: 1 }],
    ['an empty crit', { ...HS256, crit: [] }],
    ['an unencoded payload', { ...HS256, crit: ['b64'], b64: false }],
    ['an array', [HS256]],
    ['no JSON', '{"alg":"HS256"'],
  ])('for a header with %s', async (_, header) => {
    await expectRefused(app, await forge(header, claims()))
  })

  test.each(['jwk', 'jku', 'x5u', 'x5c', 'kid'])(
    'for a key that its own header brings along as %s',
    async (name) => {
      const mine = 'a secret of the attacker, of more than 32 bytes'
      const values: Record<string, unknown> = {
        jwk: { kty: 'oct', k: base64url(mine), alg: 'HS256' },
        jku: `${PROVIDER}/jwks`,
        x5u: `${PROVIDER}/jwks`,
        x5c: [btoa(mine)],
        kid: '../../dev/null',
      }
      for (const secret of [mine, 'x'])
        await expectRefused(app, await forge({ ...HS256, [name]: values[name] }, claims(), secret))
    },
  )

  test('for a signature by another key, of other claims, cut or empty', async () => {
    const token = await signedWith(env.JWT_SECRET)
    const [head = '', payload = '', signature = ''] = token.split('.')
    const others = base64url(JSON.stringify(claims({ sub: 'somebody-else' })))
    await expectRefused(app, await signedWith(SECRET))
    await expectRefused(app, `${head}.${others}.${signature}`)
    await expectRefused(app, `${base64url('{"alg":"HS256","typ":"JWT"}')}.${payload}.${signature}`)
    await expectRefused(app, `${head}.${payload}.${signature.slice(0, -4)}`)
    await expectRefused(app, `${head}.${payload}.AAAA`)
    expect((await withToken(app, token)).status).toBe(200)
  })

  test('in any other form than its own: padded, non-canonical, with two or five parts', async () => {
    const token = await signedWith(env.JWT_SECRET)
    const [head = '', payload = '', signature = ''] = token.split('.')
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(signature.slice(-1))
    // 32 bytes are 42 characters and 4 bits: the 2 lowest bits of the last character mean nothing.
    const same = [1, 2, 3].map((bits) => signature.slice(0, -1) + alphabet.charAt(last + bits))
    for (const twin of same) {
      expect(Uint8Array.fromBase64(twin, { alphabet: 'base64url' })).toEqual(
        Uint8Array.fromBase64(signature, { alphabet: 'base64url' }),
      )
    }
    for (const forged of [
      ...same.map((twin) => `${head}.${payload}.${twin}`),
      `${token}=`,
      `${head}.${payload}.${signature}==`,
      `${head}=.${payload}.${signature}`,
      ` ${token}.`,
      `${token}.`,
      `.${token}`,
      `${head}.${payload}`,
      `${head}..${signature}`,
      `.${payload}.${signature}`,
      `${token}.${payload}.${signature}`,
      `${base64url('{"alg":"dir","enc":"A256GCM"}')}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA`,
      `${head}.${payload}.${signature.slice(0, 10)}+${signature.slice(11)}`,
      `${head}.${payload}.${signature.slice(0, 10)} ${signature.slice(10)}`,
      'x'.repeat(20_000),
      `${'A'.repeat(4_000)}.${'A'.repeat(4_000)}.${'A'.repeat(4_000)}`,
    ]) {
      await expectRefused(app, forged)
    }
  })
})

test('a token that is refused, and every preflight, costs no query', async () => {
  const { seen, DB } = countedDatabase()
  const ORIGIN = 'https://app.example'
  const app = deploy({ DB, JWKS_URL: `${PROVIDER}/jwks`, ...TRUST, CORS_ORIGINS: ORIGIN })
  const path = `/api/me/tasks/${newId()}`
  for (const token of [
    'x',
    await signedWith(SECRET),
    await signedWith(env.JWT_SECRET, { exp: now() - 3600 }),
    await signedWith(env.JWT_SECRET, { sub: 'me' }),
    await signedWith(env.JWT_SECRET, { sid: 'none' }),
    await forge({ ...HS256, typ: 'dpop+jwt' }, claims()),
    await providerToken('ES256', {}, { kid: 'kid-unknown' }),
    await providerToken('EdDSA', { exp: now() - 3600 }),
  ]) {
    for (const [method, target] of [
      ['GET', '/api/me/tasks'],
      ['POST', '/api/v1/me/tasks'],
      ['PATCH', `${path}/complete`],
      ['DELETE', path],
    ] as const) {
      expect((await app(method, target, bearer(token))).status).toBe(401)
      const headers = { Origin: ORIGIN, 'Access-Control-Request-Method': method }
      expect((await app('OPTIONS', target, { headers })).status).toBe(204)
    }
  }
  expect(seen.batches).toBe(0)
  expect((await app('GET', '/api/me/tasks', bearer(await signedWith(env.JWT_SECRET)))).status).toBe(200)
  expect(seen.batches).toBe(1)
})

describe('times', () => {
  test.each<[string, object]>([
    ['an exp within the leeway', { exp: now() - 5 }],
    ['an nbf within the leeway', { nbf: now() + 20 }],
    ['an iat within the leeway', { iat: now() + 20 }],
    ['an old iat', { iat: 0 }],
    ['fractions of a second', { exp: now() + 60.5, nbf: now() - 0.5, iat: now() - 0.5 }],
    ['an expiry in the year 9999', { exp: 253_402_300_799 }],
  ])('%s holds', async (_, more) => {
    expect((await withToken(call, await signedWith(env.JWT_SECRET, more))).status).toBe(200)
  })
})

describe('a token that is remembered', () => {
  test('has its signature verified once for each deployment', async () => {
    const verify = vi.spyOn(crypto.subtle, 'verify')
    onTestFinished(() => verify.mockRestore())
    const token = await signedWith(env.JWT_SECRET)
    for (const app of [deploy(), deploy()]) {
      verify.mockClear()
      for (const _ of [1, 2, 3]) expect((await withToken(app, token)).status).toBe(200)
      expect(verify).toHaveBeenCalledTimes(1)
    }
  })

  test('keeps its caller, and is each request’s own', async () => {
    const app = deploy()
    const [one, other] = [`user-${newId()}`, `user-${newId()}`]
    const tokens = [
      await signedWith(env.JWT_SECRET, { sub: one }),
      await signedWith(env.JWT_SECRET, { sub: other }),
    ]
    const rounds = [...tokens, ...tokens, ...tokens.toReversed()]
    const answers = await Promise.all(
      rounds.map((token) => app('POST', '/api/me/tasks', { ...bearer(token), body: { title: 'x' } })),
    )
    expect(answers.map(({ body }) => body.user_id)).toEqual([one, other, one, other, other, one])
    expect((await app('GET', `/api/${other}/tasks`, bearer(tokens[0] ?? ''))).status).toBe(403)
  })

  test('is refused from the second on in which it expires', async () => {
    const app = deploy()
    const token = await signedWith(env.JWT_SECRET, { exp: now() + 300 })
    expect((await withToken(app, token)).status).toBe(200)
    expect((await withToken(app, token)).status).toBe(200)
    jump(5.6)
    await expectRefused(app, token)
    expect((await withToken(app, token)).body.detail).toBe('The access token was refused: it has expired.')
  })

  test('is no help to one that differs from it by a character', async () => {
    const app = deploy()
    const token = await signedWith(env.JWT_SECRET)
    expect((await withToken(app, token)).status).toBe(200)
    const [head = '', payload = '', signature = ''] = token.split('.')
    const flipped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`
    await expectRefused(app, `${head}.${payload}.${flipped}`)
    await expectRefused(app, `${head}.${payload}.${signature.slice(0, -4)}`)
    await expectRefused(app, `${head}.${base64url(JSON.stringify(claims()))}.${signature}`)
  })

  test('is refused where another secret, issuer or audience is set', async () => {
    const token = await signedWith(env.JWT_SECRET)
    const app = deploy()
    expect((await withToken(app, token)).status).toBe(200)
    for (const settings of [
      { JWT_SECRET: SECRET },
      { JWT_ISSUER: PROVIDER },
      { JWT_AUDIENCE: 'freehold' },
      { JWKS_URL: `${PROVIDER}/jwks`, ...TRUST, JWT_SECRET: undefined },
    ]) {
      await expectRefused(deploy(settings), token)
    }
    expect((await withToken(app, token)).status).toBe(200)
  })

  test('is refused once its key is gone from the key set', async () => {
    const { on, off: _, withdraw, ...settings } = ownProvider()
    await on()
    const app = deploy(settings)
    const token = await providerToken('ES256', { exp: now() + 3600 })
    expect((await withToken(app, token)).status).toBe(200)
    await withdraw()
    expect((await withToken(app, token)).status).toBe(200)
    jump(11)
    await expectRefused(app, token)
  })
})

describe('issuer and audience', () => {
  const app = deploy({ JWT_ISSUER: 'https://issuer.example', JWT_AUDIENCE: 'freehold' })
  const right = { iss: 'https://issuer.example', aud: 'freehold' }

  test('must be what is configured', async () => {
    for (const more of [right, { ...right, aud: ['other', 'freehold'] }]) {
      expect((await withToken(app, await signedWith(env.JWT_SECRET, more))).status).toBe(200)
    }
    for (const wrong of [
      { iss: undefined },
      { iss: 'https://issuer.example/' },
      { iss: ['https://issuer.example'] },
      { iss: 7 },
      { aud: undefined },
      { aud: 'other' },
      { aud: ['other'] },
      { aud: [] },
      { aud: 'Freehold' },
      { aud: { freehold: true } },
    ]) {
      await expectRefused(app, await signedWith(env.JWT_SECRET, { ...right, ...wrong }))
    }
  })

  test('are not asked for when they are not configured', async () => {
    expect((await withToken(call, await signedWith(env.JWT_SECRET, { iss: 'x', aud: 'y' }))).status).toBe(200)
    expect((await withToken(call, await signedWith(env.JWT_SECRET))).status).toBe(200)
  })
})

describe('the key set of an identity provider', () => {
  const algorithms = ['EdDSA', 'ES256', 'RS256', 'PS256']
  const JWKS_URL = `${PROVIDER}/jwks`

  test.each(algorithms)('verifies %s, with and without a shared secret beside it', async (alg) => {
    for (const settings of [
      { JWKS_URL, ...TRUST },
      { JWKS_URL, ...TRUST, JWT_SECRET: undefined },
    ]) {
      const app = deploy(settings)
      const sub = `user-${newId()}`
      const answer = await app('POST', '/api/me/tasks', {
        ...bearer(await providerToken(alg, { sub })),
        body: { title: 'x' },
      })
      expect([answer.status, answer.body.user_id]).toEqual([201, sub])
    }
  })

  test('verifies a token that names no key', async () => {
    const app = deploy({ JWKS_URL, ...TRUST })
    for (const alg of ['EdDSA', 'ES256']) {
      const token = await new SignJWT(claims(ISSUED))
        .setProtectedHeader({ alg })
        .sign(await importJWK(env.PROVIDER_KEYS[alg] as JWK, alg))
      expect((await withToken(app, token)).status).toBe(200)
    }
  })

  test('the shared secret goes on beside it', async () => {
    const app = deploy({ JWKS_URL, ...TRUST })
    expect((await withToken(app, await signedWith(env.JWT_SECRET))).status).toBe(200)
    await expectRefused(
      deploy({ JWKS_URL, ...TRUST, JWT_SECRET: undefined }),
      await signedWith(env.JWT_SECRET),
    )
  })

  test('its claims are checked like any', async () => {
    const app = deploy({ JWKS_URL, ...TRUST })
    expect((await withToken(app, await providerToken('ES256', { aud: 'freehold' }))).status).toBe(200)
    await expectRefused(app, await providerToken('ES256', { aud: 'other' }))
    await expectRefused(app, await providerToken('ES256', { aud: 'freehold', sub: 'me' }))
    await expectRefused(app, await providerToken('ES256', { aud: 'freehold', exp: now() - 120 }))
  })

  test('an unknown key, or one of another algorithm, is refused', async () => {
    const app = deploy({ JWKS_URL, ...TRUST })
    await expectRefused(app, await providerToken('ES256', {}, { kid: 'kid-unknown' }))
    await expectRefused(app, await providerToken('ES256', {}, { kid: 'kid-EdDSA' }))
    const { privateKey } = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ])) as CryptoKeyPair
    const stranger = await new SignJWT(claims(ISSUED))
      .setProtectedHeader({ alg: 'ES256', kid: 'kid-ES256' })
      .sign(privateKey)
    await expectRefused(app, stranger)
    await expectRefused(deploy(), await providerToken('ES256'))
  })

  test('a public key is no shared secret', async () => {
    const app = deploy({ JWKS_URL, ...TRUST })
    const { keys } = await (await fetch(JWKS_URL)).json<{ keys: (JsonWebKey & JWK)[] }>()
    for (const jwk of keys.filter(({ kty }) => kty === 'RSA' || kty === 'EC')) {
      const kind =
        jwk.kty === 'RSA'
          ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
          : { name: 'ECDSA', namedCurve: 'P-256' }
      const { kid, use: _, alg: __, ...bare } = jwk
      const key = await crypto.subtle.importKey('jwk', bare, kind, true, ['verify'])
      const spki = new Uint8Array((await crypto.subtle.exportKey('spki', key)) as ArrayBuffer)
      const pem = `-----BEGIN PUBLIC KEY-----\n${spki.toBase64().replace(/.{64}/g, '$&\n')}\n-----END PUBLIC KEY-----\n`
      for (const secret of [spki, pem, pem.trim(), JSON.stringify(jwk), jwk.n ?? jwk.x ?? '']) {
        for (const alg of ['HS256', 'RS256', 'ES256']) {
          await expectRefused(app, await forge({ alg, kid }, claims(), secret))
        }
      }
    }
  })

  test('many first requests at once all find the keys', async () => {
    const app = deploy({ JWKS_URL, ...TRUST, JWT_SECRET: undefined })
    const tokens = await Promise.all(Array.from({ length: 12 }, () => providerToken('ES256')))
    const answers = await Promise.all(tokens.map((token) => withToken(app, token)))
    expect(answers.map(({ status }) => status)).toEqual(tokens.map(() => 200))
  })

  test('one that never answered makes its tokens a 503, and nobody else’s', async () => {
    for (const url of [`${PROVIDER}/down`, ownProvider().JWKS_URL]) {
      const app = deploy({ JWKS_URL: url, ...TRUST })
      const { parsed } = captureLog()
      const answer = await withToken(app, await providerToken('EdDSA'))
      expect([answer.status, typeOf(answer)]).toEqual([503, 'keys_unavailable'])
      expect(answer.headers.get('Retry-After')).toMatch(/^\d+$/)
      expect(parsed().map(({ event }) => event)).toEqual(['jwks_unavailable', 'request'])
      expect((await withToken(app, await signedWith(env.JWT_SECRET))).status).toBe(200)
      expect((await app('GET', '/health')).status).toBe(200)
    }
  })

  test('one that comes up later is asked again', async () => {
    const { on, off: _, ...settings } = ownProvider()
    const app = deploy(settings)
    expect((await withToken(app, await providerToken('ES256'))).status).toBe(503)
    await on()
    jump(5)
    expect((await withToken(app, await providerToken('ES256'))).status).toBe(200)
  })

  test('the last good one goes on when the provider is down, for days', async () => {
    const { on, off, ...settings } = ownProvider()
    await on()
    const app = deploy(settings)
    expect((await withToken(app, await providerToken('ES256'))).status).toBe(200)
    await off()
    jump(3 * 24 * 60)
    const { parsed } = captureLog()
    for (const alg of algorithms) expect((await withToken(app, await providerToken(alg))).status).toBe(200)
    expect(parsed().filter(({ event }) => event === 'jwks_unavailable')).toHaveLength(1)
    const unknown = await withToken(app, await providerToken('ES256', {}, { kid: 'kid-unknown' }))
    expect([unknown.status, typeOf(unknown)]).toEqual([503, 'keys_unavailable'])
    await expectRefused(app, `${(await providerToken('ES256')).slice(0, -8)}AAAAAAAA`)
  })

  test('an unknown key makes no more than one fetch in half a minute', async () => {
    const { on, off, ...settings } = ownProvider()
    await on()
    const app = deploy(settings)
    expect((await withToken(app, await providerToken('ES256'))).status).toBe(200)
    await off()
    const { parsed } = captureLog()
    for (let at = 0; at < 5; at += 1)
      await expectRefused(app, await providerToken('ES256', {}, { kid: `kid-${at}` }))
    expect(parsed().filter(({ event }) => event === 'jwks_unavailable')).toHaveLength(0)
  })

  test.each([
    ['fresh', 0, 0],
    ['a minute old', 1, 1],
    ['too old', 11, 1],
  ])('one that is %s: forty unknown keys at once cause at most one fetch', async (_, minutes, fetches) => {
    const app = deploy({ JWKS_URL, ...TRUST })
    expect((await withToken(app, await providerToken('ES256'))).status).toBe(200)
    jump(minutes)
    const names = Array.from({ length: 40 }, (__, at) => `kid-unknown-${at}`)
    const tokens = await Promise.all(names.map((kid) => providerToken('ES256', {}, { kid })))
    const seen = vi.spyOn(globalThis, 'fetch')
    onTestFinished(() => seen.mockRestore())
    for (let time = 0; time < 2; time += 1) {
      const answers = await Promise.all(tokens.map((token) => withToken(app, token)))
      expect(answers.map(({ status }) => status)).toEqual(tokens.map(() => 401))
      expect(seen.mock.calls.map(([to]) => to)).toEqual(Array(fetches).fill(JWKS_URL))
    }
  })
})

describe('settings that cannot be read', () => {
  const bytes = (count: number) => 's'.repeat(count)

  test.each<[string, Parameters<typeof deploy>[0], string]>([
    ['no secret at all', { JWT_SECRET: undefined }, 'JWT_SECRET'],
    ['an empty secret', { JWT_SECRET: '' }, 'JWT_SECRET'],
    ['a secret of 31 bytes', { JWT_SECRET: bytes(31) }, 'JWT_SECRET'],
    [
      'a fallback of 31 bytes',
      { JWT_SECRET: undefined, BETTER_AUTH_SECRET: bytes(31) },
      'BETTER_AUTH_SECRET',
    ],
    ['a previous secret of 31 bytes', { JWT_SECRET_PREVIOUS: bytes(31) }, 'JWT_SECRET_PREVIOUS'],
    ['a previous secret alone', { JWT_SECRET: undefined, JWT_SECRET_PREVIOUS: bytes(32) }, 'JWT_SECRET'],
    [
      'a short secret beside a key set',
      { JWT_SECRET: bytes(31), JWKS_URL: `${PROVIDER}/jwks`, ...TRUST },
      'JWT_SECRET',
    ],
    ['a key set over http', { JWKS_URL: 'http://idp.test/jwks', ...TRUST }, 'JWKS_URL'],
    ['a loopback key set in production', { JWKS_URL: 'http://localhost:9000/jwks', ...TRUST }, 'JWKS_URL'],
    [
      'a key set over http in development',
      { JWKS_URL: 'http://idp.test/jwks', ENVIRONMENT: 'development', ...TRUST },
      'JWKS_URL',
    ],
    ['a key set at no URL', { JWKS_URL: 'idp.test/jwks', ...TRUST }, 'JWKS_URL'],
    ['a key set of another scheme', { JWKS_URL: 'data:application/json,{}', ...TRUST }, 'JWKS_URL'],
    ['a key set of nobody', { JWKS_URL: `${PROVIDER}/jwks`, JWT_AUDIENCE: 'freehold' }, 'JWT_ISSUER'],
    ['a key set for anybody', { JWKS_URL: `${PROVIDER}/jwks`, JWT_ISSUER: PROVIDER }, 'JWT_AUDIENCE'],
    [
      'a key set under our own name',
      { JWKS_URL: `${PROVIDER}/jwks`, ...TRUST, JWT_ISSUER: 'freehold' },
      'OWN_ISSUER',
    ],
    ['any origin', { CORS_ORIGINS: '*' }, 'CORS_ORIGINS'],
    ['a wildcard origin', { CORS_ORIGINS: 'https://*.example' }, 'CORS_ORIGINS'],
    ['an origin with a path', { CORS_ORIGINS: 'https://a.example, https://b.example/' }, 'CORS_ORIGINS'],
    ['an origin without a scheme', { CORS_ORIGINS: 'app.example' }, 'CORS_ORIGINS'],
    ['the null origin', { CORS_ORIGINS: 'null' }, 'CORS_ORIGINS'],
  ])('%s: the API answers 503, says once why, and /health goes on', async (_, settings, named) => {
    const app = deploy(settings)
    const log = captureLog()
    const token = await tokenFor(`user-${newId()}`)
    for (const answer of [
      await withToken(app, token),
      await app('GET', '/api/v1/me/tasks'),
      await withToken(app, 'x'),
    ]) {
      expect([answer.status, typeOf(answer)]).toEqual([503, 'misconfigured'])
      expect(answer.headers.get('x-d1-rows-read')).toBe('0')
      expect(answer.headers.has('WWW-Authenticate')).toBe(false)
    }
    const health = await app('GET', '/health')
    expect([health.status, health.body]).toEqual([200, { status: 'healthy' }])
    const why = log.parsed().filter(({ event }) => event !== 'request')
    expect(why).toEqual([
      { level: 'error', event: 'misconfigured', faults: [expect.stringContaining(named)] },
    ])
    for (const value of Object.values(settings ?? {}) as Json[]) {
      if (typeof value === 'string' && value.length > 8) expect(JSON.stringify(why)).not.toContain(value)
    }
  })

  test('a secret is measured in bytes, and 32 are enough', async () => {
    for (const secret of [bytes(32), 'é'.repeat(16)]) {
      const app = deploy({ JWT_SECRET: secret, CORS_ORIGINS: ' https://a.example , http://b.example:8080,' })
      expect((await withToken(app, await signedWith(secret))).status).toBe(200)
    }
    const { body } = await withToken(deploy({ JWT_SECRET: 'é'.repeat(15) }), 'x')
    expect(body.status).toBe(503)
  })

  test('a key set at a loopback address is read in development', async () => {
    const user = await newUser()
    for (const host of ['localhost', '127.0.0.1', '[::1]']) {
      const app = deploy({ ENVIRONMENT: 'development', JWKS_URL: `http://${host}:9/jwks`, ...TRUST })
      expect((await app('GET', '/api/me/tasks', { headers: user.authorization })).status).toBe(200)
    }
  })
})
