import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import type { Hub } from '../src/index.ts'
import { newAccount, newLogin, PASSWORD } from './account.ts'
import { call, newId, newUser, requestOf, tokenFor, type Json } from './client.ts'
import { captureLog, deploy } from './deployment.ts'
import { listen, listenerTo } from './listener.ts'
import { purgeAll } from './purge-all.ts'
import { ask, inObjects } from './rows.ts'

const EVENTS = '/api/me/events'

/** A hint of a collection at this revision or a later one. */
function tells(collection: string, revision: number) {
  return ({ type, revisions }: Json) => type === 'changed' && revisions[collection] >= revision
}

test('a connection is told that it is ready, then the revision of every kind of write', async () => {
  const user = await newUser()
  const { next, messages } = await listen(EVENTS, user.authorization)
  expect(messages).toEqual([{ type: 'ready' }])

  const { body: task } = await user.call('POST', '/tasks', { title: 'one' }, { 'Idempotency-Key': 'k' })
  expect(await next()).toEqual({
    type: 'changed',
    bookmark: null,
    revisions: { tasks: task.revision },
  })
  const path = `/tasks/${task.id}`
  for (const [method, at, body] of [
    ['PATCH', path, { title: 'two' }],
    ['PUT', path, { title: 'three' }],
    ['PATCH', `${path}/complete`],
    ['POST', `${path}/comments`, { body: 'four' }],
    ['DELETE', path],
    ['POST', `${path}/restore`],
    [
      'POST',
      '/tasks/bulk',
      {
        operations: [
          { op: 'create', data: { title: 'five' } },
          { op: 'delete', id: task.id },
        ],
      },
    ],
    ['POST', '/projects', { name: 'six' }],
  ] as const) {
    await user.call(method, at, body)
    const { body: after } = await user.call('GET', '/changes')
    const newest = Math.max(...after.changes.map(({ revision }: Json) => revision))
    expect(Object.values((await next()).revisions)).toEqual([newest])
  }
})

test('what writes nothing announces nothing: reads, refusals, replays and restoring what is there', async () => {
  const user = await newUser()
  const key = { 'Idempotency-Key': 'once' }
  const { body: task } = await user.call('POST', '/tasks', { title: 'one' }, key)
  const { next, messages } = await listen(EVENTS, user.authorization)
  expect((await user.call('POST', '/tasks', { title: 'one' }, key)).headers.get('Idempotent-Replayed')).toBe(
    'true',
  )
  await user.call('GET', '/tasks')
  await user.call('POST', `/tasks/${task.id}/restore`)
  await user.call('PATCH', `/tasks/${task.id}`, { title: 'no' }, { 'If-Match': '"1"' })
  await user.call('POST', '/tasks/bulk', {
    operations: [
      { op: 'create', data: { title: 'x' } },
      { op: 'delete', id: newId() },
    ],
  })
  const { body: project } = await user.call('POST', '/projects', { name: 'told' })
  expect((await next()).revisions).toEqual({ projects: project.revision })
  expect(messages).toHaveLength(2)
})

test('an administrator’s write and a purge by the cron trigger reach the owner', async () => {
  const user = await newUser()
  const { body: project } = await user.call('POST', '/projects', { name: 'old' })
  const { body: task } = await user.call('POST', '/tasks', { title: 'kept', project_id: project.id })
  await user.call('DELETE', `/projects/${project.id}`)
  const { next } = await listen(EVENTS, user.authorization)

  const admin = { Authorization: `Bearer ${await tokenFor('an-admin', { role: 'admin' })}` }
  const { body: theirs } = await call('PATCH', `/api/${user.id}/tasks/${task.id}`, {
    body: { title: 'seen' },
    headers: admin,
  })
  expect((await next()).revisions).toEqual({ tasks: theirs.revision })

  await ask(
    user.id,
    `UPDATE projects SET deleted_at = strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at, '-31 days') WHERE user_id = ?`,
    user.id,
  )
  await purgeAll()
  const { revisions } = await next()
  const { body: cleared } = await user.call('GET', `/tasks/${task.id}`)
  expect(cleared).toMatchObject({ project_id: null, revision: revisions.tasks })
  expect(cleared.revision).toBeGreaterThan(theirs.revision)
})

