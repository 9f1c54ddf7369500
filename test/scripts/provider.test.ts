import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Provider from 'oidc-provider'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort, migrate, startServer, type Server } from '../../load/server.ts'

// Against a provider that others wrote and certified; one that lies is in test/providers.test.ts.
const SECRET = 'a secret of the tests, with : and %'
const VERIFIER = 'a-verifier-that-is-long-enough-for-RFC-7636'
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')
const PASSWORD = 'a password that nobody has'

const folder = mkdtempSync(join(tmpdir(), 'freehold-provider-'))
const http = createServer()
let server: Server

beforeAll(async () => {
  http.listen(0)
  await once(http, 'listening')
  const address = http.address()
  const issuer = `http://localhost:${typeof address === 'object' ? address?.port : ''}`
  const port = await freePort()
  const client = (id: string) => ({
    client_id: id,
    client_secret: SECRET,
    redirect_uris: [`http://localhost:${port}/api/auth/callback/${id}`],
  })
  const provider = new Provider(issuer, {
    clients: [client('real'), client('trusted')],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    cookies: { keys: ['a key of the tests'] },
    pkce: { required: () => true },
    // Whoever logs in says who they are: a subject and an e-mail.
    findAccount: (_, accountId) => {
      const [sub = '', email = '', verified = 'verified'] = accountId.split(' ')
      return { accountId, claims: () => ({ sub, email, email_verified: verified === 'verified', name: sub }) }
    },
  })
  http.on('request', provider.callback())
  migrate(folder)
  const providers = ['real', 'trusted'].map((id) => ({
    id,
    name: id,
    issuer,
    client_id: id,
    trust_email: id === 'trusted',
  }))
  server = await startServer(folder, port, {
    OIDC_PROVIDERS: JSON.stringify(providers),
    OIDC_REAL_SECRET: SECRET,
    OIDC_TRUSTED_SECRET: SECRET,
  })
})
afterAll(async () => {
  await server.stop()
  http.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A browser: it keeps cookies by host, and follows redirects through the provider until they lead back. */
function newBrowser() {
  const jar = new Map<string, Map<string, string>>()
  async function go(url: string, init: RequestInit = {}): Promise<Response> {
    const { host } = new URL(url)
    const cookies = jar.get(host) ?? new Map<string, string>()
    jar.set(host, cookies)
    const headers = new Headers(init.headers)
    headers.set('Cookie', Array.from(cookies, ([name, value]) => `${name}=${value}`).join('; '))
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (value) cookies.set(name, value)
      else cookies.delete(name)
    }
    return response
  }
  async function follow(from: string, login: string): Promise<URLSearchParams> {
    let at = from
    for (let hops = 0; hops < 20; hops += 1) {
      const asks = new URL(at).pathname.startsWith('/interaction/')
      const page = await go(at)
      const text = await page.text()
      const [, prompt = 'login'] = /name="prompt" value="(\w+)"/.exec(text) ?? []
      const answered = asks
        ? await go(at, { method: 'POST', body: new URLSearchParams({ prompt, login, password: 'any' }) })
        : page
      const next = answered.headers.get('Location')
      if (next === null) throw new Error(`${answered.status} at ${at}: ${text.slice(0, 500)}`)
      at = new URL(next, at).href
      const { origin, pathname, hash } = new URL(at)
      if (origin === server.url && pathname === '/back') return new URLSearchParams(hash.slice(1))
    }
    throw new Error('no end of redirects')
  }
  return { go, follow }
}

/** Signs in at a provider; with an access token, to add what comes back to its account. Resolves to the tokens or the error. */
async function signIn(provider: string, login: string, access?: string) {
  const { go, follow } = newBrowser()
  const query = new URLSearchParams({ return_to: '/back', code_challenge: CHALLENGE })
  const headers = access === undefined ? {} : { Authorization: `Bearer ${access}` }
  const begun = await go(`${server.url}/api/auth/login/${provider}?${query.toString()}`, { headers })
  const back = await follow(begun.headers.get('Location') ?? '', login)
  const code = back.get('code')
  if (code === null) return { error: back.get('error') }
  const { body } = await send('POST', '/token', undefined, { code, code_verifier: VERIFIER })
  const { body: me } = await send('GET', '/me', body.access_token)
  return { access: body.access_token, me }
}

interface Answered {
  access_token: string
  identities: object[]
}

async function send(method: string, path: string, access?: string, body?: object) {
  const response = await fetch(`${server.url}/api/auth${path}`, {
    method,
    headers: {
      ...(body && { 'Content-Type': 'application/json' }),
      ...(access !== undefined && { Authorization: `Bearer ${access}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const answered: unknown = await response.json()
  return { status: response.status, body: answered as Answered }
}

async function register(email = newEmail()) {
  await send('POST', '/register', undefined, { email, password: PASSWORD })
  const { body } = await send('POST', '/login', undefined, { email, password: PASSWORD })
  const { body: me } = await send('GET', '/me', body.access_token)
  return { access: body.access_token, me, email }
}

const newEmail = () => `${randomUUID()}@example.com`

test('a certified provider signs in: a new account first, and the same one from then on', async () => {
  const email = newEmail()
  const login = `${randomUUID()} ${email}`
  const first = await signIn('real', login)
  expect(first.me).toMatchObject({ email, email_verified: true })
  expect((await signIn('real', login)).me).toEqual(first.me)
  const { body } = await send('GET', '/identities', first.access)
  expect(body.identities).toMatchObject([{ provider: 'real', label: email }])
})

test('it is added to an account by a live session, and then opens that', async () => {
  const account = await register()
  const login = `${randomUUID()} ${newEmail()}`
  expect((await signIn('real', login, account.access)).me).toEqual(account.me)
  expect((await signIn('real', login)).me).toEqual(account.me)
})

test('it takes no account by its e-mail, nor makes one of an e-mail that it has not verified', async () => {
  const account = await register()
  expect(await signIn('real', `${randomUUID()} ${account.email}`)).toEqual({ error: 'account_exists' })
  expect(await signIn('trusted', `${randomUUID()} ${account.email}`)).toEqual({ error: 'account_exists' })
  expect(await signIn('real', `${randomUUID()} ${newEmail()} not`)).toEqual({ error: 'email_unverified' })
})

test('one that is trusted joins a verified account by its e-mail', async () => {
  const email = newEmail()
  const proved = await signIn('real', `${randomUUID()} ${email}`)
  const joined = await signIn('trusted', `${randomUUID()} ${email}`)
  expect(joined.me).toEqual(proved.me)
  const { body } = await send('GET', '/identities', joined.access)
  expect(body.identities).toHaveLength(2)
})
