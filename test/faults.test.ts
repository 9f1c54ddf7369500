import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { leastBodyOf, type Body } from './arbitraries.ts'
import { newId, newUser, type Answer } from './client.ts'
import { collectionOf, expectProblem, resources, routesOf, type User } from './collection.ts'
import { captureLog, deploy } from './deployment.ts'
import { faultyDatabase, type Fault } from './faulty.ts'
import { problemOf, storedBy } from './stored.ts'

/** A request that is fine, on rows made for it. */
interface Request {
  user: User
  method: string
  path: string
  body: unknown
  headers: Record<string, string>
  status: number
}

/** A way to ask for something: every route, writes also with what makes them safe to do twice. */
interface Way {
  name: string
  /** Whether the engine may try its batch again: reads, writes under a key and compare-and-set. */
  repeatable: boolean
  writes: boolean
  arrange: () => Promise<Request>
}

const ways: Way[] = [
  ...resources.flatMap((resource) =>
    routesOf(resource).flatMap(({ method, path }) => {
      const arrange = async (headers: (etag: string) => Record<string, string>): Promise<Request> => {
        const rows = await collectionOf(resource)
        const [first = {}, second = {}] = fc.sample(leastBodyOf(resource, rows), { numRuns: 2, seed: 3 })
        const { id, revision } = await rows.create(first)
        let etag = `"${revision}"`
        if (path.endsWith('/restore')) {
          await rows.call('DELETE', `/${id}`)
          const [trashed] = await rows.all('&trashed=true')
          etag = `"${trashed.revision}"`
        }
        return {
          user: rows.user,
          method,
          path: rows.path + (path === '/' ? '' : path.replace(':id', id)),
          body: bodyFor(method, path, second, id),
          headers: headers(etag),
          status: method === 'DELETE' ? 204 : method === 'POST' && path === '/' ? 201 : 200,
        }
      }
      const name = `${method} ${resource.path}${path === '/' ? '' : path}`
      if (method === 'GET')
        return [{ name, repeatable: true, writes: false, arrange: () => arrange(() => ({})) }]
      const plain = { name, repeatable: false, writes: true, arrange: () => arrange(() => ({})) }
      const safe =
        method === 'POST'
          ? { name: `${name} with a key`, arrange: () => arrange(() => ({ 'Idempotency-Key': newId() })) }
          : { name: `${name} with If-Match`, arrange: () => arrange((etag) => ({ 'If-Match': etag })) }
      return [plain, { ...safe, repeatable: true, writes: true }]
    }),
  ),
  {
    name: 'GET /changes',
    repeatable: true,
    writes: false,
    arrange: async () => {
      const user = await newUser()
      await user.call('POST', '/tasks', { title: 'One' })
      return { user, method: 'GET', path: '/changes', body: undefined, headers: {}, status: 200 }
    },
  },
]

function bodyFor(method: string, path: string, body: Body, id: string): unknown {
  if (path === '/bulk') {
    const operations = [
      { op: 'create', data: body },
      { op: 'update', id, data: body },
    ]
    return { operations: [...operations, { op: 'create', data: body }, { op: 'delete', id }] }
  }
  const takesBody = /^(POST \/|(PUT|PATCH) \/:id)$/.test(`${method} ${path}`)
  return takesBody ? body : undefined
}

/** Sends the request to the Worker over a D1 with these faults; the number of batches that it tried is `attempts`. */
async function sendOver(request: Request, faultOf: (attempt: number) => Fault | undefined, message?: string) {
  const { seen, DB } = faultyDatabase(faultOf, message)
  const { user, method, path, body, headers } = request
  const answer = await deploy({ DB })(method, `/api/me${path}`, {
    body,
    headers: { ...user.authorization, ...headers },
  })
  return { answer, attempts: seen.attempts }
}

async function sendSoundly(request: Request): Promise<Answer> {
  const { user, method, path, body, headers } = request
  return user.call(method, path, body, headers)
}

const only =
  (fault: Fault, at = 0) =>
  (attempt: number) =>
    attempt === at ? fault : undefined
const always = (fault: Fault) => () => fault

function expectUnavailable(answer: Answer): void {
  expectProblem(answer, 503)
  expect([problemOf(answer)[1], answer.headers.get('Retry-After')]).toEqual(['database_unavailable', '1'])
}

/** What a write leaves, by table, but for what differs from one time to the next. */
async function shapeOf(user: User) {
  const rows = await storedBy(user.id)
  return Object.fromEntries(
    Object.entries(rows).map(([name, all]) => [
      name,
      all.map(({ id, revision, created_at, updated_at, user_id, deleted_at, completed_at, ...fields }) => {
        const times = [id, revision, created_at, updated_at, user_id].every(Boolean)
        const references = Object.keys(fields).filter((field) => field.endsWith('_id'))
        for (const field of references) fields[field] = Boolean(fields[field])
        return { ...fields, times, deleted: Boolean(deleted_at), completed: Boolean(completed_at) }
      }),
    ]),
  )
}

