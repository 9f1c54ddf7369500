import { env, exports } from 'cloudflare:workers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { call, newId, newUser, type Answer, type Json, type Parts } from './client.ts'
import { brokenDatabase, captureLog, countedDatabase, deploy } from './deployment.ts'

const LIMIT = 65_536
const ORIGIN = 'https://app.example'

const typeOf = ({ body }: Answer) => body?.type?.replace('/docs/problems#', '')
const setOf = (header: string | null) => new Set((header ?? '').split(',').map((part) => part.trim()))

function chunked(bytes: Uint8Array, size = 10_000): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) controller.close()
      else controller.enqueue(bytes.slice(at, (at += size)))
    },
  })
}

/** A valid task of exactly so many bytes. */
function bodyOf(bytes: number): string {
  return '{"title":"x"}'.padEnd(bytes)
}

/** One request for each kind of answer there is, by the name of its problem or its success. */
async function oneOfEach(): Promise<Record<string, Answer>> {
  const user = await newUser()
  const { body: task } = await user.call('POST', '/tasks', { title: 'x' })
  const path = `/tasks/${task.id}`
  return {
    healthy: await call('GET', '/health'),
    ready: await call('GET', '/ready'),
    list: await user.call('GET', '/tasks'),
    created: await user.call('POST', '/tasks', { title: 'x' }),
    read: await user.call('GET', path),
    not_modified: await user.call('GET', path, undefined, { 'If-None-Match': '*' }),
    head: await user.call('HEAD', path),
    malformed_json: await user.call('POST', '/tasks', '{'),
    empty_patch: await user.call('PATCH', path, {}),
    missing_credentials: await call('GET', '/api/me/tasks?q=secret'),
    invalid_token: await call('GET', '/api/me/tasks', { headers: { Authorization: 'Bearer x.y.z' } }),
    not_your_path: await user.request('GET', '/api/somebody/tasks'),
    not_found: await call('GET', '/nothing/here?q=secret'),
    row_not_found: await user.call('GET', `/tasks/${newId()}?x=secret`),
    method_not_allowed: await user.call('POST', path),
    id_taken: await user.call('POST', '/tasks', { title: 'x', id: task.id }),
    stale_revision: await user.call('DELETE', path, undefined, { 'If-Match': '"1"' }),
    body_too_large: await user.call('POST', '/tasks', bodyOf(LIMIT + 1)),
    not_json: await user.call('POST', '/tasks', 'x', { 'Content-Type': 'text/plain' }),
    invalid_body: await user.call('POST', '/tasks', { title: '', colour: 'green' }),
    invalid_query: await user.call('GET', '/tasks?limit=0'),
    preflight: await call('OPTIONS', '/api/me/tasks', { headers: { Origin: ORIGIN } }),
    misconfigured: await deploy({ JWT_SECRET: undefined })('GET', '/api/me/tasks'),
    not_ready: await deploy({ DB: env.EMPTY_DB })('GET', '/ready'),
    deleted: await user.call('DELETE', path),
  }
}

const statuses: Record<string, number> = {
  healthy: 200,
  ready: 200,
  list: 200,
  created: 201,
  read: 200,
  not_modified: 304,
  head: 200,
  malformed_json: 400,
  empty_patch: 400,
  missing_credentials: 401,
  invalid_token: 401,
  not_your_path: 403,
  not_found: 404,
  row_not_found: 404,
  method_not_allowed: 405,
  id_taken: 409,
  stale_revision: 412,
  body_too_large: 413,
  not_json: 415,
  invalid_body: 422,
  invalid_query: 422,
  preflight: 204,
  misconfigured: 503,
  not_ready: 503,
  deleted: 204,
}