test('nobody hears of another user’s writes', async () => {
  const users = await Promise.all(Array.from({ length: 4 }, () => newUser()))
  const heard = await Promise.all(users.map(({ authorization }) => listen(EVENTS, authorization)))
  const written = users.map(() => new Set<number>())
  for (let round = 0; round < 25; round += 1) {
    await Promise.all(
      users.map(async (user, at) => {
        const { body } = await user.call('POST', '/tasks', { title: `of ${at}` })
        written[at]?.add(body.revision)
      }),
    )
  }
  for (const [at, { next, messages }] of heard.entries()) {
    const mine = written[at] ?? new Set()
    await next(tells('tasks', Math.max(...mine)))
    const told = messages.slice(1).map(({ revisions }) => revisions.tasks)
    expect(told.every((revision) => mine.has(revision))).toBe(true)
    expect(told).toEqual(told.toSorted((one, other) => one - other))
  }
})

test('an evicted hub keeps its connections, and ping is answered without waking it', async () => {
  const user = await newUser()
  const { next, send } = await listen(EVENTS, user.authorization)
  const hub = env.HUB.get(env.HUB.idFromName(user.id))
  await evictDurableObject(hub)
  send('ping')
  expect(await next()).toBe('pong')
  await expect(evictDurableObject(hub)).rejects.toThrow('not currently running')
  const { body } = await user.call('POST', '/tasks', { title: 'after' })
  expect((await next()).revisions).toEqual({ tasks: body.revision })
  await evictDurableObject(hub)
})

test('whatever else a client sends closes its connection alone', async () => {
  const user = await newUser()
  const [bad, good] = [await listen(EVENTS, user.authorization), await listen(EVENTS, user.authorization)]
  bad.send('{"type":"subscribe"}')
  expect(await bad.closed).toBe(1003)
  const { body } = await user.call('POST', '/tasks', { title: 'still' })
  expect((await good.next()).revisions).toEqual({ tasks: body.revision })
})

test.each([
  ['logging out', (login: Json) => login.request('POST', '/api/auth/logout')],
  [
    'logging out everywhere',
    (_: Json, other: Json) => other.request('POST', '/api/auth/logout', { all: true }),
  ],
  [
    'a logout by its refresh token',
    (login: Json) => call('POST', '/api/auth/logout', { body: { refresh_token: login.refreshToken } }),
  ],
  [
    'a change of password elsewhere',
    (_: Json, other: Json) =>
      other.request('PUT', '/api/auth/password', {
        current_password: PASSWORD,
        new_password: 'another password, long',
      }),
  ],
  [
    'deleting the session',
    async (login: Json, other: Json) => {
      const { body } = await login.request('GET', '/api/auth/sessions')
      const { id } = body.sessions.find(({ current }: Json) => current)
      return other.request('DELETE', `/api/auth/sessions/${id}`)
    },
  ],
  [
    'a reused refresh token',
    async (login: Json) => {
      const { body } = await call('POST', '/api/auth/refresh', {
        body: { refresh_token: login.refreshToken },
      })
      await call('POST', '/api/auth/refresh', { body: { refresh_token: body.refresh_token } })
      return call('POST', '/api/auth/refresh', { body: { refresh_token: login.refreshToken } })
    },
  ],
])('%s ends the connections of that session, and not one hint follows', async (_name, end) => {
  const account = await newAccount()
  const other = await newLogin(account.email)
  const mine = await listen(EVENTS, { Authorization: `Bearer ${account.access}` })
  const theirs = await listen(EVENTS, { Authorization: `Bearer ${(await newLogin(account.email)).access}` })
  const independent = await listen(EVENTS, { Authorization: `Bearer ${await tokenFor(account.id)}` })
  await end(account, other)
  expect(await mine.closed).toBe(4401)
  const { body } = await call('POST', '/api/me/tasks', {
    body: { title: 'after' },
    headers: { Authorization: `Bearer ${await tokenFor(account.id)}` },
  })
  expect((await independent.next()).revisions).toEqual({ tasks: body.revision })
  expect(mine.messages).toEqual([{ type: 'ready' }])
  const survives =
    /^(logging out|a logout by its refresh token|deleting the session|a reused refresh token)$/.test(_name)
  if (survives) expect((await theirs.next()).revisions).toEqual({ tasks: body.revision })
  else expect(await theirs.closed).toBe(4401)
})