test('every route is here: those of every resource, and changes', () => {
  expect(ways.length).toBeGreaterThan(resources.length * 14)
  expect(ways.filter(({ writes }) => !writes)).toHaveLength(resources.length * 2 + 1)
})

describe.concurrent.each(ways)('$name', ({ repeatable, writes, arrange }) => {
  /** What the request leaves when nothing goes wrong, on rows of its own. */
  async function done() {
    const request = await arrange()
    const { answer, attempts } = await sendOver(request, () => undefined)
    expect([answer.status, attempts], answer.text).toEqual([request.status, 1])
    return shapeOf(request.user)
  }

  test('a D1 that stays away is a 503 that says when to come back, and nothing is stored', async () => {
    const request = await arrange()
    const before = await storedBy(request.user.id)
    const { answer, attempts } = await sendOver(request, always('error before'))
    expectUnavailable(answer)
    expect(attempts).toBe(repeatable ? 4 : 1)
    expect(await storedBy(request.user.id)).toEqual(before)
    // The same request is fine as soon as D1 is.
    const next = await sendSoundly(request)
    expect([next.status, next.headers.get('Idempotent-Replayed')], next.text).toEqual([request.status, null])
    expect(await shapeOf(request.user)).toEqual(await done())
  })

  test('one passing error before it ran costs a retry where that is safe, and is a 503 where not', async () => {
    const request = await arrange()
    const before = await storedBy(request.user.id)
    const { answer, attempts } = await sendOver(request, only('error before'))
    if (repeatable) {
      expect([answer.status, attempts], answer.text).toEqual([request.status, 2])
      expect(answer.headers.get('Idempotent-Replayed')).toBeNull()
      expect(await shapeOf(request.user)).toEqual(await done())
    } else {
      expectUnavailable(answer)
      expect(attempts).toBe(1)
      expect(await storedBy(request.user.id)).toEqual(before)
    }
  })

  test('an error after the commit leaves the write done once', async () => {
    const request = await arrange()
    const { answer, attempts } = await sendOver(request, only('error after commit'))
    expect(await shapeOf(request.user)).toEqual(await done())
    if (!writes) {
      expect([answer.status, attempts]).toEqual([200, 2])
    } else if (!repeatable) {
      expectUnavailable(answer)
      expect(attempts).toBe(1)
    } else if (request.headers['Idempotency-Key']) {
      // The second attempt found the key used, and the third looked up its outcome.
      expect([answer.status, attempts], answer.text).toEqual([request.status, 3])
      expect(answer.headers.get('Idempotent-Replayed')).toBe('true')
    } else {
      // Compare-and-set cannot tell its own first attempt from another write; either way it was not done twice.
      expectProblem(answer, request.method === 'DELETE' ? 404 : 412)
      expect(attempts).toBe(2)
    }
  })

  test('a slow answer is an answer', async () => {
    const request = await arrange()
    const { answer, attempts } = await sendOver(request, always('delay'))
    expect([answer.status, attempts], answer.text).toEqual([request.status, 1])
    expect(await shapeOf(request.user)).toEqual(await done())
  })

  test('an overloaded D1 is a 503', async () => {
    const request = await arrange()
    const before = await storedBy(request.user.id)
    const overloaded = 'D1_ERROR: D1 DB is overloaded. Requests queued for too long.'
    const { answer } = await sendOver(request, always('error before'), overloaded)
    expectUnavailable(answer)
    expect(await storedBy(request.user.id)).toEqual(before)
  })
})

describe('a D1 that never answers', () => {
  test('is a 504 after 5 seconds on every route, and the next request is fine', async () => {
    await Promise.all(
      ways.map(async ({ name, writes, arrange }) => {
        const request = await arrange()
        const before = await storedBy(request.user.id)
        const { answer, attempts } = await sendOver(request, always('hang'))
        expectProblem(answer, 504)
        expect([name, problemOf(answer)[1], answer.headers.get('Retry-After'), attempts]).toEqual([
          name,
          'database_timeout',
          '1',
          1,
        ])
        expect(await storedBy(request.user.id)).toEqual(before)
        const next = await sendSoundly(request)
        expect([name, next.status]).toEqual([name, request.status])
        if (writes) expect(await storedBy(request.user.id)).not.toEqual(before)
      }),
    )
  })

  test('after it wrote: the client’s retry with the same key finds what was done', async () => {
    const keyed = ways.filter(({ name }) => name.endsWith('with a key'))
    expect(keyed).toHaveLength(resources.length * 3)
    await Promise.all(
      keyed.map(async ({ name, arrange }) => {
        const request = await arrange()
        const { answer } = await sendOver(request, always('hang after commit'))
        expectProblem(answer, 504)
        const after = await storedBy(request.user.id)
        const retried = await sendSoundly(request)
        expect([name, retried.status, retried.headers.get('Idempotent-Replayed')]).toEqual([
          name,
          request.status,
          'true',
        ])
        expect(await storedBy(request.user.id)).toEqual(after)
      }),
    )
  })
})

