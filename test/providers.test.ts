import { createHash } from 'node:crypto'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { loginWith, newAccount, newEmail, PASSWORD } from './account.ts'
import { newId, type Answer, type Json } from './client.ts'
import { deploy } from './deployment.ts'
import { CLIENT_ID, CLIENT_SECRET, codeFor, type Script } from './openid-provider.ts'

const PROVIDERS = [
  { id: 'op', name: 'An honest one', issuer: 'https://op.test', client_id: CLIENT_ID },
  { id: 'other', name: 'Another', issuer: 'https://other-op.test', client_id: CLIENT_ID, trust_email: true },
  { id: 'down', name: 'Away', issuer: 'https://down-op.test', client_id: CLIENT_ID },
  { id: 'github', name: 'GitHub', issuer: 'https://github.com', client_id: CLIENT_ID },
]
const settings = {
  OIDC_PROVIDERS: JSON.stringify(PROVIDERS),
  CORS_ORIGINS: 'https://app.test',
  ...Object.fromEntries(PROVIDERS.map(({ id }) => [`OIDC_${id.toUpperCase()}_SECRET`, CLIENT_SECRET])),
}
const here = deploy(settings)
const RETURN_TO = 'https://app.test/signed-in'
const VERIFIER = 'a verifier that is long enough for RFC 7636'.replaceAll(' ', '-')
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')

const problemOf = ({ status, body }: Answer) => [status, body?.type?.replace('/docs/problems#', '')]
const cookieOf = ({ headers }: Answer) =>
  headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ')
/** The fragment of where a browser is sent. */
const backOf = ({ headers }: Answer) => {
  const [url, fragment] = (headers.get('Location') ?? '').split('#')
  return { url, ...Object.fromEntries(new URLSearchParams(fragment)) } as {
    url: string
    code?: string
    error?: string
  }
}

function begin(provider = 'op', headers: Record<string, string> = {}, query: Record<string, string> = {}) {
  const parameters = new URLSearchParams({ return_to: RETURN_TO, code_challenge: CHALLENGE, ...query })
  return here('GET', `/api/auth/login/${provider}?${parameters.toString()}`, { headers })
}

/** What the provider was asked, and what the browser keeps meanwhile. */
async function begun(provider = 'op', headers: Record<string, string> = {}) {
  const answer = await begin(provider, headers)
  const asked = Object.fromEntries(new URL(answer.headers.get('Location') ?? '').searchParams) as Record<
    string,
    string
  >
  return { asked, cookie: cookieOf(answer) }
}
type Begun = Awaited<ReturnType<typeof begun>>

function comeBack(
  { asked, cookie }: Begun,
  script: Partial<Script> = {},
  more: Record<string, string> = {},
  provider = 'op',
) {
  const { nonce = '', code_challenge: challenge = '', redirect_uri = '', state = '' } = asked
  const claims = { sub: newId(), email: newEmail(), email_verified: true, ...script.claims }
  const code = codeFor({ nonce, challenge, redirect_uri, ...script, claims })
  const query = new URLSearchParams({ code, state, ...more })
  return here('GET', `/api/auth/callback/${provider}?${query.toString()}`, { headers: { Cookie: cookie } })
}

const exchange = (code = '', code_verifier = VERIFIER, query = '') =>
  here('POST', `/api/auth/token${query}`, { body: { code, code_verifier } })

/** The whole way in; `request` calls this deployment as whoever came in. */
async function signIn(claims: Json = {}, provider = 'op', headers: Record<string, string> = {}) {
  const more = provider === 'other' ? { iss: 'https://other-op.test' } : {}
  const back = backOf(await comeBack(await begun(provider, headers), { claims }, more, provider))
  const answer = await exchange(back.code)
  return { ...back, answer, ...loginWith(answer.body ?? {}) }
}
const me = async ({ request }: Pick<Awaited<ReturnType<typeof signIn>>, 'request'>) =>
  (await request('GET', '/api/auth/me')).body

