/*
 * JSON Web Token Best Current Practices, RFC 8725 §3: a test for each row that applies to who only verifies and issues
 * signed tokens.
 *
 * Nothing here is encrypted, so these apply only in that an encrypted token is refused, which §3.6 below tests:
 * - §3.6, compressing before encrypting;
 * - of §3.2 and §3.4, the choice of key agreement and the points it is given (an ECDH-ES header's `epk`);
 * - of §3.3, the layers of a nested token.
 * §3.5 speaks of passwords as keys: here they are refused by their length, as no entropy can be measured.
 */
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { newId } from './client.ts'
import { captureLog, countedDatabase, deploy } from './deployment.ts'
import { base64url, forge, newKey, sign, type Algorithm, type Jwk } from './jws.ts'

const PROVIDER = 'https://idp.test'
const ISSUER = 'https://issuer.example'
const AUDIENCE = 'freehold'
const OWN_ISSUER = 'https://own.example'

const { seen, DB } = countedDatabase()
const own = { EdDSA: await newKey('EdDSA'), ES256: await newKey('ES256') }
const settings = {
  DB,
  JWT_ISSUER: ISSUER,
  JWT_AUDIENCE: AUDIENCE,
  OWN_ISSUER,
  JWT_PRIVATE_KEY: JSON.stringify({ ...own.EdDSA.jwk, kid: 'own-EdDSA' }),
  JWT_PRIVATE_KEY_PREVIOUS: JSON.stringify({ ...own.ES256.jwk, kid: 'own-ES256' }),
  JWKS_URL: `${PROVIDER}/jwks`,
}
/** A deployment that trusts all there is to trust: a shared secret, keys of its own, and an identity provider. */
const app = deploy(settings)

const now = () => Math.floor(Date.now() / 1000)
const claims = (more: object = {}) => ({
  sub: `user-${newId()}`,
  iss: OWN_ISSUER,
  aud: AUDIENCE,
  exp: now() + 600,
  ...more,
})

/** Each signer of the deployment: its token with this header and these claims besides the right ones. */
type Signer = (header?: object, more?: object) => Promise<string>

const signers: Record<string, Signer> = {
  'the shared secret': (header, more) => forge({ alg: 'HS256', ...header }, claims(more)),
  'the key of our own': (header, more) =>
    sign('EdDSA', own.EdDSA.jwk, { alg: 'EdDSA', kid: 'own-EdDSA', ...header }, claims(more)),
  'the key before': (header, more) =>
    sign('ES256', own.ES256.jwk, { alg: 'ES256', kid: 'own-ES256', ...header }, claims(more)),
  ...Object.fromEntries(
    (['EdDSA', 'ES256', 'RS256', 'PS256'] satisfies Algorithm[]).map((alg) => [
      `the identity provider's ${alg}`,
      (header?: object, more?: object) =>
        sign(
          alg,
          env.PROVIDER_KEYS[alg] as Jwk,
          { alg, kid: `kid-${alg}`, ...header },
          claims({ iss: ISSUER, ...more }),
        ),
    ]),
  ),
}

const send = (token: string, to = app) =>
  to('GET', '/api/me/tasks', { headers: { Authorization: `Bearer ${token}` } })

async function expectRefused(token: string, to = app): Promise<void> {
  const before = seen.batches
  const { status, body, headers } = await send(token, to)
  expect([token, status, body.type]).toEqual([token, 401, '/docs/problems#invalid_token'])
  expect(headers.get('WWW-Authenticate')).toMatch(/^Bearer error="invalid_token"/)
  expect(seen.batches).toBe(before)
}

async function expectTrusted(token: string, to = app): Promise<void> {
  const { status, body } = await send(token, to)
  expect([token, status, body.count]).toEqual([token, 200, 0])
}

test('whoever signs for the deployment is trusted, so that the refusals below mean something', async () => {
  for (const signed of Object.values(signers)) await expectTrusted(await signed())
})