test('erasing the account closes its connections with a code of its own', async () => {
  const account = await newAccount()
  const mine = await listen(EVENTS, { Authorization: `Bearer ${account.access}` })
  const independent = await listen(EVENTS, { Authorization: `Bearer ${await tokenFor(account.id)}` })
  expect((await account.request('DELETE', '/api/me')).status).toBe(204)
  expect([await mine.closed, await independent.closed]).toEqual([4410, 4410])
})

test('a connection without a session ends when its token expires', async () => {
  const user = await newUser()
  const exp = Math.floor(Date.now() / 1000) + 1
  const { closed } = await listen(EVENTS, { Authorization: `Bearer ${await tokenFor(user.id, { exp })}` })
  expect(await closed).toBe(4401)
  expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000)
})

test('a session that nobody uses ends its connection, and one that was refreshed meanwhile does not', async () => {
  const account = await newAccount()
  const used = await newLogin(account.email)
  const endsAt = (when: number, session: string) =>
    env.DB.prepare('UPDATE sessions SET ends_at = ? WHERE id = ?')
      .bind(new Date(when).toISOString(), session)
      .run()
  const sessions = [used, account].map(({ access }) => String(decodeJwt(access).sid))
  const soon = Date.now() + 1_500
  for (const session of sessions) await endsAt(soon, session)
  const kept = await listen(EVENTS, { Authorization: `Bearer ${used.access}` })
  const ended = await listen(EVENTS, { Authorization: `Bearer ${account.access}` })
  await endsAt(soon + 3_600_000, sessions[0] ?? '')
  expect(await ended.closed).toBe(4401)
  const { body } = await used.request('POST', '/api/me/tasks', { title: 'still here' })
  expect((await kept.next()).revisions).toEqual({ tasks: body.revision })
})

test('the oldest connection of a session gives way to the eleventh, and the oldest of a user to the thirty-third', async () => {
  const account = await newAccount()
  const headers = { Authorization: `Bearer ${account.access}` }
  const sockets = []
  for (let at = 0; at < 11; at += 1) sockets.push(await listen(EVENTS, headers))
  expect(await sockets[0]?.closed).toBe(4429)
  const own = { Authorization: `Bearer ${await tokenFor(account.id)}` }
  for (let at = 0; at < 23; at += 1) sockets.push(await listen(EVENTS, own))
  expect(await sockets[1]?.closed).toBe(4429)
  const { body } = await call('POST', '/api/me/tasks', { body: { title: 'to 32' }, headers: own })
  for (const { next } of sockets.slice(2)) expect((await next()).revisions).toEqual({ tasks: body.revision })
})

test('an administrator who watches somebody stops with the session, and with the account', async () => {
  const user = await newUser()
  const account = await newAccount()
  await env.DB.prepare(`UPDATE users SET role = 'admin' WHERE id = ?`).bind(account.id).run()
  const admin = await newLogin(account.email)
  const watching = await listen(`/api/${user.id}/events`, { Authorization: `Bearer ${admin.access}` })
  const { body } = await user.call('POST', '/tasks', { title: 'watched' })
  expect((await watching.next()).revisions).toEqual({ tasks: body.revision })
  await admin.request('POST', '/api/auth/logout')
  expect(await watching.closed).toBe(4401)

  const again = await listen(`/api/${user.id}/events`, {
    Authorization: `Bearer ${(await newLogin(account.email)).access}`,
  })
  await call('DELETE', '/api/me', { headers: { Authorization: `Bearer ${await tokenFor(account.id)}` } })
  expect(await again.closed).toBe(4410)
})