describe('signing in with a provider', () => {
  test('is offered by name', async () => {
    const { body } = await here('GET', '/api/auth/providers')
    expect(body).toEqual({ providers: PROVIDERS.map(({ id, name }) => ({ id, name })) })
    expect((await deploy()('GET', '/api/auth/providers')).body).toEqual({ providers: [] })
  })

  test('asks with PKCE, state and nonce, and remembers them in a cookie of its own', async () => {
    const answer = await begin()
    expect(answer.status).toBe(302)
    const url = new URL(answer.headers.get('Location') ?? '')
    expect(url.origin + url.pathname).toBe('https://op.test/authorize')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: CLIENT_ID,
      redirect_uri: 'https://api.test/api/auth/callback/op',
      response_type: 'code',
      scope: 'openid email profile',
      state: expect.stringMatching(/^[\w-]{64}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    })
    const [cookie = ''] = answer.headers.getSetCookie()
    expect(cookie).toMatch(/^__Host-login_op=[\w-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  })

  test('makes an account whose e-mail is verified, and finds it again by the identity alone', async () => {
    const [sub, email] = [newId(), newEmail()]
    const first = await signIn({ sub, email })
    expect(first.url).toBe(RETURN_TO)
    expect(first.answer.status).toBe(200)
    const account = await me(first)
    expect(account).toMatchObject({ email, email_verified: true, role: 'user' })
    const second = await signIn({ sub, email: newEmail(), email_verified: false })
    expect(await me(second)).toEqual(account)
    expect((await first.request('GET', '/api/auth/identities')).body).toEqual({
      identities: [
        {
          id: expect.any(String),
          provider: 'op',
          label: email,
          created_at: expect.any(String),
          last_used_at: expect.any(String),
        },
      ],
      count: 1,
      next_cursor: null,
    })
  })

  test('comes as cookies when asked to', async () => {
    const { code } = backOf(await comeBack(await begun()))
    const { status, body, headers } = await exchange(code, VERIFIER, '?cookie=true')
    expect([status, body]).toEqual([200, { token_type: 'bearer', expires_in: 900 }])
    expect(headers.getSetCookie()).toHaveLength(2)
  })

  test('takes an e-mail that only /userinfo tells', async () => {
    const email = newEmail()
    const sub = newId()
    const back = await comeBack(await begun(), {
      claims: { sub, email: undefined, email_verified: undefined },
      userinfo: { email, email_verified: true },
    })
    expect(await me(loginWith((await exchange(backOf(back).code)).body))).toMatchObject({ email })
    const lying = await comeBack(await begun(), {
      claims: { sub: newId(), email: undefined },
      userinfo: { sub: 'somebody else', email, email_verified: true },
    })
    expect(backOf(lying).error).toBe('provider_error')
  })

  test('by GitHub goes by its number, and the primary e-mail that it verified', async () => {
    const email = newEmail()
    const sub = String(crypto.getRandomValues(new Uint32Array(1))[0])
    const emails = [
      { email: newEmail(), primary: false, verified: true },
      { email, primary: true, verified: true },
    ]
    const { asked } = await begun('github')
    expect(asked).toMatchObject({ scope: 'read:user user:email', code_challenge_method: 'S256' })
    expect(asked).not.toHaveProperty('nonce')
    const account = await signIn({ sub, emails }, 'github')
    expect(await me(account)).toMatchObject({ email, email_verified: true })
    const again = await signIn({ sub, emails: [] }, 'github')
    expect((await me(again)).id).toBe((await me(account)).id)
    const unverified = [{ email: newEmail(), primary: true, verified: false }]
    expect((await signIn({ sub: '77', emails: unverified }, 'github')).error).toBe('email_unverified')
  })

  test('goes back to an allowed origin alone', async () => {
    for (const allowed of ['https://app.test', 'https://app.test/a?b=c', 'https://api.test/', '/here']) {
      expect([allowed, (await begin('op', {}, { return_to: allowed })).status]).toEqual([allowed, 302])
    }
    const foreign = [
      'https://evil.test',
      '//evil.test',
      'https://app.test.evil.test',
      'https://app.test:8443',
      'http://app.test',
      'javascript:alert(1)',
      'data:text/html,x',
      'https://app.test@evil.test',
      'https://user@app.test',
      '\\\\evil.test',
      '',
    ]
    for (const return_to of foreign) {
      expect([return_to, ...problemOf(await begin('op', {}, { return_to }))]).toEqual([
        return_to,
        422,
        'invalid_query',
      ])
    }
    for (const query of [{ code_challenge: 'short' }, { code_challenge_method: 'plain' }, { state: 'x' }]) {
      expect(problemOf(await begin('op', {}, query as Record<string, string>))).toEqual([
        422,
        'invalid_query',
      ])
    }
    expect(problemOf(await begin('nobody'))).toEqual([404, 'not_found'])
  })

  test('tells the page when the provider is away, or its user said no', async () => {
    expect(backOf(await begin('down')).error).toMatch(/^provider_/)
    const denied = await comeBack(await begun(), {}, { error: 'access_denied' })
    expect(backOf(denied)).toEqual({ url: RETURN_TO, error: 'access_denied' })
    expect(backOf(await comeBack(await begun(), {}, { error: 'server_error' })).error).toBe('provider_error')
    expect(backOf(await comeBack(await begun(), { down: 'token' })).error).toBe('provider_error')
  })

  test('takes a callback that is posted, as Apple does, by sending the browser on', async () => {
    const { asked } = await begun()
    const form = new URLSearchParams({
      code: 'a code',
      state: asked.state ?? '',
      user: '{"name":"not ours"}',
    })
    const answer = await here('POST', '/api/auth/callback/op', {
      body: form.toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
    expect(answer.status).toBe(303)
    expect(answer.headers.get('Location')).toBe(
      `https://api.test/api/auth/callback/op?${new URLSearchParams({ code: 'a code', state: asked.state ?? '' }).toString()}`,
    )
  })

  test.each([
    ['no secret', { OIDC_OP_SECRET: '' }],
    ['no JSON', { OIDC_PROVIDERS: '[' }],
    ['two of one id', { OIDC_PROVIDERS: JSON.stringify([PROVIDERS[0], PROVIDERS[0]]) }],
    ['the id passkey', { OIDC_PROVIDERS: JSON.stringify([{ ...PROVIDERS[0], id: 'passkey' }]) }],
    [
      'an issuer by plain http',
      { OIDC_PROVIDERS: JSON.stringify([{ ...PROVIDERS[0], issuer: 'http://op.test' }]) },
    ],
  ])('with %s is misconfigured', async (_, wrong) => {
    expect(problemOf(await deploy({ ...settings, ...wrong })('GET', '/api/auth/providers'))).toEqual([
      503,
      'misconfigured',
    ])
  })
})

describe('a provider that lies', () => {
  test.each<[string, Partial<Script>]>([
    ['for another audience', { claims: { aud: 'somebody-else' } }],
    [
      'for several, and another party',
      { claims: { aud: [CLIENT_ID, 'somebody-else'], azp: 'somebody-else' } },
    ],
    ['with another nonce', { claims: { nonce: 'another' } }],
    ['without a nonce', { claims: { nonce: null } }],
    ['of another issuer', { claims: { iss: 'https://other-op.test' } }],
    ['that has expired', { claims: { exp: 1 } }],
    ['without an expiry', { claims: { exp: null } }],
    ['of tomorrow', { claims: { nbf: 4_102_444_800 } }],
    ['without a subject', { claims: { sub: null } }],
    ['signed by another key', { otherKey: true }],
    ['signed by nobody', { unsigned: true }],
  ])('with an ID token %s lets nobody in', async (_, script) => {
    const email = newEmail()
    const back = backOf(await comeBack(await begun(), { ...script, claims: { email, ...script.claims } }))
    expect(back).toEqual({ url: RETURN_TO, error: 'provider_error' })
    const { results } = await env.DB.prepare('SELECT 1 FROM users WHERE email = ?').bind(email).all()
    expect(results).toEqual([])
  })

  test('of another attempt is refused', async () => {
    const [one, two] = [await begun(), await begun()]
    // The code of one attempt with the state and the cookie of another: PKCE and nonce bind it.
    const mixed = { cookie: two.cookie, asked: { ...one.asked, state: two.asked.state ?? '' } }
    expect(backOf(await comeBack(mixed)).error).toBe('provider_error')
  })

  test('mixed up with another, by its `iss` or by its path, is refused', async () => {
    const attempt = await begun('other')
    expect(backOf(await comeBack(attempt, {}, { iss: 'https://op.test' }, 'other')).error).toBe(
      'provider_error',
    )
    expect(backOf(await comeBack(await begun('other'), {}, {}, 'other')).error).toBe('provider_error')
    expect(problemOf(await comeBack(await begun('other'), {}, {}, 'op'))).toEqual([422, 'invalid_callback'])
    const renamed = await begun('other')
    expect(
      problemOf(
        await comeBack(
          { ...renamed, cookie: renamed.cookie.replace('login_other', 'login_op') },
          {},
          {},
          'op',
        ),
      ),
    ).toEqual([422, 'invalid_callback'])
  })
})

describe('a callback', () => {
  test.each<[string, (begun: Begun) => Begun]>([
    ['without its cookie', (one) => ({ ...one, cookie: '' })],
    ['without its state', (one) => ({ ...one, asked: { ...one.asked, state: '' } })],
    ['with another state', (one) => ({ ...one, asked: { ...one.asked, state: 'A'.repeat(64) } })],
    ['with a changed cookie', (one) => ({ ...one, cookie: `${one.cookie.slice(0, -2)}AA` })],
  ])('%s belongs to nothing', async (_, change) => {
    expect(problemOf(await comeBack(change(await begun())))).toEqual([422, 'invalid_callback'])
  })

  test('that another site made up does not end the sign-in under way', async () => {
    const attempt = await begun()
    const strange = { ...attempt, asked: { ...attempt.asked, state: (await begun()).asked.state ?? '' } }
    const answer = await comeBack(strange)
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([422, []])
    const honest = await comeBack(attempt)
    expect(backOf(honest).code).toBeTruthy()
    expect(honest.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-login_op=; Max-Age=0/)])
  })

  test('is good once: fifty at once make one account and one code', async () => {
    const attempt = await begun()
    const claims = { sub: newId(), email: newEmail() }
    const answers = await Promise.all(Array.from({ length: 50 }, () => comeBack(attempt, { claims })))
    expect(answers.filter((answer) => backOf(answer).code)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 422)).toHaveLength(49)
  })
})