test('§3.1 Perform Algorithm Verification: a key verifies by its own algorithm alone', async () => {
  const algorithms = [
    'HS256',
    'HS384',
    'RS256',
    'RS512',
    'PS256',
    'ES256',
    'ES384',
    'EdDSA',
    'Ed25519',
    'none',
  ]
  for (const [name, signed] of Object.entries(signers)) {
    const { alg: right } = headerOf(await signed())
    for (const alg of algorithms.filter((other) => other !== right)) {
      expect([name, alg, (await send(await signed({ alg }))).status]).toEqual([name, alg, 401])
    }
  }
})

test('§3.1 Perform Algorithm Verification: a public key is no shared secret', async () => {
  const { keys } = (await app('GET', '/.well-known/jwks.json')).body
  expect(keys).toHaveLength(2)
  for (const jwk of keys as Jwk[]) {
    const ed25519 = jwk.kty === 'OKP'
    const kind = ed25519 ? { name: 'Ed25519' } : { name: 'ECDSA', namedCurve: 'P-256' }
    const { kty, crv, x, y } = jwk
    const bare = { kty, crv, x, ...(y && { y }) } as Jwk
    const key = await crypto.subtle.importKey('jwk', bare, kind, true, ['verify'])
    const [spki, raw] = await Promise.all(
      (['spki', 'raw'] as const).map(async (format) => {
        const exported = (await crypto.subtle.exportKey(format, key)) as ArrayBuffer
        return new Uint8Array(exported)
      }),
    )
    const lines = (spki ?? new Uint8Array()).toBase64().replace(/.{64}/g, '$&\n')
    const pem = `-----BEGIN PUBLIC KEY-----\n${lines}\n-----END PUBLIC KEY-----`
    for (const secret of [spki, raw, pem, `${pem}\n`, x, JSON.stringify(jwk), JSON.stringify(bare)]) {
      expect(secret?.length).toBeGreaterThan(31)
      for (const alg of ['HS256', ed25519 ? 'EdDSA' : 'ES256']) {
        for (const named of [{ kid: jwk.kid }, {}]) {
          await expectRefused(await forge({ alg, ...named }, claims(), secret))
        }
      }
    }
  }
})

test('§3.2 Use Appropriate Algorithms: none, SHA-1 and what was not chosen are refused', async () => {
  for (const alg of [
    'none',
    'None',
    'nOnE',
    '',
    'HS1',
    'RS1',
    'HS512',
    'RS384',
    'ES256K',
    'ES512',
    'Ed448',
  ]) {
    const token = await forge({ alg }, claims())
    await expectRefused(token)
    await expectRefused(`${token.slice(0, token.lastIndexOf('.'))}.`)
  }
})

test('§3.3 Validate All Cryptographic Operations: no part can be changed', async () => {
  for (const signed of Object.values(signers)) {
    const token = await signed()
    const [header = '', payload = '', signature = ''] = token.split('.')
    const others = base64url(JSON.stringify(claims({ role: 'admin' })))
    const relabelled = base64url(JSON.stringify({ ...headerOf(token), typ: 'JWT' }))
    await expectRefused(`${header}.${others}.${signature}`)
    await expectRefused(`${relabelled}.${payload}.${signature}`)
    const first = signature.startsWith('A') ? 'B' : 'A'
    await expectRefused(`${header}.${payload}.${first}${signature.slice(1)}`)
    await expectRefused(`${header}.${payload}.${signature.slice(4)}`)
    await expectRefused(`${header}.${payload}.`)
    await expectTrusted(token)
  }
})

test('§3.4 Validate Cryptographic Inputs: a signature of zeros, or out of range, verifies nothing', async () => {
  const order = Uint8Array.fromHex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
  const zeros = new Uint8Array(64)
  const orders = Uint8Array.from([...order, ...order])
  for (const signed of Object.values(signers)) {
    const [header, payload] = (await signed()).split('.')
    for (const bytes of [zeros, orders, new Uint8Array(64).fill(255), new Uint8Array(256)]) {
      await expectRefused(`${header}.${payload}.${base64url(bytes)}`)
    }
  }
})

