import { describe, expect, test } from 'vitest'
import { newId, newUser, type Json } from './client.ts'
import { expectProblem, type User } from './collection.ts'
import { recordedApp } from './recorder.ts'
import { countOf, problemOf, storedBy } from './stored.ts'
import { purgeAll } from './purge-all.ts'
import { ask } from './rows.ts'

/** A request that can carry a key, ready to send: its path, its body and another body that would be fine, too. */
interface Arranged {
  path: string
  body: unknown
  other: unknown
}

interface Case {
  name: string
  status: number
  arrange: (user: User) => Promise<Arranged>
}

const cases: Case[] = [
  {
    name: 'create',
    status: 201,
    arrange: async () => ({ path: '/tasks', body: { title: 'One' }, other: { title: 'Other' } }),
  },
  {
    name: 'create of a child',
    status: 201,
    async arrange(user) {
      const { id } = await made(user, '/tasks', { title: 'Parent' })
      return { path: `/tasks/${id}/comments`, body: { body: 'One' }, other: { body: 'Other' } }
    },
  },
  {
    name: 'bulk',
    status: 200,
    async arrange(user) {
      const [changed, gone] = [
        await made(user, '/projects', { name: 'a' }),
        await made(user, '/projects', { name: 'b' }),
      ]
      const operations = [
        { op: 'create', data: { name: 'One' } },
        { op: 'update', id: changed.id, data: { archived: true } },
        { op: 'delete', id: gone.id },
      ]
      return { path: '/projects/bulk', body: { operations }, other: { operations: operations.slice(1) } }
    },
  },
  {
    name: 'restore',
    status: 200,
    async arrange(user) {
      const { id } = await made(user, '/tasks', { title: 'Trashed' })
      await user.call('DELETE', `/tasks/${id}`)
      return { path: `/tasks/${id}/restore`, body: undefined, other: { anything: true } }
    },
  },
]

async function made(user: User, path: string, body: Json): Promise<Json> {
  const answer = await user.call('POST', path, body)
  expect(answer.status, answer.text).toBe(201)
  return answer.body
}

function newKey(): Record<string, string> {
  return { 'Idempotency-Key': crypto.randomUUID() }
}

/** Makes every key of a user look as old as this. */
async function ageKeys(user: User, age: string) {
  const aged = await ask(
    user.id,
    `UPDATE idempotency_keys SET created_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?2) WHERE user_id = ?1 RETURNING key`,
    user.id,
    age,
  )
  expect(aged.length).toBeGreaterThan(0)
}