test('a browser sends its token as a subprotocol, and is answered with the other one', async () => {
  const user = await newUser()
  const token = await tokenFor(user.id)
  const headers = { Upgrade: 'websocket', 'Sec-WebSocket-Protocol': `freehold, bearer.${token}` }
  const response = await exports.default.fetch(requestOf('GET', EVENTS, { headers }))
  expect(response.status).toBe(101)
  expect(response.headers.get('Sec-WebSocket-Protocol')).toBe('freehold')
  expect(response.headers.get('X-Request-Id')).toMatch(/./)
  if (!response.webSocket) throw new Error('no socket')
  const listener = listenerTo(response.webSocket)
  expect(await listener.next()).toEqual({ type: 'ready' })
  listener.close()
})

test('without an upgrade, a subprotocol is no credential', async () => {
  const user = await newUser()
  const headers = { 'Sec-WebSocket-Protocol': `freehold, bearer.${await tokenFor(user.id)}` }
  expect((await call('GET', '/api/me/tasks', { headers })).status).toBe(401)
})

test('a connection that may not be is refused before the upgrade, as a problem', async () => {
  const [user, other] = [await newUser(), await newUser()]
  const account = await newAccount()
  await account.request('POST', '/api/auth/logout')
  const refused = async (path: string, headers: Record<string, string>) => {
    const sockets = await call('GET', path, { headers: { Upgrade: 'websocket', ...headers } })
    const streams = await call('GET', path, { headers: { Accept: 'text/event-stream', ...headers } })
    expect(streams.body.type).toBe(sockets.body.type)
    return `${sockets.status} ${sockets.body.type.replace('/docs/problems#', '')}`
  }
  expect(await refused(EVENTS, {})).toBe('401 missing_credentials')
  expect(await refused(EVENTS, { Authorization: 'Bearer nonsense' })).toBe('401 invalid_token')
  expect(await refused(EVENTS, { Authorization: `Bearer ${account.access}` })).toBe('401 session_ended')
  expect(await refused(`/api/${other.id}/events`, user.authorization)).toBe('403 not_your_path')
  const protocol = { Upgrade: 'websocket', 'Sec-WebSocket-Protocol': 'freehold, bearer.nonsense' }
  expect((await call('GET', EVENTS, { headers: protocol })).body.type).toBe('/docs/problems#invalid_token')
  for (const Accept of ['application/json', '*/*', 'text/event-stream;q=0']) {
    expect((await user.call('GET', '/events', undefined, { Accept })).status).toBe(406)
  }
  expect(await user.call('POST', '/events', {})).toMatchObject({ status: 405 })
  expect((await user.call('DELETE', '/events')).headers.get('Allow')).toBe('GET, HEAD')
  const head = await user.call('HEAD', '/events', undefined, { Accept: 'text/event-stream' })
  expect([head.status, head.headers.get('Content-Type')]).toEqual([200, 'text/event-stream'])
})

test('a WebSocket with cookies needs an allowed Origin', async () => {
  const user = await newUser()
  const upgrade = { Upgrade: 'websocket', Cookie: `__Host-access_token=${await tokenFor(user.id)}` }
  for (const origin of [{}, { Origin: 'https://elsewhere.test' }]) {
    const { status, body } = await call('GET', EVENTS, { headers: { ...upgrade, ...origin } })
    expect([status, body.type]).toEqual([403, '/docs/problems#foreign_origin'])
  }
  const { next } = await listen(EVENTS, { ...upgrade, Origin: 'https://api.test' })
  const { body } = await user.call('POST', '/tasks', { title: 'one' })
  expect((await next()).revisions).toEqual({ tasks: body.revision })
})

test('server-sent events say the same, and why they end', async () => {
  const account = await newAccount()
  const headers = { Authorization: `Bearer ${account.access}`, Accept: 'text/event-stream' }
  const response = await exports.default.fetch(requestOf('GET', EVENTS, { headers }))
  expect(response.headers.get('Content-Type')).toBe('text/event-stream')
  expect(response.headers.get('Cache-Control')).toBe('no-store')
  if (!response.body) throw new Error('no stream')
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const until = async (end: string) => {
    while (!text.includes(end)) text += (await reader.read()).value ?? ''
  }
  await until('data: {"type":"ready"}\n\n')
  expect(text).toMatch(/^retry: \d{4,5}\n\ndata: /)
  const { body } = await account.request('POST', '/api/me/tasks', { title: 'one' })
  await until(`"revisions":{"tasks":${body.revision}}}\n\n`)
  await account.request('POST', '/api/auth/logout')
  await until('event: close\ndata: {"code":4401,"reason":"the session has ended"}\n\n')
  expect((await reader.read()).done).toBe(true)
})