test('§3.4 Validate Cryptographic Inputs: a point that is not on its curve is no key', async () => {
  const log = captureLog()
  const { x } = own.ES256.public
  const JWT_PRIVATE_KEY_PREVIOUS = JSON.stringify({ kty: 'EC', crv: 'P-256', x, y: x })
  const { status } = await send(
    await forge({ alg: 'HS256' }, claims()),
    deploy({ ...settings, JWT_PRIVATE_KEY_PREVIOUS }),
  )
  expect(status).toBe(503)
  expect(log.parsed().filter(({ event }) => event === 'misconfigured')).toHaveLength(1)
})

test('§3.5 Ensure Cryptographic Keys Have Sufficient Entropy: a secret as short as a password serves nobody', async () => {
  for (const secret of ['secret', 'correct horse battery staple', 's'.repeat(31)]) {
    for (const short of [{ JWT_SECRET: secret }, { JWT_SECRET_PREVIOUS: secret }]) {
      captureLog()
      const token = await forge({ alg: 'HS256' }, claims(), secret)
      expect((await send(token, deploy({ ...settings, ...short }))).status).toBe(503)
    }
  }
})

test('§3.6 Avoid Compression of Encryption Inputs: an encrypted token is refused, compressed or not', async () => {
  const [, payload, signature] = (await forge({ alg: 'HS256' }, claims())).split('.')
  for (const header of [
    { alg: 'dir', enc: 'A256GCM' },
    { alg: 'dir', enc: 'A256GCM', zip: 'DEF' },
    { alg: 'ECDH-ES', enc: 'A128GCM', epk: own.ES256.public },
    { alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 1e9, p2s: 'AAAA' },
  ]) {
    const encoded = base64url(JSON.stringify(header))
    await expectRefused(`${encoded}..AAAAAAAAAAAAAAAA.${payload}.AAAAAAAAAAAAAAAAAAAAAA`)
    await expectRefused(`${encoded}.${payload}.${signature}`)
  }
  await expectRefused(await forge({ alg: 'HS256', zip: 'DEF', crit: ['zip'] }, claims()))
})

test('§3.7 Use UTF-8: claims and headers in any other encoding are refused', async () => {
  const bytes = (text: string, each: (unit: number) => number[]) =>
    Uint8Array.from([...text].flatMap((char) => each(char.charCodeAt(0))))
  const latin1 = (value: object) => bytes(JSON.stringify({ ...value, name: 'é' }), (unit) => [unit])
  const utf16 = (value: object) => bytes(JSON.stringify(value), (unit) => [unit & 255, unit >> 8])
  const header = { alg: 'HS256' }
  await expectTrusted(await forge({ ...header, name: 'é' }, claims({ name: 'é' })))
  for (const encoded of [latin1, utf16]) {
    await expectRefused(await forge(header, encoded(claims())))
    await expectRefused(await forge(encoded(header), claims()))
  }
})

test('§3.8 Validate Issuer and Subject: a token of another issuer, or for no user, is refused', async () => {
  for (const [name, signed] of Object.entries(signers)) {
    // Of our own keys one without an issuer is ours; under the provider's name it is not.
    const provider = name.startsWith('the identity provider')
    for (const iss of [
      provider ? undefined : ISSUER,
      null,
      'https://other.example',
      `${ISSUER}/`,
      ISSUER.toUpperCase(),
      [ISSUER],
    ]) {
      await expectRefused(await signed({}, { iss }))
    }
    for (const sub of [undefined, null, '', 7, ['user-1'], 'me', 'admin', 'a/b']) {
      await expectRefused(await signed({}, { sub }))
    }
  }
})

test('§3.8 and §3.9: without a provider every token must carry the issuer and the audience that are configured', async () => {
  const alone = deploy({ ...settings, JWKS_URL: undefined })
  for (const name of ['the shared secret', 'the key of our own', 'the key before']) {
    const signed = signers[name]
    if (!signed) throw new Error(name)
    await expectTrusted(await signed({}, { iss: ISSUER }), alone)
    for (const wrong of [{ iss: undefined }, { iss: OWN_ISSUER }, { iss: ISSUER, aud: undefined }]) {
      await expectRefused(await signed({}, wrong), alone)
    }
  }
})

