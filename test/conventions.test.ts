import { exports } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { newAccount, PASSWORD } from './account.ts'
import { call, newUser, tokenFor } from './client.ts'

describe('a path', () => {
  test('is the same with a trailing slash', async () => {
    const user = await newUser()
    const made = await user.request('POST', '/api/v1/me/tasks/', { title: 'x' })
    expect(made.headers.get('Location')).toBe(`/api/v1/me/tasks/${made.body.id}`)
    const at = `/api/me/tasks/${made.body.id}/`
    expect((await user.request('GET', at)).body).toEqual(made.body)
    expect((await user.request('PATCH', `${at}complete/`)).body.completed).toBe(true)
    expect((await user.request('GET', '/api/me/tasks/?limit=1')).body.count).toBe(1)
    expect((await call('GET', '/health/')).status).toBe(200)
    for (const path of [`${at}/`, '/api/me//tasks', '/api/me/nothing/']) {
      expect([path, (await user.request('GET', path)).status]).toEqual([path, 404])
    }
  })

  test.each(['/', '/docs', '/docs/problems', '/openapi.json', '/openapi.v1.json'])(
    'of a page answers GET alone: %s',
    async (path) => {
      const page = await exports.default.fetch(`http://localhost${path}`)
      expect([page.status, page.headers.get('X-Content-Type-Options')]).toEqual([200, 'nosniff'])
      expect(page.headers.get('X-Request-Id')).toBeNull()
      await page.body?.cancel()
      const refused = await call('POST', path)
      expect([refused.status, refused.headers.get('Allow')]).toEqual([405, 'GET, HEAD'])
      expect(refused.body.type).toBe('/docs/problems#method_not_allowed')
    },
  )

  test('without a user is the caller’s own', async () => {
    const user = await newUser()
    for (const prefix of ['/api', '/api/v1']) {
      const { status, headers, body } = await user.request('POST', `${prefix}/tasks`, { title: 'x' })
      expect([status, headers.get('Location')]).toEqual([201, `${prefix}/tasks/${body.id}`])
      expect((await user.call('GET', `/tasks/${body.id}`)).body).toEqual(body)
      expect((await user.request('GET', `${prefix}/tasks/${body.id}`)).body.user_id).toBe(user.id)
      const comments = `${prefix}/tasks/${body.id}/comments`
      expect((await user.request('POST', comments, { body: 'y' })).status).toBe(201)
    }
    expect((await call('GET', '/api/tasks')).status).toBe(401)
    const page = await user.request('GET', '/api/tasks?limit=1')
    expect(page.headers.get('Link')).toMatch(/^<\/api\/tasks\?/)
  })

  test.each(['me', 'v1', 'auth', 'admin', 'teams', 'invitations', 'tasks', 'projects', 'comments', 'team-x'])(
    'has no user %s',
    async (word) => {
      const headers = { Authorization: `Bearer ${await tokenFor(word)}` }
      expect((await call('GET', '/api/me/tasks', { headers })).status).toBe(401)
      if (/^(team-x|invitations|teams)$/.test(word)) {
        expect((await (await newUser()).request('GET', `/api/${word}/tasks`)).status).toBe(403)
      }
    },
  )
})

describe('a method', () => {
  test.each([
    ['/api/me/tasks', 'GET, POST, HEAD, OPTIONS'],
    ['/api/tasks/', 'GET, POST, HEAD, OPTIONS'],
    ['/api/me/tasks/x', 'GET, PUT, PATCH, DELETE, HEAD, OPTIONS'],
    ['/api/me/tasks/bulk', 'POST, OPTIONS'],
    ['/api/me/tasks/x/complete', 'PATCH, OPTIONS'],
    ['/api/auth/login', 'POST, OPTIONS'],
    ['/api/me', 'DELETE, OPTIONS'],
    ['/health', 'GET, HEAD, OPTIONS'],
  ])('of %s is named by OPTIONS: %s', async (path, allow) => {
    const { status, headers, text } = await call('OPTIONS', path)
    expect([status, text, headers.get('Allow')]).toEqual([204, '', allow])
    expect(headers.get('Accept-Patch')).toBe(allow.includes('PATCH') ? 'application/json' : null)
  })

  test('is looked up only for a path there is', async () => {
    expect((await call('OPTIONS', '/nothing')).status).toBe(404)
  })
})