test('a client that leaves its stream leaves the hub', async () => {
  const user = await newUser()
  const headers = { ...user.authorization, Accept: 'text/event-stream' }
  const response = await exports.default.fetch(requestOf('GET', EVENTS, { headers }))
  const reader = response.body?.getReader()
  await reader?.read()
  const hub = env.HUB.get(env.HUB.idFromName(user.id))
  const open = () =>
    runInDurableObject(
      hub,
      (_, state) => state.getWebSockets().filter(({ readyState }) => readyState === 1).length,
    )
  expect(await open()).toBe(1)
  await reader?.cancel()
  while (await open()) await scheduler.wait(20)
})

// With objects there are no bookmarks.
test.skipIf(inObjects)('with replicas a hint carries the bookmark of the write', async () => {
  const user = await newUser()
  const { next } = await listen(EVENTS, user.authorization)
  const replicated = deploy({ READ_REPLICAS: 'on' })
  const parts = { headers: user.authorization, body: { title: 'one' } }
  const { headers } = await replicated('POST', '/api/me/tasks', parts)
  expect(await next()).toMatchObject({ bookmark: headers.get('x-d1-bookmark') })
  expect(headers.get('x-d1-bookmark')).toMatch(/^[\da-f-]+$/)
})

test('with LIVE=off the route is a 404 and nothing is announced', async () => {
  const user = await newUser()
  const { next } = await listen(EVENTS, user.authorization)
  const off = deploy({ LIVE: 'off' })
  for (const headers of [{ Upgrade: 'websocket' }, { Accept: 'text/event-stream' }, {}]) {
    const { status, body } = await off('GET', EVENTS, { headers: { ...user.authorization, ...headers } })
    expect([status, body.type]).toEqual([404, '/docs/problems#not_found'])
  }
  const parts = { headers: user.authorization, body: { title: 'unheard' } }
  expect((await off('POST', '/api/me/tasks', parts)).status).toBe(201)
  const { body } = await user.call('POST', '/tasks', { title: 'heard' })
  expect((await next()).revisions).toEqual({ tasks: body.revision })
})

// With objects the hub is where the rows are.
test.skipIf(inObjects).each([
  ['is missing', undefined],
  [
    'throws',
    {
      idFromName: () => {
        throw new Error('no such namespace')
      },
    },
  ],
  [
    'has hubs that fail',
    {
      idFromName: () => 'id',
      get: () => ({
        announce: async () => {
          throw new Error('overloaded')
        },
        endSessions: async () => {
          throw new Error('overloaded')
        },
      }),
    },
  ],
  [
    'has hubs that never answer',
    {
      idFromName: () => 'id',
      get: () => ({ announce: () => new Promise(() => {}), endSessions: () => new Promise(() => {}) }),
    },
  ],
])('no write fails where the binding of the hubs %s', async (_name, HUB) => {
  const { lines } = captureLog()
  const account = await newAccount()
  const broken = deploy({ HUB: HUB as unknown as DurableObjectNamespace<Hub> })
  const headers = { Authorization: `Bearer ${account.access}` }
  const { status, body } = await broken('POST', '/api/me/tasks', { headers, body: { title: 'one' } })
  expect(status).toBe(201)
  expect((await broken('DELETE', `/api/me/tasks/${body.id}`, { headers })).status).toBe(204)
  expect((await broken('POST', '/api/auth/logout', { headers })).status).toBe(204)
  expect((await broken('GET', '/api/me/tasks', { headers })).status).toBe(401)
  expect(lines.some((line) => /overloaded|namespace/.test(line))).toBe(false)
})