describe('every answer', () => {
  test('has the status of the contract and, when it is a problem, the shape of RFC 9457', async () => {
    const answers = await oneOfEach()
    const found = Object.entries(answers).map(([name, { status }]) => [name, status])
    expect(Object.fromEntries(found)).toEqual(statuses)
    for (const [name, { status, headers, body }] of Object.entries(answers)) {
      if (status < 400) continue
      expect([name, headers.get('Content-Type')]).toEqual([name, 'application/problem+json'])
      expect(body).toEqual({
        type: `/docs/problems#${name}`,
        title: expect.stringMatching(/^[A-Z]/),
        status,
        detail: expect.stringMatching(/^[A-Z].*\.$/),
        instance: expect.stringMatching(/^\/[^?]*$/),
        request_id: headers.get('X-Request-Id'),
        ...(status === 422 && { errors: expect.any(Array) }),
      })
      for (const error of body.errors ?? []) {
        expect(error).toEqual({
          path: expect.stringMatching(/./),
          code: expect.stringMatching(/^[a-z_]+$/),
          message: expect.stringMatching(/./),
        })
      }
    }
    expect(answers.not_found?.body.instance).toBe('/nothing/here')
    expect(answers.invalid_body?.body.errors).toHaveLength(2)
  })

  test('carries a request id, Vary: Origin, what it cost and the security headers', async () => {
    for (const [name, { headers }] of Object.entries(await oneOfEach())) {
      expect([name, headers.get('X-Request-Id')]).toEqual([name, expect.stringMatching(/^[\w-]{1,64}$/)])
      expect([name, setOf(headers.get('Vary'))]).toEqual([
        name,
        expect.toSatisfy((vary) => vary.has('Origin')),
      ])
      expect(headers.get('Server-Timing')).toMatch(/^auth;dur=[\d.]+, db;dur=[\d.]+$/)
      expect(headers.get('x-d1-rows-read')).toMatch(/^\d+$/)
      expect(headers.get('x-d1-rows-written')).toMatch(/^\d+$/)
      expect(headers.get('X-Content-Type-Options')).toBe('nosniff')
      expect(headers.get('Strict-Transport-Security')).toMatch(/^max-age=\d{8,}/)
      expect(headers.get('Referrer-Policy')).toBe('no-referrer')
      expect(headers.get('Content-Security-Policy')).toContain("default-src 'none'")
      expect(headers.get('X-Frame-Options')).toBe('DENY')
      expect(headers.get('Server')).toBeNull()
      expect(headers.get('X-Powered-By')).toBeNull()
    }
  })

  test('about a row may be kept and asked for again; everything else of the API is kept by nobody', async () => {
    const answers = await oneOfEach()
    for (const name of ['created', 'read', 'not_modified', 'head']) {
      expect([name, answers[name]?.headers.get('Cache-Control')]).toEqual([name, 'private, no-cache'])
      expect(answers[name]?.headers.get('ETag')).toMatch(/^"\d+"$/)
    }
    const outside = new Set([
      'healthy',
      'ready',
      'not_ready',
      'not_found',
      'preflight',
      'created',
      'read',
      'not_modified',
      'head',
    ])
    const others = Object.entries(answers).filter(
      ([name, { headers }]) => !outside.has(name) && !headers.has('ETag'),
    )
    expect(others.length).toBeGreaterThan(10)
    for (const [name, { headers }] of others) {
      expect([name, headers.get('Cache-Control')]).toEqual([name, 'no-store'])
    }
  })

  test('that says to try again later says when', async () => {
    for (const { status, headers } of Object.values(await oneOfEach())) {
      expect(headers.has('Retry-After')).toBe(status === 503)
    }
  })
})

describe('X-Request-Id', () => {
  test.each(['a', 'abc-123_XYZ', 'x'.repeat(64)])('of the caller is kept: %s', async (id) => {
    const headers = { 'X-Request-Id': id }
    expect((await call('GET', '/health', { headers })).headers.get('X-Request-Id')).toBe(id)
    const refused = await call('GET', '/api/me/tasks', { headers })
    expect([refused.headers.get('X-Request-Id'), refused.body.request_id]).toEqual([id, id])
  })

  test.each(['x'.repeat(65), 'a b', 'a.b', 'a/b', '"a"', 'a,b', '%0a', '{}'])(
    '%s is replaced',
    async (id) => {
      const { headers } = await call('GET', '/health', { headers: { 'X-Request-Id': id } })
      expect(headers.get('X-Request-Id')).toMatch(/^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/)
    },
  )

  test('is a new one for every request', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => call('GET', '/health')))
    expect(new Set(answers.map(({ headers }) => headers.get('X-Request-Id'))).size).toBe(20)
  })
})