describe.concurrent.each(ways.filter(({ name }) => name.endsWith('with a key')))('$name', ({ arrange }) => {
  test.each(['error before', 'error after commit'] as const)(
    'a replay whose batches meet an %s, each of them once, is a replay',
    async (fault) => {
      const request = await arrange()
      await sendSoundly(request)
      const replay = await sendSoundly(request)
      const after = await storedBy(request.user.id)
      for (const at of [0, 1]) {
        const { answer, attempts } = await sendOver(request, only(fault, at))
        expect([answer.status, attempts], answer.text).toEqual([
          request.status,
          fault === 'error before' || at ? 3 : 2,
        ])
        expect([answer.headers.get('Idempotent-Replayed'), answer.body]).toEqual(['true', replay.body])
      }
      expect(await storedBy(request.user.id)).toEqual(after)
    },
  )

  test('when every answer is lost the client’s retry with the same key finds what was done', async () => {
    const request = await arrange()
    const { answer } = await sendOver(request, always('error after commit'))
    expectUnavailable(answer)
    const after = await storedBy(request.user.id)
    const retried = await sendSoundly(request)
    expect([retried.status, retried.headers.get('Idempotent-Replayed')]).toEqual([request.status, 'true'])
    expect(await storedBy(request.user.id)).toEqual(after)
  })
})

test('an id of the client’s own converges, too: its retry after a lost answer is a 409, and there is one row', async () => {
  const user = await newUser()
  const body = { id: newId(), title: 'One' }
  const request: Request = { user, method: 'POST', path: '/tasks', body, headers: {}, status: 201 }
  const { answer } = await sendOver(request, only('error after commit'))
  expectUnavailable(answer)
  const retried = await sendSoundly(request)
  expectProblem(retried, 409)
  expect(problemOf(retried)[1]).toBe('id_taken')
  expect((await storedBy(user.id)).tasks).toMatchObject([body])
})

describe('an error of D1 that does not pass', () => {
  const secret = 'secret-parameter'
  test.each([
    `D1_ERROR: near "SELEKT": syntax error at offset 7: SQLITE_ERROR`,
    `D1_ERROR: UNIQUE constraint failed: tasks.user_id, tasks.revision: SQLITE_CONSTRAINT`,
    `D1_ERROR: FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (${secret})`,
    `D1_ERROR: string or blob too big: SQLITE_TOOBIG`,
    `Failed query: INSERT INTO tasks VALUES (?) params: ${secret}`,
    `D1_ERROR: assertion: toString: SQLITE_CONSTRAINT`,
    '',
  ])(
    'is one fixed sentence in a 500 on every route, tried once, and its message stays inside: %s',
    async (message) => {
      const { lines, parsed } = captureLog()
      await Promise.all(
        ways.map(async ({ name, arrange }) => {
          const request = await arrange()
          const before = await storedBy(request.user.id)
          const { answer, attempts } = await sendOver(request, always('error before'), message)
          expectProblem(answer, 500)
          expect([name, problemOf(answer)[1], attempts]).toEqual([name, 'internal_error', 1])
          expect(answer.body.detail).toBe('The fault is ours. Quote the request id when you report it.')
          expect(answer.text).not.toMatch(/SQL|D1_|SELEKT|INSERT|constraint|secret/i)
          expect(await storedBy(request.user.id)).toEqual(before)
          expect((await sendSoundly(request)).status).toBe(request.status)
        }),
      )
      expect(parsed().filter(({ event }) => event === 'internal_error')).toHaveLength(ways.length)
      expect(lines.join('\n')).not.toMatch(
        /D1_ERROR|SELEKT|INSERT INTO|constraint failed|SQLITE_|secret-parameter/,
      )
    },
  )

  test('is a 504 when it says that it took too long, and a 503 when the schema is missing', async () => {
    for (const [message, status, type] of [
      ['D1_ERROR: query timed out', 504, 'database_timeout'],
      ['D1_ERROR: no such table: tasks: SQLITE_ERROR', 503, 'misconfigured'],
    ] as const) {
      const [way] = ways
      const request = await way?.arrange()
      if (!request) throw new Error('no way')
      const { answer } = await sendOver(request, always('error before'), message)
      expectProblem(answer, status)
      expect([message, ...problemOf(answer)]).toEqual([message, status, type])
    }
  })
})
