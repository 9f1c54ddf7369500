import * as z from 'zod'
import type { Answer, Client, User } from './client.ts'
import { expectEqual, expectProblem, expectStatus, expectThat, parsedAs } from './expect.ts'
import { check, type Run } from './run.ts'
import {
  auth,
  erase,
  login,
  newAccount,
  newCredentials,
  pairOf,
  profile,
  tokens,
  type Account,
  type Registered,
} from './users.ts'

const sessions = z.object({
  sessions: z.array(z.looseObject({ id: z.string(), current: z.boolean() })),
  count: z.number(),
})

/** The accounts kept here: who registers, logs in, out and leaves (contract §4, §8). */
export async function accounts(run: Run): Promise<void> {
  const { client } = run
  const first = run.api.resources.find(({ parent }) => !parent)
  const path = `/api/me${first?.path ?? '/changes'}`
  const fresh = () => newAccount(client, 'C')
  const reads = async (as: User, status: number) => expectStatus(await client.get(path, as), status)

  await check(
    run,
    'accounts',
    'an e-mail registers once, whatever its case, and me tells of it',
    async () => {
      const account = await fresh()
      const me = expectStatus(await auth(client, 'GET', '/me', undefined, account), 200)
      const { id, email } = parsedAs(profile, me, 'id, email, role, created_at')
      expectEqual([id, email], [account.id, account.email], 'id, email', me)
      for (const again of [account.email, account.email.toUpperCase()]) {
        const { password } = newCredentials()
        expectProblem(await auth(client, 'POST', '/register', { email: again, password }), 409)
      }
    },
  )

  await check(
    run,
    'accounts',
    'a bad e-mail, or a password too short or too long, is a 422 that names it',
    async () => {
      const good = newCredentials()
      for (const [name, body] of [
        ['email', { ...good, email: 'nobody' }],
        ['password', { ...good, password: 'short' }],
        ['password', { ...good, password: 'x'.repeat(129) }],
        ['email', { password: good.password }],
        ['no_such', { ...good, no_such: 1 }],
      ] as const) {
        expectProblem(await auth(client, 'POST', '/register', body), 422, name)
      }
    },
  )

  await check(run, 'accounts', 'a common password is a 422 that names it', async () => {
    for (const password of ['password123', '12345678', 'iloveyou1']) {
      expectProblem(
        await auth(client, 'POST', '/register', { ...newCredentials(), password }),
        422,
        'password',
      )
    }
  })

  await check(run, 'accounts', 'login takes JSON or the OAuth2 password form', async () => {
    const { email, password } = await fresh()
    const form = await client.send({
      method: 'POST',
      path: '/api/auth/login',
      body: new URLSearchParams({ grant_type: 'password', username: email, password }).toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
    parsedAs(tokens, expectStatus(form, 200), 'access_token, token_type, expires_in, refresh_token')
    const upper = await auth(client, 'POST', '/login', { email: email.toUpperCase(), password })
    await reads({ label: 'C', id: '', ...pairOf(expectStatus(upper, 200)) }, 200)
  })

  await check(run, 'accounts', 'a wrong password and an unknown e-mail are the same 401', async () => {
    const { email } = await fresh()
    const wrong = await auth(client, 'POST', '/login', { email, password: newCredentials().password })
    const unknown = await auth(client, 'POST', '/login', newCredentials())
    expectProblem(wrong, 401)
    expectEqual(withoutRequest(wrong), withoutRequest(unknown), 'the answer to an unknown e-mail,', wrong)
  })

  await check(
    run,
    'accounts',
    'a refresh token works once, and reusing an old one ends the session',
    async () => {
      const account = await fresh()
      const second = pairOf(expectStatus(await refresh(client, account), 200))
      const third = pairOf(expectStatus(await refresh(client, second), 200))
      await reads({ ...account, ...third }, 200)
      expectProblem(await refresh(client, account), 401)
      expectProblem(await refresh(client, third), 401)
      await reads({ ...account, ...third }, 401)
    },
  )

  await check(
    run,
    'accounts',
    'two refreshes at once of one token both work, in the same session',
    async () => {
      const account = await fresh()
      const both = await Promise.all([refresh(client, account), refresh(client, account)])
      for (const answer of both) await reads({ ...account, ...pairOf(expectStatus(answer, 200)) }, 200)
      const all = await sessionsOf(client, { ...account, ...pairOf(both[0]) })
      expectEqual(all.length, 1, 'sessions')
    },
  )

  await check(run, 'accounts', 'logging out takes effect on the next request', async () => {
    const account = await fresh()
    const other = { ...account, ...(await login(client, account)) }
    expectStatus(await auth(client, 'POST', '/logout', undefined, account), 200, 204)
    await reads(account, 401)
    expectProblem(await refresh(client, account), 401)
    await reads(other, 200)
    const third = { ...account, ...(await login(client, account)) }
    expectStatus(await auth(client, 'POST', '/logout', { all: true }, third), 200, 204)
    for (const one of [other, third]) await reads(one, 401)
  })

  await check(
    run,
    'accounts',
    'sessions are listed and ended one by one, by their own user alone',
    async () => {
      const account = await fresh()
      const other = { ...account, ...(await login(client, account)) }
      const all = await sessionsOf(client, account)
      expectEqual([all.length, all.filter(({ current }) => current).length], [2, 1], 'sessions, current')
      const id = all.find(({ current }) => !current)?.id ?? ''
      expectProblem(await auth(client, 'DELETE', `/sessions/${id}`, undefined, run.mine), 404)
      await reads(other, 200)
      expectStatus(await auth(client, 'DELETE', `/sessions/${id}`, undefined, account), 204)
      await reads(other, 401)
      await reads(account, 200)
    },
  )

  await check(run, 'accounts', 'a new password ends every other session and keeps this one', async () => {
    const account = await fresh()
    const other = { ...account, ...(await login(client, account)) }
    const old = account.password
    const { password } = newCredentials()
    const change = (current_password: string) =>
      auth(client, 'PUT', '/password', { current_password, new_password: password }, account)
    expectStatus(await change(password), 401, 403, 422)
    const changed = await change(old)
    expectStatus(changed, 200)
    await reads(other, 401)
    await reads(account, 200)
    await reads({ ...account, ...pairOf(changed) }, 200)
    expectProblem(await auth(client, 'POST', '/login', { email: account.email, password: old }), 401)
    await login(client, { email: account.email, password })
  })

  await check(
    run,
    'accounts',
    'cookies carry the session out of the reach of scripts and of other origins',
    async () => {
      const { email, password } = await fresh()
      const answer = await auth(client, 'POST', '/login?cookie=true', { email, password })
      expectStatus(answer, 200, 204)
      expectThat(!/"(access|refresh)_token"/.test(answer.text), 'no token in the body', answer.text, answer)
      const set = answer.headers.getSetCookie()
      for (const cookie of set) {
        const holds =
          cookie.startsWith('__Host-') &&
          [/; *HttpOnly/i, /; *Secure/i, /; *SameSite=Lax/i, /; *Path=\/(;|$)/i].every((one) =>
            one.test(cookie),
          )
        expectThat(
          holds,
          '__Host-…; HttpOnly; Secure; SameSite=Lax; Path=/',
          cookie.replace(/=[^;]*/, '=…'),
          answer,
        )
      }
      expectThat(set.length > 0, 'Set-Cookie', 'none', answer)
      const Cookie = set.map((cookie) => cookie.split(';', 1)[0]).join('; ')
      const post = (headers: Record<string, string>) =>
        client.send({ method: 'POST', path, body: {}, headers: { Cookie, ...headers } })
      expectStatus(await client.get(path, undefined, { Cookie }), 200)
      expectProblem(await post({}), 403)
      expectProblem(await post({ Origin: 'https://evil.example' }), 403)
      if (run.origin) expectProblem(await post({ Origin: run.origin }), 422)
      expectProblem(await client.get(path, undefined, { Cookie, Authorization: 'Bearer x' }), 401)
    },
  )

  await check(run, 'accounts', 'the export holds every row', async () => {
    const answer = expectStatus(await client.get('/api/me/export', run.mine), 200)
    const rows = expectStatus(await client.get(`${path}?limit=100`, run.mine), 200)
    const ids = rows.text.match(/"id":"[^"]+"/g) ?? []
    const missing = ids.filter((id) => !answer.text.includes(id))
    expectThat(answer.body !== undefined, 'one JSON document', answer.text, answer)
    expectEqual(missing, [], 'no row missing:', answer)
  })

  await check(run, 'accounts', 'an erased account leaves nothing that can be reached', async () => {
    const account = await fresh()
    const other = { ...account, ...(await login(client, account)) }
    expectStatus(await client.send({ method: 'DELETE', path: '/api/me', as: account }), 204)
    for (const one of [account, other]) await reads(one, 401)
    expectProblem(await refresh(client, account), 401)
    const { email, password } = account
    expectProblem(await auth(client, 'POST', '/login', { email, password }), 401)
    const again = expectStatus(await auth(client, 'POST', '/register', { email, password }), 201)
    expectThat(parsedAs(profile, again, 'an account').id !== account.id, 'another id', account.id, again)
    Object.assign(account, await login(client, account))
    const changes = expectStatus(await client.get('/api/me/changes', account), 200)
    expectThat(/"changes":\[\]/.test(changes.text), 'no rows', changes.text, changes)
  })

  await check(
    run,
    'accounts',
    'account routes know their methods first, and admins are not everybody',
    async () => {
      for (const one of ['/register', '/login', '/refresh', '/logout']) {
        const answer = expectStatus(await auth(client, 'DELETE', one), 405)
        expectThat(
          /POST/.test(answer.headers.get('Allow') ?? ''),
          'Allow: POST',
          answer.headers.get('Allow'),
          answer,
        )
      }
      for (const one of ['/me', '/sessions']) expectProblem(await auth(client, 'GET', one), 401)
      expectProblem(await client.get('/api/admin/users', run.mine), 403)
    },
  )
}

/** Ends the throw-away accounts. Resolves to the e-mails of those that could not be. */
export async function eraseAll(client: Client, made: readonly Registered[]): Promise<string[]> {
  const left: string[] = []
  for (const account of made) {
    const gone = await erase(client, account).catch(() => false)
    if (!gone) left.push(account.email)
  }
  return left
}

function refresh(client: Client, { refreshToken }: Pick<Account, 'refreshToken'>): Promise<Answer> {
  return auth(client, 'POST', '/refresh', { refresh_token: refreshToken })
}

async function sessionsOf(client: Client, as: User) {
  const answer = expectStatus(await auth(client, 'GET', '/sessions', undefined, as), 200)
  return parsedAs(sessions, answer, 'sessions').sessions
}

function withoutRequest({ status, body }: Answer): unknown {
  const members = typeof body === 'object' && body ? Object.entries(body) : []
  return { status, body: members.filter(([name]) => name !== 'request_id') }
}