test('a request with many faults is refused for the first in the order of checks, before any query', async () => {
  const user = await newUser()
  const { seen, DB } = countedDatabase()
  const app = deploy({ DB })
  const own = `/api/${user.id}/tasks`
  const type = { 'Content-Type': 'text/plain' }
  const bad = { Authorization: 'Bearer x.y.z' }
  const token = user.authorization
  const steps: [string, number, string, Parts][] = [
    ['body_too_large', 413, '/api/somebody/tasks', { body: bodyOf(LIMIT + 1), headers: type }],
    ['body_too_large', 413, '/api/somebody/tasks', { body: bodyOf(LIMIT + 1), headers: { ...type, ...bad } }],
    ['body_too_large', 413, own, { body: bodyOf(LIMIT + 1), headers: { ...type, ...token } }],
    ['missing_credentials', 401, '/api/somebody/tasks', { body: '{', headers: type }],
    ['invalid_token', 401, '/api/somebody/tasks', { body: '{', headers: { ...type, ...bad } }],
    ['not_your_path', 403, '/api/somebody/tasks', { body: '{', headers: { ...type, ...token } }],
    ['not_json', 415, own, { body: '{', headers: { ...type, ...token } }],
    ['malformed_json', 400, own, { body: '{', headers: token }],
    ['invalid_body', 422, own, { body: '{}', headers: token }],
  ]
  for (const [name, status, path, parts] of steps) {
    for (const answer of [await app('POST', path, parts), await call('POST', path, parts)]) {
      expect([typeOf(answer), answer.status]).toEqual([name, status])
      expect(answer.headers.get('x-d1-rows-read')).toBe('0')
      expect(answer.headers.get('x-d1-rows-written')).toBe('0')
    }
  }
  const others: [string, number, string, string, Parts][] = [
    ['missing_credentials', 401, 'GET', '/api/somebody/tasks?limit=0', {}],
    ['not_your_path', 403, 'GET', '/api/somebody/tasks?limit=0', { headers: token }],
    ['invalid_query', 422, 'GET', `${own}?limit=0`, { headers: token }],
    ['empty_patch', 400, 'PATCH', `${own}/${newId()}`, { body: {}, headers: token }],
    ['row_not_found', 404, 'GET', `${own}/nonsense`, { headers: token }],
    ['method_not_allowed', 405, 'DELETE', own, { headers: token }],
    ['not_found', 404, 'GET', `/api/${user.id}/nothing`, { headers: token }],
    ['missing_credentials', 401, 'GET', '/api/me/nothing', {}],
    ['missing_credentials', 401, 'DELETE', '/api/me/tasks', {}],
  ]
  for (const [name, status, method, path, parts] of others) {
    const answer = await app(method, path, parts)
    expect([method, path, typeOf(answer), answer.status]).toEqual([method, path, name, status])
  }
  expect(seen.batches).toBe(0)
  expect((await app('GET', own, { headers: token })).status).toBe(200)
  expect(seen.batches).toBe(1)
})

test('every operation on a row or a list is one batch', async () => {
  const user = await newUser()
  const { seen, DB } = countedDatabase()
  const app = deploy({ DB })
  const { body: task } = await user.call('POST', '/tasks', { title: 'x' })
  const path = `/api/me/tasks/${task.id}`
  const match = { 'If-Match': '*' }
  for (const [method, target, body, headers] of [
    ['POST', '/api/me/tasks', { title: 'x' }, {}],
    ['GET', path, undefined, {}],
    ['GET', '/api/me/tasks?total=true&q=x&sort=title', undefined, {}],
    ['PUT', path, { title: 'y' }, {}],
    ['PATCH', path, { title: 'z' }, match],
    ['PATCH', path, { title: 'z' }, { 'If-Match': '"1"' }],
    ['PATCH', `${path}/complete`, undefined, {}],
    ['DELETE', path, undefined, match],
    ['GET', path, undefined, {}],
  ] as const) {
    const before = seen.batches
    await app(method, target, { body, headers: { ...user.authorization, ...headers } })
    expect([method, target, seen.batches - before]).toEqual([method, target, 1])
  }
})