describe('the code', () => {
  test('is good once: fifty at once are one session', async () => {
    const { code } = backOf(await comeBack(await begun()))
    const answers = await Promise.all(Array.from({ length: 50 }, () => exchange(code)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter((answer) => problemOf(answer)[1] === 'invalid_code')).toHaveLength(49)
  })

  test('needs its verifier, and is bound to its account and identity', async () => {
    const { code = '' } = backOf(await comeBack(await begun()))
    const other = backOf(await comeBack(await begun())).code ?? ''
    const [ticket, user, identity] = code.split('.')
    const [, otherUser, otherIdentity] = other.split('.')
    const wrong = [
      [code, `${VERIFIER}x`],
      [[ticket, otherUser, otherIdentity].join('.'), VERIFIER],
      [[ticket, otherUser, identity].join('.'), VERIFIER],
      [[ticket, user].join('.'), VERIFIER],
      [`${code}.x`, `${VERIFIER}x`],
      ['nonsense', VERIFIER],
    ]
    for (const [text, verifier] of wrong)
      expect(problemOf(await exchange(text, verifier))).toEqual([401, 'invalid_code'])
    expect((await exchange(code)).status).toBe(200)
  })

  test('does not outlive the identity that it came by', async () => {
    const sub = newId()
    const account = await signIn({ sub })
    await account.request('PUT', '/api/auth/password', {})
    const { code } = backOf(await comeBack(await begun(), { claims: { sub } }))
    await env.DB.prepare('DELETE FROM identities WHERE subject = ?').bind(sub).run()
    expect(problemOf(await exchange(code))).toEqual([401, 'invalid_code'])
  })
})

describe('an e-mail that somebody here has', () => {
  test('joins nothing: its owner signs in and adds the identity', async () => {
    const account = await newAccount()
    const claims = { sub: newId(), email: account.email }
    expect((await signIn(claims)).error).toBe('account_exists')
    const added = await signIn(claims, 'op', { Authorization: `Bearer ${account.access}` })
    expect((await me(added)).id).toBe(account.id)
    expect((await me(await signIn(claims))).id).toBe(account.id)
  })

  test('that the provider has not verified makes nothing, whether or not anybody has it', async () => {
    const { email } = await newAccount()
    for (const each of [email, newEmail(), undefined, 'no e-mail']) {
      const claims = { sub: newId(), email: each, email_verified: each === 'no e-mail' }
      expect((await signIn(claims)).error).toBe('email_unverified')
    }
  })

  test('is joined by a provider whose word is trusted, once it was proved here too', async () => {
    const account = await newAccount()
    const claims = { sub: newId(), email: account.email }
    expect((await signIn(claims, 'other')).error).toBe('account_exists')
    await env.DB.prepare('UPDATE users SET email_verified_at = created_at WHERE id = ?')
      .bind(account.id)
      .run()
    expect((await signIn({ ...claims, email_verified: false }, 'other')).error).toBe('email_unverified')
    expect((await signIn(claims)).error).toBe('account_exists')
    expect((await me(await signIn(claims, 'other'))).id).toBe(account.id)
  })
})

describe('the identities of an account', () => {
  test('are added by a live session alone, in the header or a cookie', async () => {
    const account = await newAccount()
    const byCookie = await signIn({ sub: newId() }, 'op', { Cookie: `__Host-access_token=${account.access}` })
    expect((await me(byCookie)).id).toBe(account.id)
    // Another site could lead a browser here with an identity of its own.
    const led = { Cookie: `__Host-access_token=${account.access}`, 'Sec-Fetch-Site': 'cross-site' }
    expect((await me(await signIn({ sub: newId() }, 'op', led))).id).not.toBe(account.id)

    const attempt = await begun('op', { Authorization: `Bearer ${account.access}` })
    await account.request('POST', '/api/auth/logout')
    expect(backOf(await comeBack(attempt)).error).toBe('session_ended')
    expect(problemOf(await begin('op', { Authorization: `Bearer ${account.access}` }))).toEqual([
      401,
      'session_ended',
    ])
    // A stale cookie does not keep anybody from signing in.
    const stale = await signIn({ sub: newId() }, 'op', { Cookie: `__Host-access_token=${account.access}` })
    expect(stale.answer.status).toBe(200)
    expect((await me(stale)).id).not.toBe(account.id)
  })

  test('can be asked for by a page that holds its tokens itself', async () => {
    const account = await newAccount()
    const answer = await begin('op', {
      Authorization: `Bearer ${account.access}`,
      Accept: 'application/json',
    })
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({ location: expect.stringMatching(/^https:\/\/op\.test\/authorize\?/) })
    expect(answer.headers.getSetCookie()).toHaveLength(1)
  })

  test('belong to one account', async () => {
    const sub = newId()
    const first = await signIn({ sub })
    const second = await newAccount()
    const tried = await signIn({ sub }, 'op', { Authorization: `Bearer ${second.access}` })
    expect(tried.error).toBe('identity_taken')
    expect((await me(await signIn({ sub }))).id).toBe((await me(first)).id)
  })

  test('are never the last way in that goes', async () => {
    const account = await signIn()
    const { body } = await account.request('GET', '/api/auth/identities')
    const path = `/api/auth/identities/${body.identities[0].id}`
    expect(problemOf(await account.request('DELETE', path))).toEqual([409, 'last_way_in'])
    const second = await signIn({}, 'other', { Authorization: `Bearer ${account.access}` })
    expect((await me(second)).id).toBe((await me(account)).id)
    const stranger = await newAccount()
    expect(problemOf(await stranger.request('DELETE', path))).toEqual([404, 'row_not_found'])
    expect((await account.request('DELETE', path)).status).toBe(204)
    expect(problemOf(await account.request('DELETE', path))).toEqual([404, 'row_not_found'])
  })

  test('are in the account’s history as they come and go', async () => {
    const account = await signIn()
    const second = await signIn({}, 'other', { Authorization: `Bearer ${account.access}` })
    const { body } = await second.request('GET', '/api/auth/identities')
    await second.request('DELETE', `/api/auth/identities/${body.identities[0].id}`)
    const { body: history } = await second.request('GET', '/api/auth/activity')
    expect(history.activity.map(({ event }: Json) => event)).toEqual([
      'identity_removed',
      'login_provider',
      'identity_added',
      'login_provider',
      'identity_added',
    ])
  })

  test('need a login of the last ten minutes to be added', async () => {
    const account = await newAccount()
    await env.DB.prepare(`UPDATE sessions SET created_at = '2026-01-01T00:00:00.000Z' WHERE user_id = ?`)
      .bind(account.id)
      .run()
    expect(problemOf(await begin('op', { Authorization: `Bearer ${account.access}` }))).toEqual([
      403,
      'reauthentication_required',
    ])
    const byCookie = await begin('op', { Cookie: `__Host-access_token=${account.access}` })
    expect(backOf(byCookie).error).toBe('reauthentication_required')
  })

  test('are erased with the account, and free then', async () => {
    const sub = newId()
    const account = await signIn({ sub })
    const { id } = await me(account)
    expect((await account.request('DELETE', '/api/me')).status).toBe(204)
    const again = await signIn({ sub })
    expect((await me(again)).id).not.toBe(id)
  })

  test('have no password to log in with', async () => {
    const account = await signIn()
    const { email } = await me(account)
    expect(problemOf(await here('POST', '/api/auth/login', { body: { email, password: PASSWORD } }))).toEqual(
      [401, 'invalid_credentials'],
    )
  })
})
