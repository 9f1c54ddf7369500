import { describe, expect, test } from 'vitest'
import { newAccount, newEmail, PASSWORD, refresh } from './account.ts'
import { call, type Answer } from './client.ts'
import { deploy } from './deployment.ts'
import { problemOf } from './stored.ts'

const ORIGIN = 'https://app.example'
const app = deploy({ CORS_ORIGINS: ORIGIN })

/** The cookies of an answer, by name. */
function cookiesOf({ headers }: Answer) {
  return new Map(
    headers.getSetCookie().map((line) => {
      const [pair = '', ...attributes] = line.split('; ')
      const at = pair.indexOf('=')
      return [pair.slice(0, at), { value: pair.slice(at + 1), attributes }]
    }),
  )
}

/** A browser that logged in: it sends its cookies with everything, and keeps those it gets. */
async function newBrowser() {
  const { email, id } = await newAccount()
  const jar = new Map<string, string>()
  const keep = (answer: Answer) => {
    for (const [name, { value, attributes }] of cookiesOf(answer)) {
      if (attributes.includes('Max-Age=0')) jar.delete(name)
      else jar.set(name, value)
    }
    return answer
  }
  const send = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = { Origin: ORIGIN },
  ) => {
    const Cookie = Array.from(jar, ([name, value]) => `${name}=${value}`).join('; ')
    return keep(await app(method, path, { body, headers: { Cookie, ...headers } }))
  }
  const login = await send('POST', '/api/auth/login?cookie=true', { email, password: PASSWORD })
  return { id, email, jar, send, login }
}

