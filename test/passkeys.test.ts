import { env } from 'cloudflare:workers'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { loginWith, newAccount, newEmail, PASSWORD } from './account.ts'
import {
  base64url,
  createPasskey,
  usePasskey,
  type Passkey,
  type PasskeyAlgorithm,
  type Twist,
} from './authenticator.ts'
import { call, newId, type Answer, type Json } from './client.ts'
import { captureLog, countedDatabase, deploy } from './deployment.ts'

const problemOf = ({ status, body }: Answer) => [status, body.type?.replace('/docs/problems#', '')]
const REFUSED = [401, 'passkey_refused']
const INVALID = [422, 'invalid_passkey']

const loginOptions = async (): Promise<Json> => (await call('POST', '/api/auth/login/passkey/options')).body
const sendLogin = (body: Json, query = '', headers: Record<string, string> = {}) =>
  call('POST', `/api/auth/login/passkey${query}`, { body, headers })

async function logInBy(passkey: Passkey, twist: Twist = {}, query = '') {
  return sendLogin(usePasskey(passkey, await loginOptions(), twist), query)
}

async function registerBy(email = newEmail(), algorithm: PasskeyAlgorithm = 'ES256', twist: Twist = {}) {
  const { body: options } = await call('POST', '/api/auth/register/passkey/options', { body: { email } })
  const { passkey, answer } = createPasskey(options, algorithm, twist)
  return {
    email,
    options,
    passkey,
    answer: await call('POST', '/api/auth/register', { body: { email, passkey: answer } }),
  }
}

type Account = Pick<Awaited<ReturnType<typeof newAccount>>, 'request'>

async function addTo({ request }: Account, name?: string, twist: Twist = {}) {
  const { body: options } = await request('POST', '/api/auth/passkeys/options')
  const { passkey, answer } = createPasskey(options, 'ES256', twist)
  const sent = { ...answer, ...(name !== undefined && { name }) }
  return { options, passkey, sent, answer: await request('POST', '/api/auth/passkeys', sent) }
}