describe('CORS', () => {
  const app = deploy({ CORS_ORIGINS: `${ORIGIN}, https://other.example:8443` })
  const from = (origin: string) => ({ headers: { Origin: origin } })

  test.each([ORIGIN, 'https://other.example:8443'])('lets a page of %s read every answer', async (origin) => {
    const user = await newUser()
    const headers = { ...user.authorization, Origin: origin }
    for (const answer of [
      await app('GET', '/api/me/tasks', { headers }),
      await app('POST', '/api/me/tasks', { headers, body: '{' }),
      await app('GET', '/api/somebody/tasks', { headers }),
      await app('POST', '/api/me/tasks', { headers, body: bodyOf(LIMIT + 1) }),
      await app('GET', '/api/me/tasks', from(origin)),
      await app('GET', '/nothing', from(origin)),
      await app('GET', '/health', from(origin)),
    ]) {
      expect(answer.headers.get('Access-Control-Allow-Origin')).toBe(origin)
      expect(answer.headers.get('Access-Control-Allow-Credentials')).toBe('true')
      expect(setOf(answer.headers.get('Access-Control-Expose-Headers'))).toEqual(
        new Set([
          'ETag',
          'Link',
          'Location',
          'Allow',
          'Retry-After',
          'WWW-Authenticate',
          'RateLimit',
          'RateLimit-Policy',
          'Idempotent-Replayed',
          'Preference-Applied',
          'Server-Timing',
          'Date',
          'X-Request-Id',
          'x-d1-bookmark',
          'x-d1-rows-read',
          'x-d1-rows-written',
        ]),
      )
    }
  })

  test.each([
    'https://evil.example',
    'http://app.example',
    'https://app.example:444',
    'https://app.example.evil.example',
    'https://sub.app.example',
    'https://APP.example',
    'null',
    'http://localhost:3000',
  ])('tells a page of %s nothing', async (origin) => {
    for (const method of ['GET', 'OPTIONS']) {
      const { headers } = await app(method, '/api/me/tasks', from(origin))
      expect(headers.get('Access-Control-Allow-Origin')).toBeNull()
      expect(setOf(headers.get('Vary')).has('Origin')).toBe(true)
    }
  })

  test('no origin is allowed by default, and localhost in development only', async () => {
    const allowed = async (settings: Parameters<typeof deploy>[0], origin: string) =>
      (await deploy(settings)('GET', '/health', from(origin))).headers.get('Access-Control-Allow-Origin')
    expect(await allowed({}, ORIGIN)).toBeNull()
    expect(await allowed({ ENVIRONMENT: 'production' }, 'http://localhost:3000')).toBeNull()
    const development = { ENVIRONMENT: 'development' }
    for (const origin of ['http://localhost:3000', 'http://localhost:5173', 'http://localhost']) {
      expect(await allowed(development, origin)).toBe(origin)
    }
    for (const origin of [
      'https://localhost:3000',
      'http://localhost.evil.example',
      'http://localhost:3000.evil.example',
      'http://127.0.0.1:3000',
    ]) {
      expect(await allowed(development, origin)).toBeNull()
    }
  })

  test('a preflight on any path is answered without credentials and without a query', async () => {
    const { seen, DB } = countedDatabase()
    const counted = deploy({ DB, CORS_ORIGINS: ORIGIN })
    for (const path of [
      '/api/me/tasks',
      '/api/somebody/tasks/x',
      '/api/v1/me/tasks/x/complete',
      '/ready',
      '/nothing',
    ]) {
      const answer = await counted('OPTIONS', path, {
        headers: {
          Origin: ORIGIN,
          'Access-Control-Request-Method': 'PATCH',
          'Access-Control-Request-Headers': 'authorization',
        },
      })
      expect([path, answer.status, answer.text]).toEqual([path, 204, ''])
      const header = (name: string) => answer.headers.get(`Access-Control-${name}`)
      expect([header('Allow-Origin'), header('Allow-Credentials')]).toEqual([ORIGIN, 'true'])
      expect(setOf(header('Allow-Methods'))).toEqual(
        new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
      )
      expect(setOf(header('Allow-Headers'))).toEqual(
        new Set([
          'Authorization',
          'Content-Type',
          'If-Match',
          'If-None-Match',
          'Idempotency-Key',
          'Prefer',
          'x-d1-bookmark',
          'X-Request-Id',
        ]),
      )
      expect(Number(header('Max-Age'))).toBeGreaterThan(0)
    }
    expect(seen.batches).toBe(0)
  })
})