describe.each(cases)('an Idempotency-Key on $name', ({ status, arrange }) => {
  async function arranged() {
    const user = await newUser()
    return { user, ...(await arrange(user)), key: newKey() }
  }

  test('sent again with the same body: the same status and rows, marked as replayed, and nothing is written', async () => {
    const { user, path, body, key } = await arranged()
    const first = await user.call('POST', path, body, key)
    expect([first.status, first.headers.get('Idempotent-Replayed')]).toEqual([status, null])
    const before = await storedBy(user.id)
    for (let again = 0; again < 3; again += 1) {
      const replay = await user.call('POST', path, body, key)
      expect([replay.status, replay.headers.get('Idempotent-Replayed')]).toEqual([status, 'true'])
      expect(replay.body).toEqual(first.body)
      for (const name of ['ETag', 'Location', 'Cache-Control']) {
        expect(replay.headers.get(name), name).toBe(first.headers.get(name))
      }
      expect(replay.headers.get('x-d1-rows-written')).toBe('0')
    }
    expect(await storedBy(user.id)).toEqual(before)
  })

  test('with another body it is a 422, even one that differs in white space, and nothing is written', async () => {
    const { user, path, body, other, key } = await arranged()
    const first = await user.call('POST', path, body, key)
    expect(first.status, first.text).toBe(status)
    const before = await storedBy(user.id)
    const spaced = body === undefined ? ' ' : ` ${JSON.stringify(body)}`
    for (const another of [other, spaced]) {
      const refused = await user.call('POST', path, another, key)
      expectProblem(refused, 422)
      expect(problemOf(refused)).toEqual([422, 'key_reused'])
      expect(refused.headers.get('Idempotent-Replayed')).toBeNull()
    }
    expect(await storedBy(user.id)).toEqual(before)
    expect((await user.call('POST', path, body, key)).headers.get('Idempotent-Replayed')).toBe('true')
  })

  test('the key of one user is nothing to another', async () => {
    const [mine, theirs] = [await arranged(), await arranged()]
    const first = await mine.user.call('POST', mine.path, mine.body, mine.key)
    const other = await theirs.user.call('POST', theirs.path, theirs.other, mine.key)
    expect([other.status, other.headers.get('Idempotent-Replayed')]).toEqual([status, null])
    expect(other.text).not.toContain(mine.user.id)
    const replay = await mine.user.call('POST', mine.path, mine.body, mine.key)
    expect(replay.body).toEqual(first.body)
  })

  test('the same route under another name of the path is the same route', async () => {
    const { user, path, body, key } = await arranged()
    const first = await user.call('POST', path, body, key)
    for (const prefix of [`/api/${user.id}`, '/api/v1/me', `/api/v1/${user.id}`]) {
      const replay = await user.request('POST', `${prefix}${path}`, body, key)
      expect([replay.status, replay.headers.get('Idempotent-Replayed')]).toEqual([status, 'true'])
      expect(replay.body).toEqual(first.body)
    }
  })

  test('a hundred at once do it once and agree', async () => {
    const { user, path, body, key } = await arranged()
    const before = await storedBy(user.id)
    const answers = await Promise.all(Array.from({ length: 100 }, () => user.call('POST', path, body, key)))
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([status]))
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    const first = answers.filter(({ headers }) => headers.get('Idempotent-Replayed') !== 'true')
    expect(first).toHaveLength(1)
    const created = path.endsWith('/restore') ? 0 : 1
    expect(await countOf(user.id)).toBe(Object.values(before).flat().length + created)
  })

  test('the first time costs one round trip and a replay two', async () => {
    const { user, path, body, other, key } = await arranged()
    const app = recordedApp()
    const send = async (sent: unknown) => {
      const answer = await app.fetch('POST', `/api/me${path}`, sent, { ...user.authorization, ...key })
      return [answer.status, app.taken().length]
    }
    expect(await send(body)).toEqual([status, 1])
    expect(await send(body)).toEqual([status, 2])
    expect(await send(other)).toEqual([422, 2])
  })

  test.each([
    ['empty', ''],
    ['of 256 characters', 'k'.repeat(256)],
    ['with a space', 'a b'],
    ['with a tab', 'a\tb'],
    ['outside ASCII', 'cl\u00e9'],
    ['with DEL', 'a\x7f'],
  ])('a key that is %s is a 400 and never reaches the database', async (_, malformed) => {
    const { user, path, body } = await arranged()
    const before = await storedBy(user.id)
    const app = recordedApp()
    const headers = { ...user.authorization, 'Idempotency-Key': malformed }
    const refused = await app.fetch('POST', `/api/me${path}`, body, headers)
    expectProblem(refused, 400)
    expect(problemOf(refused)).toEqual([400, 'malformed_key'])
    expect(app.taken()).toEqual([])
    expect(await storedBy(user.id)).toEqual(before)
  })

  test.each([
    ['one character', '!'],
    ['255 characters', '~'.repeat(255)],
    ['SQL', `';DROP/**/TABLE/**/tasks;--`],
    ['quotes', '"quoted"'],
  ])('a key of %s is as good as any', async (_, value) => {
    const { user, path, body } = await arranged()
    const key = { 'Idempotency-Key': value }
    const first = await user.call('POST', path, body, key)
    const replay = await user.call('POST', path, body, key)
    expect([first.status, replay.status, replay.headers.get('Idempotent-Replayed')]).toEqual([
      status,
      status,
      'true',
    ])
    expect(replay.body).toEqual(first.body)
  })

  test('is remembered for 24 hours, then it is as new', async () => {
    const { user, path, body, other, key } = await arranged()
    await user.call('POST', path, body, key)
    await ageKeys(user, '-1439 minutes')
    const replay = await user.call('POST', path, body, key)
    expect([replay.status, replay.headers.get('Idempotent-Replayed')]).toEqual([status, 'true'])
    await ageKeys(user, '-1440 minutes')
    // Another body, as it is another request now; the bulk's second deletes what is gone already.
    const afresh = await user.call('POST', path, path.endsWith('/bulk') ? renamed : other, key)
    expect([afresh.status, afresh.headers.get('Idempotent-Replayed')]).toEqual([status, null])
    const again = await user.call('POST', path, path.endsWith('/bulk') ? renamed : other, key)
    expect([again.status, again.headers.get('Idempotent-Replayed')]).toEqual([status, 'true'])
    expect(again.body).toEqual(afresh.body)
  })

  const renamed = { operations: [{ op: 'create', data: { name: 'Another' } }] }

  test('the trigger that purges the trash forgets it after 24 hours, and not before', async () => {
    const { user, path, body, key } = await arranged()
    await user.call('POST', path, body, key)
    await ageKeys(user, '-1439 minutes')
    await purgeAll()
    expect(await keysOf(user)).toBe(1)
    await ageKeys(user, '-1440 minutes')
    await purgeAll()
    expect(await keysOf(user)).toBe(0)
  })
})