describe('registration by passkey', () => {
  test.each<PasskeyAlgorithm>(['ES256', 'EdDSA', 'RS256'])(
    'makes an account that %s logs in to',
    async (algorithm) => {
      const { email, passkey, answer } = await registerBy(newEmail(), algorithm)
      expect(answer.status).toBe(201)
      expect(answer.body).toMatchObject({ email, email_verified: false, role: 'user' })
      expect(answer.headers.get('Location')).toBe('/api/auth/me')
      const login = await logInBy(passkey)
      expect(login.status).toBe(200)
      expect(Object.keys(login.body)).toEqual(['access_token', 'token_type', 'expires_in', 'refresh_token'])
      const { request } = loginWith(login.body)
      expect((await request('GET', '/api/auth/me')).body).toEqual(answer.body)
      expect((await request('POST', '/api/me/tasks', { title: 'by passkey' })).status).toBe(201)
    },
  )

  test('asks for a discoverable credential, a verified user and no attestation', async () => {
    const { options, answer } = await registerBy()
    expect(options).toMatchObject({
      rp: { id: 'api.test', name: 'api.test' },
      pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: 'public-key', alg })),
      authenticatorSelection: {
        residentKey: 'required',
        requireResidentKey: true,
        userVerification: 'required',
      },
      attestation: 'none',
      timeout: 300_000,
      excludeCredentials: [],
    })
    // What an authenticator keeps of the user tells nobody who it is.
    expect(options.user.id).not.toContain(answer.body.id)
    expect(Buffer.from(options.user.id, 'base64url')).toHaveLength(32)
  })

  test('is noted as what happened to the account', async () => {
    const { passkey } = await registerBy()
    const { body } = await loginWith((await logInBy(passkey)).body).request('GET', '/api/auth/activity')
    expect(body.activity.map(({ event, session_id }: Json) => [event, session_id !== null])).toEqual([
      ['login_passkey', true],
      ['passkey_added', false],
    ])
  })

  test('takes one round trip', async () => {
    const { seen, DB } = countedDatabase()
    const through = deploy({ DB })
    const email = newEmail()
    const { body: options } = await through('POST', '/api/auth/register/passkey/options', { body: { email } })
    expect(seen.batches).toBe(0)
    const { answer } = createPasskey(options)
    const { status } = await through('POST', '/api/auth/register', { body: { email, passkey: answer } })
    expect([status, seen.batches]).toEqual([201, 1])
  })

  test('refuses a taken e-mail, and the options of another', async () => {
    const { email } = await newAccount()
    expect(problemOf((await registerBy(email)).answer)).toEqual([409, 'email_taken'])
    const { body: options } = await call('POST', '/api/auth/register/passkey/options', {
      body: { email: newEmail() },
    })
    const { answer: passkey } = createPasskey(options)
    expect(
      problemOf(await call('POST', '/api/auth/register', { body: { email: newEmail(), passkey } })),
    ).toEqual(INVALID)
  })

  test('takes an e-mail in another spelling than its options were asked with', async () => {
    const email = newEmail()
    const { body: options } = await call('POST', '/api/auth/register/passkey/options', {
      body: { email: ` ${email.toUpperCase()} ` },
    })
    const { answer: passkey } = createPasskey(options)
    expect((await call('POST', '/api/auth/register', { body: { email, passkey } })).status).toBe(201)
  })

  test('takes a password or a passkey, and names what is wrong with either', async () => {
    const email = newEmail()
    const { answer: passkey } = createPasskey(
      (await call('POST', '/api/auth/register/passkey/options', { body: { email } })).body,
    )
    const errors = async (body: Json) =>
      (await call('POST', '/api/auth/register', { body })).body.errors.map(({ path, code }: Json) => [
        path,
        code,
      ])
    expect(await errors({ email, passkey, password: PASSWORD })).toEqual([['password', 'unrecognized_key']])
    expect(await errors({ email: 'nobody', password: 'short' })).toEqual([
      ['email', 'invalid_format'],
      ['password', 'too_small'],
    ])
    expect(await errors({ email })).toEqual([['password', 'invalid_type']])
    expect(await errors({ email, passkey: { ...passkey, rawId: 'a=' } })).toEqual([
      ['passkey.rawId', 'invalid_format'],
    ])
    expect(await errors([])).toEqual([['', 'invalid_type']])
  })

  test('of one passkey for a second account is a 409', async () => {
    const { passkey } = await registerBy()
    const email = newEmail()
    const { body: options } = await call('POST', '/api/auth/register/passkey/options', { body: { email } })
    const { answer } = createPasskey(options)
    const id = Buffer.from(passkey.id, 'base64url')
    const object = Buffer.from(answer.response.attestationObject, 'base64url')
    const own = object.indexOf(Buffer.from(answer.id, 'base64url'))
    id.copy(object, own)
    const stolen = {
      ...answer,
      id: passkey.id,
      rawId: passkey.id,
      response: { ...answer.response, attestationObject: base64url(object) },
    }
    expect(problemOf(await call('POST', '/api/auth/register', { body: { email, passkey: stolen } }))).toEqual(
      [409, 'passkey_taken'],
    )
  })

  test('has no password to log in with', async () => {
    const { email } = await registerBy()
    const answer = await call('POST', '/api/auth/login', { body: { email, password: PASSWORD } })
    expect(problemOf(answer)).toEqual([401, 'invalid_credentials'])
  })
})