describe('methods', () => {
  test('a known path answers any other method with 405 and Allow', async () => {
    const user = await newUser()
    const { body: task } = await user.call('POST', '/tasks', { title: 'x' })
    const known: [string, string[]][] = [
      ['/health', ['GET', 'HEAD']],
      ['/ready', ['GET', 'HEAD']],
      ['/api/me/tasks', ['GET', 'HEAD', 'POST']],
      [`/api/v1/me/tasks/${task.id}`, ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']],
      [`/api/me/tasks/${task.id}/complete`, ['PATCH']],
    ]
    for (const [path, methods] of known) {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'QUERY']) {
        if (methods.includes(method)) continue
        const answer = await user.request(method, path)
        expect([method, path, answer.status]).toEqual([method, path, 405])
        expect(setOf(answer.headers.get('Allow'))).toEqual(new Set(methods))
      }
    }
    expect((await user.call('GET', `/tasks/${task.id}`)).body).toEqual(task)
  })

  test.each([
    '/nothing',
    '/healthy',
    '/api',
    '/api/v1',
    '/api/me/nothing',
    '/api/me/Tasks',
    '/api/me/tasks/x/y',
    '/api/me/tasks/x/complete/y',
    '/v1/me/tasks',
  ])('%s is no path: 404 to every method', async (path) => {
    const user = await newUser()
    for (const method of ['GET', 'POST', 'DELETE']) {
      const answer = await user.request(method, path)
      expect([method, answer.status, typeOf(answer)]).toEqual([method, 404, 'not_found'])
    }
  })

  test.each([
    'v1',
    'auth',
    'admin',
    'somebody',
    'ME',
    'x'.repeat(129),
    'a%2Fb',
    'a%00',
    '%6De%20',
    'a b',
    'é',
    '%E0%A4%A',
  ])('another user’s path, or one no user can have, is a 403: %s', async (name) => {
    const user = await newUser()
    for (const path of [
      `/api/v1/${name}/tasks`,
      `/api/v1/${name}/tasks/${newId()}`,
      `/api/v1/${name}/nothing`,
    ]) {
      const answer = await user.request('GET', path)
      expect([path, answer.status, typeOf(answer)]).toEqual([path, 403, 'not_your_path'])
    }
  })

  test('HEAD answers like GET, without the body', async () => {
    const user = await newUser()
    const { body: task } = await user.call('POST', '/tasks', { title: 'x' })
    for (const path of [
      '/health',
      '/api/me/tasks',
      `/api/me/tasks/${task.id}`,
      `/api/me/tasks/${newId()}`,
      '/nothing',
    ]) {
      const [get, head] = [await user.request('GET', path), await user.request('HEAD', path)]
      expect([head.status, head.text]).toEqual([get.status, ''])
      for (const name of ['ETag', 'Content-Type', 'Cache-Control', 'x-d1-rows-read']) {
        expect([path, name, head.headers.get(name)]).toEqual([path, name, get.headers.get(name)])
      }
    }
    expect((await call('HEAD', '/api/me/tasks')).status).toBe(401)
  })
})

describe('health and readiness', () => {
  test('/health answers without the database', async () => {
    const answer = await deploy({ DB: brokenDatabase(new Error('down')) })('GET', '/health')
    expect([answer.status, answer.body]).toEqual([200, { status: 'healthy' }])
    const { seen, DB } = countedDatabase()
    await deploy({ DB })('GET', '/health')
    expect(seen.batches).toBe(0)
  })

  test('/ready answers 200 when the schema is current', async () => {
    const { seen, DB } = countedDatabase()
    expect((await deploy({ DB })('GET', '/ready')).body).toEqual({ status: 'ready' })
    expect(seen.batches).toBe(1)
  })

  test('/ready says what is wrong: no schema, an older schema, no answer', async () => {
    const empty = await deploy({ DB: env.EMPTY_DB })('GET', '/ready')
    expect([empty.status, typeOf(empty), empty.body.detail]).toEqual([
      503,
      'not_ready',
      expect.stringContaining('migrations'),
    ])
    await env.EMPTY_DB.exec('CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT)')
    const older = await deploy({ DB: env.EMPTY_DB })('GET', '/ready')
    await env.EMPTY_DB.exec('DROP TABLE d1_migrations')
    expect([older.status, older.body.detail]).toEqual([503, expect.stringContaining('migrations')])
    const down = await deploy({ DB: brokenDatabase(new Error('Network connection lost.')) })('GET', '/ready')
    expect([down.status, down.body.detail]).toEqual([503, 'The database does not answer.'])
  })
})