describe('a precondition', () => {
  test('of a GET is If-Match first, then If-None-Match', async () => {
    const user = await newUser()
    const { body, headers } = await user.call('POST', '/tasks', { title: 'x' })
    const etag = headers.get('ETag') ?? ''
    const get = async (sent: Record<string, string>) => {
      const answer = await user.call('GET', `/tasks/${body.id}`, undefined, sent)
      expect(answer.headers.get('ETag')).toBe(etag)
      return answer.status
    }
    expect(await get({ 'If-Match': etag })).toBe(200)
    expect(await get({ 'If-Match': '*' })).toBe(200)
    expect(await get({ 'If-Match': `"1", ${etag}` })).toBe(200)
    expect(await get({ 'If-Match': '"1"' })).toBe(412)
    expect(await get({ 'If-Match': `W/${etag}` })).toBe(412)
    expect(await get({ 'If-Match': 'nonsense' })).toBe(412)
    expect(await get({ 'If-Match': etag, 'If-None-Match': etag })).toBe(304)
    expect(await get({ 'If-Match': '"1"', 'If-None-Match': etag })).toBe(412)
  })

  test('says which one was not met', async () => {
    const user = await newUser()
    const { body } = await user.call('POST', '/tasks', { title: 'x' })
    const patch = async (headers: Record<string, string>) =>
      user.call('PATCH', `/tasks/${body.id}`, { title: 'y' }, headers)
    expect((await patch({ 'If-None-Match': '*' })).body.detail).toContain('If-None-Match')
    expect((await patch({ 'If-Match': '"1"' })).body.detail).toContain('If-Match')
  })
})

describe('a body', () => {
  test.each(['gzip', 'br', 'gzip, identity', 'x'])('in the content coding %s is refused', async (coding) => {
    const user = await newUser()
    const { body: task } = await user.call('POST', '/tasks', { title: 'x' })
    const headers = { 'Content-Encoding': coding }
    const patch = await user.call('PATCH', `/tasks/${task.id}`, { title: 'y' }, headers)
    expect([patch.status, patch.body.type]).toEqual([415, '/docs/problems#encoded_body'])
    expect(patch.headers.get('Accept-Encoding')).toBe('identity')
    expect(patch.headers.get('Accept-Patch')).toBe('application/json')
    const login = { username: 'a@example.com', password: 'x' }
    const form = { 'Content-Type': 'application/x-www-form-urlencoded', ...headers }
    const sent = { body: new URLSearchParams(login).toString(), headers: form }
    expect((await call('POST', '/api/auth/login', sent)).status).toBe(415)
  })

  test('that says it is unencoded is read', async () => {
    const user = await newUser()
    const headers = { 'Content-Encoding': 'identity' }
    expect((await user.call('POST', '/tasks', { title: 'x' }, headers)).status).toBe(201)
  })

  test('of a PATCH that is not JSON is answered with what it takes', async () => {
    const user = await newUser()
    const { body: task } = await user.call('POST', '/tasks', { title: 'x' })
    const headers = { 'Content-Type': 'application/merge-patch+json' }
    const answer = await user.call('PATCH', `/tasks/${task.id}`, '{}', headers)
    expect([answer.status, answer.headers.get('Accept-Patch')]).toEqual([415, 'application/json'])
    const post = await user.call('POST', '/tasks', '{}', headers)
    expect([post.status, post.headers.get('Accept-Patch')]).toEqual([415, null])
  })
})

test('no answer is kept by a cache unless it has an ETag or is a key set', async () => {
  for (const path of ['/health', '/ready', '/api/me/tasks', '/nothing', '/api/auth/me']) {
    expect([path, (await call('GET', path)).headers.get('Cache-Control')]).toEqual([path, 'no-store'])
  }
  const keys = await call('GET', '/.well-known/jwks.json')
  expect(keys.headers.get('Cache-Control')).toBe('public, max-age=300')
})

test('a text is measured before it is worked on', async () => {
  const user = await newUser()
  const marks = `a${'\u0301\u0323'.repeat(15_000)}@example.com`
  const tags = Array.from({ length: 9_000 }, (_, at) => at.toString(36))
  const requests = async () => [
    await call('POST', '/api/auth/login', { body: { email: marks, password: PASSWORD } }),
    await call('POST', '/api/auth/register', { body: { email: marks, password: PASSWORD } }),
    await user.call('POST', '/tasks', { title: 'x', tags }),
    await call('GET', '/api/me/tasks', { headers: { Authorization: `Bearer ${'a'.repeat(20_000)}.b.c` } }),
  ]
  const [login, register, tagged, token] = await requests()
  expect(login?.body.errors).toMatchObject([{ path: 'email', code: 'too_big' }])
  expect(register?.body.errors).toMatchObject([{ path: 'email', code: 'too_big' }])
  expect(tagged?.body.errors).toContainEqual(expect.objectContaining({ path: 'tags', code: 'too_big' }))
  expect(token?.status).toBe(401)
})

test('a logout with a malformed token in its body ends the session of the cookie', async () => {
  const { email, request } = await newAccount()
  const login = await call('POST', '/api/auth/login?cookie=true', { body: { email, password: PASSWORD } })
  const cookie = login.headers
    .getSetCookie()
    .map((set) => set.split(';', 1)[0])
    .join('; ')
  const sessions = async () => (await request('GET', '/api/auth/sessions')).body.count
  expect(await sessions()).toBe(2)
  const headers = { Cookie: cookie, Origin: 'https://api.test' }
  const body = { refresh_token: 'made up' }
  const foreign = await call('POST', '/api/auth/logout', {
    body,
    headers: { ...headers, Origin: 'https://evil.example' },
  })
  expect([foreign.status, await sessions()]).toEqual([403, 2])
  const out = await call('POST', '/api/auth/logout', { body, headers })
  expect([out.status, await sessions()]).toEqual([204, 1])
})