async function keysOf(user: User) {
  return (await ask(user.id, 'SELECT 1 FROM idempotency_keys WHERE user_id = ?', user.id)).length
}

test('keys of different routes do not meet', async () => {
  const [user, key] = [await newUser(), newKey()]
  const parents = [
    await made(user, '/tasks', { title: 'a' }),
    await made(user, '/tasks', { title: 'b' }),
  ] as const
  const trashed = [
    await made(user, '/projects', { name: 'a' }),
    await made(user, '/projects', { name: 'b' }),
  ] as const
  for (const { id } of trashed) await user.call('DELETE', `/projects/${id}`)
  const before = await countOf(user.id)
  const bulk = { operations: [{ op: 'create', data: { title: 'One' } }] }
  const requests: [path: string, body: unknown][] = [
    ['/tasks', { title: 'One' }],
    ['/projects', { name: 'One' }],
    ['/tasks/bulk', bulk],
    ['/projects/bulk', { operations: [{ op: 'create', data: { name: 'One' } }] }],
    ...parents.map(({ id }): [string, unknown] => [`/tasks/${id}/comments`, { body: 'One' }]),
    ...trashed.map(({ id }): [string, unknown] => [`/projects/${id}/restore`, undefined]),
  ]
  for (const [path, body] of requests) {
    const answer = await user.call('POST', path, body, key)
    expect([path, answer.status < 300, answer.headers.get('Idempotent-Replayed')]).toEqual([path, true, null])
  }
  expect(await countOf(user.id)).toBe(before + 6)
  for (const [path, body] of requests) {
    const replay = await user.call('POST', path, body, key)
    expect([path, replay.headers.get('Idempotent-Replayed')]).toEqual([path, 'true'])
  }
})