describe('when the database fails', () => {
  test.each<[fault: unknown, status: number, type: string]>([
    [new Error('D1_ERROR: D1 DB is overloaded. Too many requests queued.'), 503, 'database_unavailable'],
    [new Error('D1_ERROR: Network connection lost.'), 503, 'database_unavailable'],
    [
      new Error('D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.'),
      503,
      'database_unavailable',
    ],
    [new Error('D1_ERROR: Query timed out'), 504, 'database_timeout'],
    [new Error('D1_ERROR: no such table: tasks (SELECT secret FROM tasks)'), 503, 'misconfigured'],
    [new Error('D1_ERROR: near "secret": syntax error'), 500, 'internal_error'],
    [new Error('outer secret', { cause: new Error('inner secret') }), 500, 'internal_error'],
    ['a secret that is no Error', 500, 'internal_error'],
    [undefined, 500, 'internal_error'],
  ])('%s is a %i %s that gives nothing away', async (fault, status, type) => {
    const user = await newUser()
    const app = deploy({ DB: brokenDatabase(fault) })
    const { lines } = captureLog()
    for (const [method, body] of [
      ['GET', undefined],
      ['POST', { title: 'my title' }],
    ] as const) {
      const answer = await app(method, '/api/me/tasks', { body, headers: user.authorization })
      expect([answer.status, typeOf(answer)]).toEqual([status, type])
      expect(answer.headers.has('Retry-After')).toBe(status >= 503)
      expect(answer.text).not.toMatch(/secret|SELECT|INSERT|D1_ERROR|my title| at /)
    }
    expect(lines.length).toBeGreaterThanOrEqual(2)
    expect(lines.join('\n')).not.toMatch(/secret|SELECT|INSERT|D1_ERROR|my title/)
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty('event')
  })

  test('a database without the schema is a 503, not a 500', async () => {
    const user = await newUser()
    const answer = await deploy({ DB: env.EMPTY_DB })('GET', '/api/me/tasks', { headers: user.authorization })
    expect([answer.status, typeOf(answer)]).toEqual([503, 'misconfigured'])
  })
})

describe('the body', () => {
  test('may have 65 536 bytes and not one more, with or without a Content-Length', async () => {
    const user = await newUser()
    const encoder = new TextEncoder()
    const wide = (bytes: number) =>
      `{"title":"x","colour":"${'é'.repeat(Math.floor((bytes - 25) / 2))}"}`.padEnd(
        bytes - Math.floor((bytes - 25) / 2),
      )
    for (const [bytes, status, text] of [
      [LIMIT, 201, bodyOf(LIMIT)],
      [LIMIT + 1, 413, bodyOf(LIMIT + 1)],
      [LIMIT, 422, wide(LIMIT)],
      [LIMIT + 1, 413, wide(LIMIT + 1)],
    ] as const) {
      const encoded = encoder.encode(text)
      expect(encoded.length).toBe(bytes)
      const length = { 'Content-Length': String(bytes) }
      for (const answer of [
        await user.call('POST', '/tasks', text),
        await user.call('POST', '/tasks', text, length),
        await user.call('POST', '/tasks', chunked(encoded)),
        await user.call('POST', '/tasks', chunked(encoded, 1_000)),
      ]) {
        expect([bytes, answer.status]).toEqual([bytes, status])
      }
    }
  })

  test('that never ends is refused once it is too large', async () => {
    let sent = 0
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1_000
        controller.enqueue(new Uint8Array(1_000).fill(32))
      },
    })
    const answer = await deploy()('POST', '/api/me/tasks', { body: endless })
    expect(answer.status).toBe(413)
    expect(sent).toBeLessThan(2 * LIMIT)
  })

  const PLAIN = 'application/json'
  test.each([
    PLAIN,
    `${PLAIN}; charset=utf-8`,
    `${PLAIN};charset="UTF-8"`,
    'Application/JSON',
    `${PLAIN} ; charset=utf-8`,
    `${PLAIN};`,
    `\t${PLAIN}`,
  ])('of the type %j is read', async (type) => {
    const user = await newUser()
    const answer = await user.call('POST', '/tasks', '{"title":"x"}', { 'Content-Type': type })
    expect([answer.status, answer.body.title]).toEqual([201, 'x'])
  })

  test.each([
    'text/plain',
    'text/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/problem+json',
    'application/jsonp',
    'application/json, text/plain',
    'text/plain; application/json',
    'json',
    '*/*',
  ])('of the type %s is a 415 to every method that takes one', async (type) => {
    const user = await newUser()
    const { body: task } = await user.call('POST', '/tasks', { title: 'x' })
    for (const [method, path] of [
      ['POST', ''],
      ['PUT', `/${task.id}`],
      ['PATCH', `/${task.id}`],
    ]) {
      const answer = await user.call(method ?? '', `/tasks${path}`, '{"title":"y"}', { 'Content-Type': type })
      expect([method, answer.status]).toEqual([method, 415])
    }
    expect((await user.call('GET', '/tasks')).body.tasks).toEqual([task])
  })

  test('without a type, or no body at all, is a 415', async () => {
    const user = await newUser()
    expect((await user.call('POST', '/tasks')).status).toBe(415)
    const stream = chunked(new TextEncoder().encode('{"title":"x"}'))
    const untyped = new Request('https://api.test/api/me/tasks', {
      method: 'POST',
      body: stream,
      headers: user.authorization,
    })
    expect(untyped.headers.has('Content-Type')).toBe(false)
    expect((await exports.default.fetch(untyped)).status).toBe(415)
  })

  const bytes = (...values: number[]) =>
    new Uint8Array([...new TextEncoder().encode('{"title":"'), ...values, 0x22, 0x7d])
  test.each<[string, string | Uint8Array]>([
    ['empty', ''],
    ['white space', ' \n'],
    ['unfinished', '{"title":"x"'],
    ['a trailing comma', '{"title":"x",}'],
    ['single quotes', "{'title':'x'}"],
    ['two documents', '{"title":"x"}{}'],
    ['NaN', '{"title":NaN}'],
    ['a comment', '{"title":"x"/**/}'],
    ['a raw line break in a string', '{"title":"a\nb"}'],
    ['deep and unfinished', '['.repeat(60_000)],
    ['a lone continuation byte', bytes(0x80)],
    ['an overlong form', bytes(0xc0, 0xaf)],
    ['a surrogate in UTF-8', bytes(0xed, 0xa0, 0x80)],
    ['UTF-16', new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0])],
  ])('that is no JSON in UTF-8 is a 400: %s', async (_, body) => {
    const user = await newUser()
    const answer = await user.call('POST', '/tasks', body)
    expect([answer.status, typeOf(answer)]).toEqual([400, 'malformed_json'])
  })

  test('that is deep, has a million-digit number or repeats a key is answered, not a fault', async () => {
    const user = await newUser()
    const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
    expect((await user.call('POST', '/tasks', deep)).status).toBe(422)
    expect((await user.call('POST', '/tasks', `{"title":${deep}}`)).status).toBe(422)
    expect((await user.call('POST', '/tasks', `{"title":1${'0'.repeat(60_000)}}`)).status).toBe(422)
    expect((await user.call('POST', '/tasks', '{"title":1,"title":"x"}')).body.title).toBe('x')
    const many = JSON.stringify(Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`k${at}`, 1])))
    const answer = await user.call('POST', '/tasks', many)
    expect([answer.status, answer.text.length < 10_000]).toEqual([422, true])
  })

  test('of a request that takes none is ignored', async () => {
    const user = await newUser()
    const { body: task } = await user.call('POST', '/tasks', { title: 'x' })
    const type = { 'Content-Type': 'text/plain' }
    expect((await user.call('PATCH', `/tasks/${task.id}/complete`, '{', type)).body.completed).toBe(true)
    expect((await user.call('DELETE', `/tasks/${task.id}`, '{', type)).status).toBe(204)
  })
})