test('§3.8 Validate Issuer and Subject: nobody’s key but a trusted issuer’s verifies, whatever the token says', async () => {
  for (const alg of ['EdDSA', 'ES256'] as const) {
    const stranger = await newKey(alg)
    for (const named of [{ kid: `own-${alg}` }, { kid: `kid-${alg}` }, {}]) {
      await expectRefused(await sign(alg, stranger.jwk, { alg, ...named }, claims()))
    }
  }
  await expectRefused(await forge({ alg: 'HS256' }, claims(), 'the secret of a stranger, over 32 bytes'))
})

test('§3.9 Use and Validate Audience: a token for another audience is refused', async () => {
  for (const [name, signed] of Object.entries(signers)) {
    await expectTrusted(await signed({}, { aud: ['other', AUDIENCE] }))
    for (const aud of [
      ...(name.startsWith('the identity provider') ? [undefined] : []),
      null,
      '',
      'other',
      [],
      ['other'],
      `${AUDIENCE}/`,
      [[AUDIENCE]],
      { AUDIENCE },
    ]) {
      await expectRefused(await signed({}, { aud }))
    }
  }
})

test('§3.10 Do Not Trust Received Claims: a key id is only compared, never looked up', async () => {
  for (const kid of [
    "' OR 1=1 --",
    '../../dev/null',
    'a\0',
    '__proto__',
    'x'.repeat(5_000),
    7,
    null,
    ['own-EdDSA'],
  ]) {
    await expectRefused((await signers['the key of our own']?.({ kid })) ?? '')
  }
})

test('§3.10 Do Not Trust Received Claims: a key in the header is not used, nor fetched from where it points', async () => {
  const stranger = await newKey('ES256')
  const name = newId()
  // Asking for this address would switch the provider's own address of that name on.
  const trap = `${PROVIDER}/on/${name}`
  for (const brought of [
    { jwk: stranger.public },
    { jku: trap },
    { x5u: trap },
    { x5c: ['AAAA'] },
    { iss: trap },
  ]) {
    for (const kid of [undefined, 'own-ES256', 'kid-ES256']) {
      const header = { alg: 'ES256', kid, ...brought }
      await expectRefused(await sign('ES256', stranger.jwk, header, claims()))
      await expectRefused(await sign('ES256', stranger.jwk, header, claims({ jku: trap, iss: trap })))
    }
  }
  expect((await fetch(`${PROVIDER}/switch/${name}`)).status).toBe(503)
})

test('§3.11 Use Explicit Typing: a token that says it is for another purpose is refused', async () => {
  const purposes = [
    'dpop+jwt',
    'logout+jwt',
    'secevent+jwt',
    'application/secevent+jwt',
    'rt+jwt',
    'reset+jwt',
    'JWE',
    'at+jwt+x',
    'xjwt',
    'text/jwt',
    'application/application/jwt',
    ' JWT',
    'JWT\n',
    '',
    7,
    null,
    ['JWT'],
  ]
  for (const signed of Object.values(signers)) {
    for (const typ of purposes) await expectRefused(await signed({ typ }))
    for (const typ of ['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/JWT']) {
      await expectTrusted(await signed({ typ }))
    }
  }
})

test('§3.12 Use Mutually Exclusive Validation Rules: one kind of token is never taken for another', async () => {
  for (const signed of Object.values(signers)) {
    // By its type, its audience, its issuer, or the claims it must have.
    await expectRefused(await signed({ typ: 'logout+jwt' }, { events: {} }))
    await expectRefused(await signed({}, { aud: 'client-id', nonce: 'n' }))
    await expectRefused(await signed({}, { iss: 'https://mail.example' }))
    await expectRefused(await signed({}, { exp: undefined }))
  }
  // By its keys: those of one issuer verify nothing that names another's.
  await expectRefused((await signers['the key of our own']?.({ kid: 'kid-EdDSA' })) ?? '')
  await expectRefused((await signers["the identity provider's EdDSA"]?.({ kid: 'own-EdDSA' })) ?? '')
})

function headerOf(token: string): { alg: string } {
  const [header = ''] = token.split('.')
  return JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(header, { alphabet: 'base64url' })))
}