describe('login by passkey', () => {
  test('names nobody and stores nothing before', async () => {
    const { seen, DB } = countedDatabase()
    const { body } = await deploy({ DB })('POST', '/api/auth/login/passkey/options')
    expect(body).toEqual({
      challenge: expect.stringMatching(/^[\w-]{64}$/),
      timeout: 300_000,
      rpId: 'api.test',
      allowCredentials: [],
      userVerification: 'required',
    })
    expect(seen.batches).toBe(0)
  })

  test('comes as cookies when asked to, to an allowed origin alone', async () => {
    const { passkey } = await registerBy()
    const { status, body, headers } = await logInBy(passkey, {}, '?cookie=true')
    expect([status, body]).toEqual([200, { token_type: 'bearer', expires_in: 900 }])
    expect(headers.getSetCookie().map((cookie) => cookie.split('=')[0])).toEqual([
      '__Host-access_token',
      '__Host-refresh_token',
    ])
    const answer = usePasskey(passkey, await loginOptions())
    expect(problemOf(await sendLogin(answer, '?cookie=true', { Origin: 'https://evil.test' }))).toEqual([
      403,
      'foreign_origin',
    ])
  })

  test('takes two round trips: the key has to be known before its signature can be', async () => {
    const { passkey } = await registerBy()
    const { seen, DB } = countedDatabase()
    const answer = usePasskey(passkey, await loginOptions())
    const { status } = await deploy({ DB })('POST', '/api/auth/login/passkey', { body: answer })
    expect([status, seen.batches]).toEqual([200, 2])
  })

  test('asks the database for nothing when the challenge is none of ours', async () => {
    const { passkey } = await registerBy()
    const { seen, DB } = countedDatabase()
    const forged = usePasskey(passkey, { rpId: 'api.test', challenge: base64url(Buffer.alloc(48, 7)) })
    expect(problemOf(await deploy({ DB })('POST', '/api/auth/login/passkey', { body: forged }))).toEqual(
      REFUSED,
    )
    expect(seen.batches).toBe(0)
  })

  test('spends its challenge: fifty uses at once are one session', async () => {
    const { passkey } = await registerBy()
    const answer = usePasskey(passkey, await loginOptions())
    const answers = await Promise.all(Array.from({ length: 50 }, () => sendLogin(answer)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter((one) => problemOf(one)[1] === 'passkey_refused')).toHaveLength(49)
    const { request } = loginWith(answers.find(({ status }) => status === 200)?.body)
    expect((await request('GET', '/api/auth/sessions')).body.count).toBe(1)
  })

  test('refuses a challenge made for something else, or for somebody else', async () => {
    const account = await newAccount()
    const { passkey } = await addTo(account)
    const { body: adding } = await account.request('POST', '/api/auth/passkeys/options')
    expect(
      problemOf(await sendLogin(usePasskey(passkey, { rpId: 'api.test', challenge: adding.challenge }))),
    ).toEqual(REFUSED)
    const other = await newAccount()
    const { answer: borrowed } = createPasskey(adding)
    expect(problemOf(await other.request('POST', '/api/auth/passkeys', borrowed))).toEqual(INVALID)
    const { answer: wrong } = createPasskey({ ...adding, challenge: (await loginOptions()).challenge })
    expect(problemOf(await account.request('POST', '/api/auth/passkeys', wrong))).toEqual(INVALID)
  })

  test('refuses the challenge of a deployment with another key', async () => {
    const { passkey } = await registerBy()
    const elsewhere = deploy({ JWT_SECRET: 'another secret, also of more than 32 bytes' })
    const { body: options } = await elsewhere('POST', '/api/auth/login/passkey/options')
    expect(problemOf(await sendLogin(usePasskey(passkey, options)))).toEqual(REFUSED)
  })

  test('refuses a counter that goes back, and says so in the log', async () => {
    const { passkey } = await registerBy(newEmail(), 'ES256', { counter: 5 })
    const { parsed } = captureLog()
    expect((await logInBy(passkey, { counter: 6 })).status).toBe(200)
    for (const counter of [6, 5, 0]) expect(problemOf(await logInBy(passkey, { counter }))).toEqual(REFUSED)
    expect((await logInBy(passkey, { counter: 7 })).status).toBe(200)
    expect(parsed().filter(({ security }) => security === 'passkey_counter_went_back')).toHaveLength(3)
  })

  test('of a passkey that is gone, or of an account that is, is refused', async () => {
    const account = await newAccount()
    const { passkey, answer } = await addTo(account)
    await account.request('DELETE', `/api/auth/passkeys/${answer.body.id}`)
    expect(problemOf(await logInBy(passkey))).toEqual(REFUSED)
    const { passkey: other } = await addTo(account)
    await account.request('DELETE', '/api/me')
    expect(problemOf(await logInBy(other))).toEqual(REFUSED)
  })

  test('takes the origins of CORS_ORIGINS, and the relying party of PASSKEY_RP_ID', async () => {
    const site = deploy({ CORS_ORIGINS: 'https://app.example.com', PASSKEY_RP_ID: 'example.com' })
    const email = newEmail()
    const client = { origin: 'https://app.example.com' }
    const { body: options } = await site('POST', '/api/auth/register/passkey/options', { body: { email } })
    expect(options.rp.id).toBe('example.com')
    const { passkey, answer } = createPasskey(options, 'ES256', { client })
    expect((await site('POST', '/api/auth/register', { body: { email, passkey: answer } })).status).toBe(201)
    const asked = await site('POST', '/api/auth/login/passkey/options')
    const body = usePasskey(passkey, asked.body, { client })
    expect((await site('POST', '/api/auth/login/passkey', { body })).status).toBe(200)
    const foreign = usePasskey(passkey, (await site('POST', '/api/auth/login/passkey/options')).body, {
      client: { origin: 'https://other.example.com' },
    })
    expect(problemOf(await site('POST', '/api/auth/login/passkey', { body: foreign }))).toEqual(REFUSED)
    expect(
      problemOf(await deploy({ PASSKEY_RP_ID: 'https://x' })('POST', '/api/auth/login/passkey/options')),
    ).toEqual([503, 'misconfigured'])
  })

  test('is not there where no accounts are', async () => {
    for (const path of [
      '/login/passkey',
      '/login/passkey/options',
      '/register/passkey/options',
      '/passkeys/options',
    ]) {
      const answer = await deploy({ ACCOUNTS: 'off' })('POST', `/api/auth${path}`, { body: {} })
      expect([path, ...problemOf(answer)]).toEqual([path, 404, 'accounts_off'])
    }
  })
})

describe('the passkeys of an account', () => {
  test('are added, listed, named and removed', async () => {
    const account = await newAccount()
    const { request } = account
    const phone = await addTo(account, 'Phone')
    expect(phone.answer.status).toBe(201)
    expect(phone.answer.body).toEqual({
      id: expect.any(String),
      name: 'Phone',
      created_at: expect.any(String),
      last_used_at: null,
    })
    expect(phone.answer.headers.get('Location')).toBe(`/api/auth/passkeys/${phone.answer.body.id}`)
    const key = await addTo(account)
    expect(key.answer.body.name).toBe('Passkey')
    expect(key.options.excludeCredentials).toEqual([
      { type: 'public-key', id: phone.passkey.id, transports: ['internal'] },
    ])
    expect(key.options.user.name).toBe(account.email)

    expect((await logInBy(phone.passkey)).status).toBe(200)
    const { body: list } = await request('GET', '/api/auth/passkeys')
    expect(list).toMatchObject({ count: 2, next_cursor: null })
    expect(list.passkeys.map(({ name, last_used_at }: Json) => [name, last_used_at !== null])).toEqual([
      ['Passkey', false],
      ['Phone', true],
    ])
    const { body: page } = await request('GET', '/api/auth/passkeys?limit=1')
    const { body: next } = await request('GET', `/api/auth/passkeys?limit=1&cursor=${page.next_cursor}`)
    expect(next.passkeys).toEqual(list.passkeys.slice(1))

    const path = `/api/auth/passkeys/${key.answer.body.id}`
    expect((await request('PATCH', path, { name: 'Key' })).body).toMatchObject({
      name: 'Key',
      id: key.answer.body.id,
    })
    expect(problemOf(await request('PATCH', path, { name: ' ' }))).toEqual([422, 'invalid_body'])
    expect((await request('DELETE', path)).status).toBe(204)
    expect(problemOf(await request('DELETE', path))).toEqual([404, 'row_not_found'])
    expect(problemOf(await request('PATCH', path, { name: 'Key' }))).toEqual([404, 'row_not_found'])
    expect((await request('GET', '/api/auth/passkeys')).body.count).toBe(1)
  })

  test('are nobody else’s', async () => {
    const [account, stranger] = [await newAccount(), await newAccount()]
    const { answer } = await addTo(account)
    const path = `/api/auth/passkeys/${answer.body.id}`
    expect(problemOf(await stranger.request('PATCH', path, { name: 'mine' }))).toEqual([404, 'row_not_found'])
    expect(problemOf(await stranger.request('DELETE', path))).toEqual([404, 'row_not_found'])
    expect((await stranger.request('GET', '/api/auth/passkeys')).body.passkeys).toEqual([])
    expect(problemOf(await account.request('DELETE', '/api/auth/passkeys/nonsense'))).toEqual([
      404,
      'row_not_found',
    ])
    expect(problemOf(await account.request('DELETE', `/api/auth/passkeys/${newId()}`))).toEqual([
      404,
      'row_not_found',
    ])
  })

  test('are added by one answer once: fifty at once are one', async () => {
    const account = await newAccount()
    const { body: options } = await account.request('POST', '/api/auth/passkeys/options')
    const { answer } = createPasskey(options)
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => account.request('POST', '/api/auth/passkeys', answer)),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect((await account.request('GET', '/api/auth/passkeys')).body.count).toBe(1)
  })

  test('are never the last way in that goes, not even two at once', async () => {
    const { passkey, answer: made } = await registerBy()
    expect(made.status).toBe(201)
    const account = loginWith((await logInBy(passkey)).body)
    const { body: list } = await account.request('GET', '/api/auth/passkeys')
    const first = `/api/auth/passkeys/${list.passkeys[0].id}`
    expect(problemOf(await account.request('DELETE', first))).toEqual([409, 'last_way_in'])
    const second = await addTo(account)
    const both = await Promise.all(
      [first, `/api/auth/passkeys/${second.answer.body.id}`].map((path) => account.request('DELETE', path)),
    )
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([204, 409]))
  })

  test('are erased with the account', async () => {
    const account = await newAccount()
    await addTo(account)
    await account.request('DELETE', '/api/me')
    const { results } = await env.DB.prepare('SELECT 1 FROM passkeys WHERE user_id = ?')
      .bind(account.id)
      .all()
    expect(results).toEqual([])
  })

  test('are at most fifty', async () => {
    const account = await newAccount()
    await env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
      INSERT INTO passkeys (user_id, id, credential_id, public_key, algorithm, counter, backup_eligible, transports, name, created_at)
      SELECT ?1, i, ?1 || i, '', -7, 0, 0, '[]', 'many', '2026-11-20T00:00:00.000Z' FROM n`,
    )
      .bind(account.id)
      .run()
    expect(problemOf((await addTo(account)).answer)).toEqual([409, 'too_many_passkeys'])
  })

  test('need an account here', async () => {
    const { request } = await import('./client.ts').then(({ newUser }) => newUser())
    expect(problemOf(await request('POST', '/api/auth/passkeys/options'))).toEqual([404, 'no_account'])
  })

  test('of a session that has ended are not added', async () => {
    const account = await newAccount()
    const { body: options } = await account.request('POST', '/api/auth/passkeys/options')
    await account.request('POST', '/api/auth/logout')
    const { answer } = createPasskey(options)
    expect(problemOf(await account.request('POST', '/api/auth/passkeys', answer))).toEqual([
      401,
      'session_ended',
    ])
    const { results } = await env.DB.prepare('SELECT 1 FROM passkeys WHERE user_id = ?')
      .bind(decodeJwt(account.access).sub)
      .all()
    expect(results).toEqual([])
  })
})