test('a request that was refused leaves its key free, whatever the reason', async () => {
  const user = await newUser()
  const taken = await made(user, '/tasks', { title: 'Taken' })
  const gone = await made(user, '/tasks', { title: 'Gone' })
  const trash = await made(user, '/tasks', { title: 'Trash' })
  for (const { id } of [gone, trash]) await user.call('DELETE', `/tasks/${id}`)
  const good = { title: 'Good' }
  const stale = { 'If-Match': '"1"' }
  const bulk = (...operations: Json[]) => ({ operations })
  const refusals: [
    status: number,
    path: string,
    body: unknown,
    fine: unknown,
    headers?: Record<string, string>,
  ][] = [
    [422, '/tasks', { title: '' }, good],
    [422, '/tasks', { title: 'x', project_id: newId() }, good],
    [409, '/tasks', { title: 'x', id: taken.id }, good],
    [400, '/tasks', '{', good],
    [
      409,
      '/tasks/bulk',
      bulk({ op: 'create', data: { ...good, id: taken.id } }),
      bulk({ op: 'create', data: good }),
    ],
    [404, '/tasks/bulk', bulk({ op: 'delete', id: gone.id }), bulk({ op: 'create', data: good })],
    [
      412,
      '/tasks/bulk',
      bulk({ op: 'update', id: taken.id, revision: 1, data: good }),
      bulk({ op: 'update', id: taken.id, data: good }),
    ],
    [422, '/tasks/bulk', bulk(), bulk({ op: 'create', data: good })],
    [412, `/tasks/${trash.id}/restore`, undefined, undefined, stale],
    [412, `/tasks/${taken.id}/restore`, undefined, undefined, stale],
  ]
  for (const [status, path, body, fine, headers = {}] of refusals) {
    const key = newKey()
    const refused = await user.call('POST', path, body, { ...key, ...headers })
    expectProblem(refused, status)
    expect(await keyIsStored(user, key), path).toBe(false)
    const answer = await user.call('POST', path, fine, key)
    expect(answer.status, `${path} ${answer.text}`).toBeLessThan(300)
    expect(answer.headers.get('Idempotent-Replayed')).toBeNull()
  }
})

test('a key of a request that found no row is free once there is one', async () => {
  const user = await newUser()
  const parent = await made(user, '/tasks', { title: 'Parent' })
  await user.call('DELETE', `/tasks/${parent.id}`)
  const [create, restore] = [newKey(), newKey()]
  const id = newId()
  expectProblem(await user.call('POST', `/tasks/${parent.id}/comments`, { body: 'x' }, create), 404)
  expectProblem(await user.call('POST', `/tasks/${id}/restore`, undefined, restore), 404)
  await user.call('POST', `/tasks/${parent.id}/restore`)
  await made(user, '/tasks', { title: 'Now it is there', id })
  await user.call('DELETE', `/tasks/${id}`)
  for (const [path, body, key] of [
    [`/tasks/${parent.id}/comments`, { body: 'Other' }, create],
    [`/tasks/${id}/restore`, undefined, restore],
  ] as const) {
    const answer = await user.call('POST', path, body, key)
    expect([answer.status < 300, answer.headers.get('Idempotent-Replayed')]).toEqual([true, null])
  }
})

async function keyIsStored(user: User, key: Record<string, string>): Promise<boolean> {
  const query = 'SELECT 1 FROM idempotency_keys WHERE user_id = ? AND key = ?'
  return (await ask(user.id, query, user.id, key['Idempotency-Key'])).length > 0
}