describe('cookie mode', () => {
  test('puts both tokens into __Host- cookies that no script reads, and neither into the body', async () => {
    const { login } = await newBrowser()
    expect(login.status).toBe(200)
    expect(login.body).toEqual({ token_type: 'bearer', expires_in: 900 })
    const cookies = cookiesOf(login)
    expect([...cookies.keys()]).toEqual(['__Host-access_token', '__Host-refresh_token'])
    for (const [name, age] of [
      ['__Host-access_token', 900],
      ['__Host-refresh_token', 30 * 86_400],
    ] as const) {
      expect(cookies.get(name)?.attributes.toSorted()).toEqual(
        [`Max-Age=${age}`, 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax'].toSorted(),
      )
    }
  })

  test('authenticates reads and writes', async () => {
    const { id, send } = await newBrowser()
    const { status, body } = await send('POST', '/api/me/tasks', { title: 'by cookie' })
    expect([status, body.user_id]).toEqual([201, id])
    expect((await send('GET', `/api/me/tasks/${body.id}`, undefined, {})).status).toBe(200)
    expect((await send('GET', '/api/auth/me')).body.id).toBe(id)
  })

  test.each([
    ['no origin', {}],
    ['a foreign origin', { Origin: 'https://evil.example' }],
    ['the null origin', { Origin: 'null' }],
    ['an origin that only begins like an allowed one', { Origin: `${ORIGIN}.evil.example` }],
    ['a referrer in its place', { Referer: `${ORIGIN}/` }],
  ])('lets nothing be changed with %s', async (_, headers) => {
    const { send } = await newBrowser()
    const { body: task } = await send('POST', '/api/me/tasks', { title: 'kept' })
    const writes = [
      ['POST', '/api/me/tasks', { title: 'forged' }],
      ['PUT', `/api/me/tasks/${task.id}`, { title: 'forged' }],
      ['PATCH', `/api/me/tasks/${task.id}`, { title: 'forged' }],
      ['DELETE', `/api/me/tasks/${task.id}`, undefined],
      ['DELETE', '/api/me', undefined],
      ['PUT', '/api/auth/password', { current_password: PASSWORD, new_password: `${PASSWORD}!` }],
      ['POST', '/api/auth/refresh', undefined],
      ['POST', '/api/auth/logout', undefined],
    ] as const
    for (const [method, path, body] of writes) {
      expect([path, ...problemOf(await send(method, path, body, headers))]).toEqual([
        path,
        403,
        'foreign_origin',
      ])
    }
    expect((await send('GET', '/api/me/tasks')).body.tasks).toEqual([task])
  })

  test('takes the deployment’s own origin', async () => {
    const { send } = await newBrowser()
    const own = { Origin: 'https://api.test' }
    expect((await send('POST', '/api/me/tasks', { title: 'same origin' }, own)).status).toBe(201)
  })

  test('never rescues a bad Authorization header', async () => {
    const { send } = await newBrowser()
    for (const Authorization of ['Bearer bad', 'Bearer', 'Basic dXNlcjpwYXNz', '']) {
      const { status } = await send('GET', '/api/me/tasks', undefined, { Authorization, Origin: ORIGIN })
      expect([Authorization, status]).toEqual([Authorization, 401])
      const refreshed = await send('POST', '/api/auth/refresh', undefined, { Authorization, Origin: ORIGIN })
      expect([Authorization, refreshed.status]).toEqual([Authorization, 401])
    }
  })

  test('refreshes by cookie', async () => {
    const { jar, send } = await newBrowser()
    const before = new Map(jar)
    const { status, body } = await send('POST', '/api/auth/refresh')
    expect([status, body]).toEqual([200, { token_type: 'bearer', expires_in: 900 }])
    for (const name of before.keys()) expect(jar.get(name)).not.toBe(before.get(name))
    expect((await send('GET', '/api/auth/me')).status).toBe(200)
  })

  test('refused a refresh, takes the cookies back', async () => {
    const { jar, send } = await newBrowser()
    jar.set('__Host-refresh_token', 'stolen')
    expect(problemOf(await send('POST', '/api/auth/refresh'))).toEqual([401, 'invalid_refresh_token'])
    expect(jar.size).toBe(0)
  })

  test('logs out by either cookie, and takes both back', async () => {
    for (const lost of ['__Host-access_token', '__Host-refresh_token']) {
      const { jar, send } = await newBrowser()
      const kept = new Map(jar)
      jar.delete(lost)
      expect((await send('POST', '/api/auth/logout')).status).toBe(204)
      expect(jar.size).toBe(0)
      for (const [name, value] of kept) jar.set(name, value)
      expect(problemOf(await send('GET', '/api/me/tasks'))).toEqual([401, 'session_ended'])
      expect(problemOf(await send('POST', '/api/auth/refresh'))).toEqual([401, 'invalid_refresh_token'])
    }
  })

  test('logs out by the access cookie when the refresh cookie is none', async () => {
    const { jar, send } = await newBrowser()
    const [access = ''] = jar.values()
    jar.set('__Host-refresh_token', 'mangled')
    expect((await send('POST', '/api/auth/logout')).status).toBe(204)
    expect(jar.size).toBe(0)
    jar.set('__Host-access_token', access)
    expect(problemOf(await send('GET', '/api/me/tasks'))).toEqual([401, 'session_ended'])
  })

  test('logging in again ends the former session, whoever it was', async () => {
    const { jar, send } = await newBrowser()
    const other = await newAccount()
    const former = `__Host-access_token=${jar.get('__Host-access_token')}`
    await send('POST', '/api/auth/login?cookie=true', { email: other.email, password: PASSWORD })
    expect((await send('GET', '/api/auth/me')).body.id).toBe(other.id)
    const stale = await app('GET', '/api/auth/me', { headers: { Cookie: former } })
    expect(problemOf(stale)).toEqual([401, 'session_ended'])
    expect((await other.request('GET', '/api/auth/me')).status).toBe(200)
  })

  test('a refused login leaves the former session alone', async () => {
    const { id, email, send } = await newBrowser()
    expect((await send('POST', '/api/auth/login?cookie=true', { email, password: 'wrong' })).status).toBe(401)
    expect((await send('GET', '/api/auth/me')).body.id).toBe(id)
  })

  test('logs out of all', async () => {
    const { email, send } = await newBrowser()
    const other = await call('POST', '/api/auth/login', { body: { email, password: PASSWORD } })
    expect((await send('POST', '/api/auth/logout', { all: true })).status).toBe(204)
    expect(problemOf(await refresh(other.body.refresh_token))).toEqual([401, 'invalid_refresh_token'])
  })

  test('erased, takes the cookies back', async () => {
    const { jar, send } = await newBrowser()
    expect((await send('DELETE', '/api/me')).status).toBe(204)
    expect(jar.size).toBe(0)
  })

  test('logs nobody in from a foreign page', async () => {
    const { email } = await newAccount()
    const login = (path: string, headers: Record<string, string>) =>
      app('POST', path, { body: { email, password: PASSWORD }, headers })
    const foreign = { Origin: 'https://evil.example' }
    const refused = await login('/api/auth/login?cookie=true', foreign)
    expect(problemOf(refused)).toEqual([403, 'foreign_origin'])
    expect(refused.headers.getSetCookie()).toEqual([])
    expect((await login('/api/auth/login?cookie=true', {})).status).toBe(200)
    // Without cookies a login does nothing to the browser.
    expect((await login('/api/auth/login', foreign)).status).toBe(200)
  })

  test('is asked for by cookie=true and nothing else', async () => {
    const { email } = await newAccount()
    for (const query of [
      '?cookie=false',
      '?cookie=1',
      '?cookie',
      '?cookies=true',
      '?cookie=true&cookie=true',
    ]) {
      const answer = await app('POST', `/api/auth/login${query}`, { body: { email, password: PASSWORD } })
      const expected = query === '?cookie=false' ? [200, undefined] : [422, 'invalid_query']
      expect([query, ...problemOf(answer)]).toEqual([query, ...expected])
      expect(answer.headers.getSetCookie()).toEqual([])
    }
  })

  test('sends no cookie to who registers', async () => {
    const answer = await app('POST', '/api/auth/register', {
      body: { email: newEmail(), password: PASSWORD },
    })
    expect(answer.headers.getSetCookie()).toEqual([])
  })
})