describe('the log', () => {
  test('has one line of JSON for each request, with its route’s pattern and its cost', async () => {
    const user = await newUser()
    const log = captureLog()
    const { body: task } = await user.call('POST', '/tasks', { title: 'x' }, { 'X-Request-Id': 'mine' })
    const requests: [method: string, path: string, status: number, route: string, known: boolean][] = [
      ['GET', '/health', 200, '/health', false],
      ['GET', '/ready', 200, '/ready', false],
      ['GET', '/api/me/tasks?limit=5', 200, '/api/:user_id/tasks', true],
      ['GET', `/api/v1/${user.id}/tasks/${task.id}`, 200, '/api/:user_id/tasks/:id', true],
      ['HEAD', `/api/me/tasks/${task.id}`, 200, '/api/:user_id/tasks/:id', true],
      ['PATCH', `/api/me/tasks/${task.id}/complete`, 200, '/api/:user_id/tasks/:id/complete', true],
      ['DELETE', '/api/me/tasks', 405, '/api/:user_id/tasks', true],
      ['GET', `/api/me/tasks/${newId()}`, 404, '/api/:user_id/tasks/:id', true],
      ['DELETE', `/api/me/tasks/${task.id}`, 204, '/api/:user_id/tasks/:id', true],
    ]
    for (const [method, path] of requests) await user.request(method, path)
    const [first, ...lines] = log.parsed()
    expect(first).toEqual({
      level: 'info',
      event: 'request',
      request_id: 'mine',
      method: 'POST',
      route: '/api/:user_id/tasks',
      status: 201,
      user: user.id,
      duration_ms: expect.any(Number),
      db_ms: expect.any(Number),
      db_batches: 1,
      rows_read: expect.any(Number),
      rows_written: 2,
    })
    expect(lines.map(({ method, status, route, user: who }) => [method, status, route, who])).toEqual(
      requests.map(([method, , status, route, known]) => [
        method,
        status,
        route,
        known ? user.id : undefined,
      ]),
    )
    for (const line of lines) {
      expect(line.event).toBe('request')
      expect(line.request_id).toMatch(/^[\w-]+$/)
      expect(
        [line.duration_ms, line.db_ms, line.rows_read, line.rows_written].every((value) => value >= 0),
      ).toBe(true)
    }
  })

  test('marks who tried what they may not', async () => {
    const user = await newUser()
    const { body: task } = await user.call('POST', '/tasks', { title: 'x' })
    const log = captureLog()
    await call('GET', '/api/me/tasks')
    await call('GET', '/api/me/tasks', { headers: { Authorization: 'Bearer x.y.z' } })
    await user.request('GET', '/api/somebody/tasks')
    await user.call('GET', `/tasks/${newId()}`)
    await user.call('DELETE', `/tasks/${newId()}`, undefined, { 'If-Match': '*' })
    await user.call('GET', `/tasks/${task.id}`)
    await user.call('GET', '/tasks?limit=0')
    await call('GET', '/nothing')
    await deploy({ DB: brokenDatabase(new Error('down')) })('GET', '/api/me/tasks', {
      headers: user.authorization,
    })
    const marks = log
      .requests()
      .map(({ level, status, problem, security }) => [level, status, problem, security])
    expect(marks).toEqual([
      ['warn', 401, 'missing_credentials', 'unauthenticated'],
      ['warn', 401, 'invalid_token', 'unauthenticated'],
      ['warn', 403, 'not_your_path', 'forbidden'],
      ['warn', 404, 'row_not_found', 'missing_row'],
      ['warn', 404, 'row_not_found', 'missing_row'],
      ['info', 200, undefined, undefined],
      ['info', 422, 'invalid_query', undefined],
      ['info', 404, 'not_found', undefined],
      ['error', 500, 'internal_error', undefined],
    ])
  })

  test('holds no token, no id of a row and nothing that a request carried', async () => {
    const user = await newUser()
    const canary = 'canary-7f3a'
    const token = user.authorization.Authorization.slice('Bearer '.length)
    const log = captureLog()
    const { body: task } = await user.call('POST', '/tasks', {
      title: canary,
      description: canary,
      tags: [canary],
    })
    const path = `/tasks/${task.id}`
    const ids = [task.id, newId()]
    await user.call('GET', `/tasks?q=${canary}&tag=${canary}`)
    await user.call('GET', `/tasks?${canary}=1&limit=${canary}`)
    await user.call('PATCH', path, { title: canary })
    await user.call('PUT', path, { title: canary, [canary]: canary })
    await user.call('PATCH', path, `{"title":"${canary}`)
    await user.call('GET', `/tasks/${ids[1]}`)
    await user.call('GET', `/tasks/${canary}`)
    await user.call('GET', `/${canary}`)
    await user.request('GET', `/api/${canary}/tasks`)
    await user.request('GET', `/${canary}?${canary}`)
    await user.request('GET', '/health', undefined, {
      Origin: `https://${canary}`,
      'User-Agent': canary,
      'X-Request-Id': `${canary}!`,
    })
    await call('GET', '/api/me/tasks', { headers: { Authorization: `Bearer ${token}x` } })
    await call('GET', '/api/me/tasks', { headers: { Authorization: `Basic ${canary}` } })
    await deploy({ DB: brokenDatabase(new Error(canary)) })('GET', '/api/me/tasks', {
      headers: user.authorization,
    })
    await user.call('DELETE', path)
    const text = log.lines.join('\n')
    expect(log.requests()).toHaveLength(16)
    expect(text).not.toContain(canary)
    for (const id of ids) expect(text).not.toContain(id)
    for (const part of token.split('.')) expect(text).not.toContain(part)
    expect(text).not.toContain(env.JWT_SECRET)
  })
})

test('no answer of the whole table names a token, a statement or a stack', async () => {
  for (const { text } of Object.values(await oneOfEach()) as { text: Json }[]) {
    expect(text).not.toMatch(/SELECT|INSERT|UPDATE |D1_ERROR|eyJ|\.ts:\d|\bat .+\(/)
  }
})

test('a database that is ahead of this version, as in the midst of a deployment, is ready', async () => {
  await env.DB.prepare(`INSERT INTO d1_migrations (name) VALUES ('9999_of_the_next_version.sql')`).run()
  onTestFinished(async () => {
    await env.DB.prepare(`DELETE FROM d1_migrations WHERE name = '9999_of_the_next_version.sql'`).run()
  })
  expect((await call('GET', '/ready')).status).toBe(200)
})