describe('a replay', () => {
  test('shows the row as it is now, with its ETag', async () => {
    const [user, key] = [await newUser(), newKey()]
    const first = await user.call('POST', '/tasks', { title: 'One' }, key)
    const changed = await user.call('PATCH', `/tasks/${first.body.id}`, { title: 'Two' })
    const replay = await user.call('POST', '/tasks', { title: 'One' }, key)
    expect([replay.status, replay.body]).toEqual([201, changed.body])
    expect(replay.headers.get('ETag')).toBe(changed.headers.get('ETag'))
    expect(replay.headers.get('Location')).toBe(first.headers.get('Location'))
  })

  test('is a 410 while the row is in the trash or purged, and shows it again once it is restored', async () => {
    const [user, key] = [await newUser(), newKey()]
    const { id } = (await user.call('POST', '/tasks', { title: 'One' }, key)).body
    await user.call('DELETE', `/tasks/${id}`)
    const gone = await user.call('POST', '/tasks', { title: 'One' }, key)
    expectProblem(gone, 410)
    expect([problemOf(gone)[1], gone.headers.get('Idempotent-Replayed')]).toEqual(['row_gone', 'true'])
    expect(gone.headers.get('ETag')).toBeNull()
    const restored = await user.call('POST', `/tasks/${id}/restore`)
    expect((await user.call('POST', '/tasks', { title: 'One' }, key)).body).toEqual(restored.body)
    await ask(user.id, 'DELETE FROM tasks WHERE user_id = ? AND id = ?', user.id, id)
    expectProblem(await user.call('POST', '/tasks', { title: 'One' }, key), 410)
    expect(await countOf(user.id)).toBe(0)
  })

  test('of a restore is a 410 when the row was deleted again, and leaves it in the trash', async () => {
    const [user, key] = [await newUser(), newKey()]
    const { id } = await made(user, '/tasks', { title: 'One' })
    await user.call('DELETE', `/tasks/${id}`)
    expect((await user.call('POST', `/tasks/${id}/restore`, undefined, key)).status).toBe(200)
    await user.call('DELETE', `/tasks/${id}`)
    expectProblem(await user.call('POST', `/tasks/${id}/restore`, undefined, key), 410)
    expectProblem(await user.call('GET', `/tasks/${id}`), 404)
  })

  test('of a child is a 410 while its parent is in the trash', async () => {
    const [user, key] = [await newUser(), newKey()]
    const { id } = await made(user, '/tasks', { title: 'Parent' })
    const first = await user.call('POST', `/tasks/${id}/comments`, { body: 'One' }, key)
    await user.call('DELETE', `/tasks/${id}`)
    expectProblem(await user.call('POST', `/tasks/${id}/comments`, { body: 'One' }, key), 410)
    await user.call('POST', `/tasks/${id}/restore`)
    expect((await user.call('POST', `/tasks/${id}/comments`, { body: 'One' }, key)).body).toEqual(first.body)
  })

  test('of a bulk shows each row as it is now, and no row where it deleted one or one was deleted since', async () => {
    const [user, key] = [await newUser(), newKey()]
    const [kept, gone, back] = await Promise.all(
      ['a', 'b', 'c'].map((title) => made(user, '/tasks', { title })),
    )
    const body = {
      operations: [
        { op: 'create', data: { title: 'New' } },
        { op: 'update', id: kept.id, data: { title: 'A' } },
        { op: 'update', id: gone.id, data: { title: 'B' } },
        { op: 'delete', id: back.id },
      ],
    }
    const first = await user.call('POST', '/tasks/bulk', body, key)
    const created = first.body.results[0].id
    const patched = await user.call('PATCH', `/tasks/${created}`, { priority: 'high' })
    await user.call('DELETE', `/tasks/${gone.id}`)
    await user.call('POST', `/tasks/${back.id}/restore`)
    const replay = await user.call('POST', '/tasks/bulk', body, key)
    expect([replay.status, replay.headers.get('Idempotent-Replayed')]).toEqual([200, 'true'])
    expect(replay.body.results).toEqual([
      { status: 201, id: created, task: patched.body },
      first.body.results[1],
      { status: 200, id: gone.id },
      { status: 204, id: back.id },
    ])
  })

  test('prefers no row when the client does', async () => {
    const [user, key] = [await newUser(), newKey()]
    const first = await user.call('POST', '/tasks', { title: 'One' }, key)
    const replay = await user.call('POST', '/tasks', { title: 'One' }, { ...key, Prefer: 'return=minimal' })
    expect([replay.status, replay.text, replay.headers.get('Idempotent-Replayed')]).toEqual([204, '', 'true'])
    expect(replay.headers.get('Location')).toBe(first.headers.get('Location'))
  })
})

test('a key on a request that is no POST means nothing', async () => {
  const [user, key] = [await newUser(), newKey()]
  const { id } = await made(user, '/tasks', { title: 'One' })
  const titles = ['Two', 'Three']
  for (const title of titles) {
    const answer = await user.call('PATCH', `/tasks/${id}`, { title }, key)
    expect([answer.status, answer.body.title, answer.headers.get('Idempotent-Replayed')]).toEqual([
      200,
      title,
      null,
    ])
  }
})
