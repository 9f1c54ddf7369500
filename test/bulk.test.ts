import { describe, expect, test } from 'vitest'
import { newId, newUser, type Answer, type Json } from './client.ts'
import { expectProblem, type User } from './collection.ts'
import { captureLog } from './deployment.ts'
import { recordedApp } from './recorder.ts'
import { countOf, problemOf, storedBy } from './stored.ts'

const MAX = 100

async function made(user: User, path = '/tasks', body: Json = { title: 'One' }): Promise<Json> {
  const answer = await user.call('POST', path, body)
  expect(answer.status, answer.text).toBe(201)
  return answer.body
}

function bulk(user: User, operations: unknown, path = '/tasks'): Promise<Answer> {
  return user.call('POST', `${path}/bulk`, { operations })
}

/** As many creations as asked for, titled by their place. */
function creations(count: number, mark = 'Task'): Json[] {
  return Array.from({ length: count }, (_, at) => ({ op: 'create', data: { title: `${mark} ${at}` } }))
}

describe('what a bulk does', () => {
  test('creates, updates and deletes in order, and answers each operation with its status, id and row', async () => {
    const user = await newUser()
    const [changed, gone] = [await made(user), await made(user)]
    const [own, ownInData] = [newId(), newId()]
    const { status, headers, body } = await bulk(user, [
      { op: 'create', data: { title: 'New', tags: ['a'] } },
      { op: 'update', id: changed.id, revision: changed.revision, data: { status: 'completed' } },
      { op: 'delete', id: gone.id, revision: gone.revision },
      { op: 'create', id: own, data: { title: 'With an id' } },
      { op: 'create', data: { id: ownInData, title: 'With an id, too' } },
      { op: 'create', id: newId(), data: { title: 'Last' } },
    ])
    expect([status, headers.get('Cache-Control')]).toEqual([200, 'no-store'])
    expect(Object.keys(body)).toEqual(['results'])
    const [created, updated, deleted, third, fourth, last] = body.results
    expect(created).toEqual({
      status: 201,
      id: created.task.id,
      task: expect.objectContaining({ title: 'New' }),
    })
    expect(updated).toEqual({
      status: 200,
      id: changed.id,
      task: expect.objectContaining({ completed: true, title: 'One' }),
    })
    expect(deleted).toEqual({ status: 204, id: gone.id })
    expect([third.id, fourth.id]).toEqual([own, ownInData])
    const rows = body.results.filter(({ task }: Json) => task)
    for (const { id, task } of rows) expect((await user.call('GET', `/tasks/${id}`)).body).toEqual(task)
    const revisions = rows.map(({ task }: Json) => task.revision)
    expect(revisions).toEqual(revisions.toSorted((a: number, b: number) => a - b))
    expect(new Set(revisions).size).toBe(5)
    expect((await user.call('GET', `/tasks/${gone.id}`)).status).toBe(404)
    expect(last.task.title).toBe('Last')
  })

  test('names the row as its resource does', async () => {
    const user = await newUser()
    const project = await bulk(user, [{ op: 'create', data: { name: 'One' } }], '/projects')
    expect(Object.keys(project.body.results[0])).toEqual(['status', 'id', 'project'])
    const { id } = await made(user)
    const comment = await bulk(user, [{ op: 'create', data: { body: 'One' } }], `/tasks/${id}/comments`)
    expect(Object.keys(comment.body.results[0])).toEqual(['status', 'id', 'comment'])
    expect(comment.body.results[0].comment.task_id).toBe(id)
  })

  test('may write the same row several times, each operation on what the one before left', async () => {
    const user = await newUser()
    const id = newId()
    const { status, body, text } = await bulk(user, [
      { op: 'create', id, data: { title: 'One' } },
      { op: 'update', id, data: { title: 'Two' } },
      { op: 'update', id, data: { completed: true } },
      { op: 'update', id, data: { completed: false, priority: 'high' } },
      { op: 'delete', id },
    ])
    expect(status, text).toBe(200)
    const steps = body.results.map(({ task }: Json) => task && [task.title, task.status, task.priority])
    expect(steps).toEqual([
      ['One', 'pending', 'medium'],
      ['Two', 'pending', 'medium'],
      ['Two', 'completed', 'medium'],
      ['Two', 'pending', 'high'],
      undefined,
    ])
    expect((await user.call('GET', '/tasks?trashed=true')).body.tasks).toHaveLength(1)
    const after = await bulk(user, [
      { op: 'create', data: { title: 'Fine' } },
      { op: 'update', id, data: { title: 'In the trash' } },
    ])
    expect([...problemOf(after), after.body.index]).toEqual([404, 'row_not_found', 1])
  })

  test('a hundred operations are done, in one round trip, with at most 100 values a statement', async () => {
    const [user, app] = [await newUser(), recordedApp()]
    const { id: project_id } = await made(user, '/projects', { name: 'One' })
    const data = {
      title: 't',
      description: 'd',
      status: 'completed',
      completed: true,
      priority: 'high',
      due_date: '2026-11-20',
      tags: Array.from({ length: 20 }, (_, at) => `tag ${at}`),
      project_id,
    }
    const send = (operations: Json[]) =>
      app.fetch('POST', '/api/me/tasks/bulk', { operations }, user.authorization)
    const created = await send(Array.from({ length: MAX }, () => ({ op: 'create', data })))
    expect(created.status, created.text).toBe(200)
    const tasks: Json[] = created.body.results.map(({ task }: Json) => task)
    const updated = await send(
      tasks.map(({ id, revision }) => ({ op: 'update', id, revision, data: { ...data, title: 'u' } })),
    )
    expect(updated.status, updated.text).toBe(200)
    const now: Json[] = updated.body.results.map(({ task }: Json) => task)
    expect(now.map(({ title }) => title)).toEqual(Array<string>(MAX).fill('u'))
    const deleted = await send(now.map(({ id, revision }) => ({ op: 'delete', id, revision })))
    expect(deleted.body.results).toEqual(now.map(({ id }) => ({ status: 204, id })))
    const trips = app.taken()
    expect(trips).toHaveLength(3)
    expect(Math.max(...trips.flat().map(({ parameters }) => parameters.length))).toBeLessThanOrEqual(100)
    expect((await user.call('GET', '/tasks?trashed=true&total=true&limit=1')).body.total).toBe(MAX)
  })

  test('under a child collection it needs the parent to be alive', async () => {
    const [user, other] = [await newUser(), await newUser()]
    const [{ id }, theirs] = [await made(user), await made(other)]
    const operations = [{ op: 'create', data: { body: 'One' } }]
    const [first] = (await bulk(user, operations, `/tasks/${id}/comments`)).body.results
    await user.call('DELETE', `/tasks/${id}`)
    const before = await storedBy(user.id)
    for (const parent of [id, theirs.id, newId()]) {
      for (const sent of [operations, [{ op: 'delete', id: first.id }]]) {
        const refused = await bulk(user, sent, `/tasks/${parent}/comments`)
        expectProblem(refused, 404)
        expect(problemOf(refused)[1]).toBe('row_not_found')
      }
    }
    expect(await storedBy(user.id)).toEqual(before)
  })

  test('a comment of another task is not there', async () => {
    const user = await newUser()
    const [one, two] = [await made(user), await made(user)]
    const comment = await made(user, `/tasks/${one.id}/comments`, { body: 'One' })
    const refused = await bulk(user, [{ op: 'delete', id: comment.id }], `/tasks/${two.id}/comments`)
    expect([...problemOf(refused), refused.body.index]).toEqual([404, 'row_not_found', 0])
  })
})

describe('an operation that fails', () => {
  interface Failing {
    user: User
    live: Json
    trashed: Json
    foreign: Json
    foreignProject: Json
    trashedProject: Json
  }

  async function arranged(): Promise<Failing> {
    const [user, other] = [await newUser(), await newUser()]
    const [live, trashed] = [await made(user), await made(user)]
    await user.call('DELETE', `/tasks/${trashed.id}`)
    const trashedProject = await made(user, '/projects', { name: 'Trashed' })
    await user.call('DELETE', `/projects/${trashedProject.id}`)
    const [foreign, foreignProject] = [await made(other), await made(other, '/projects', { name: 'Theirs' })]
    return { user, live, trashed, foreign, foreignProject, trashedProject }
  }

  const data = { title: 'Two' }
  const kinds: [
    name: string,
    status: number,
    problem: string,
    operation: (given: Failing) => Json,
    path?: string,
  ][] = [
    ['an invalid create', 422, 'invalid_body', () => ({ op: 'create', data: { title: '' } }), 'data.title'],
    [
      'an unknown field',
      422,
      'invalid_body',
      () => ({ op: 'create', data: { ...data, nope: 1 } }),
      'data.nope',
    ],
    ['a create without data', 422, 'invalid_body', () => ({ op: 'create' }), 'data'],
    [
      'a contradiction',
      422,
      'invalid_body',
      ({ live }) => ({ op: 'update', id: live.id, data: { status: 'pending', completed: true } }),
      'data.completed',
    ],
    ['an update without id', 422, 'invalid_body', () => ({ op: 'update', data }), 'id'],
    ['a delete with data', 422, 'invalid_body', ({ live }) => ({ op: 'delete', id: live.id, data }), 'data'],
    [
      'a create with a revision',
      422,
      'invalid_body',
      () => ({ op: 'create', revision: 1, data }),
      'revision',
    ],
    ['an unknown op', 422, 'invalid_body', ({ live }) => ({ op: 'restore', id: live.id }), 'op'],
    ['no operation at all', 422, 'invalid_body', () => null, ''],
    ['an id that is none', 422, 'invalid_body', () => ({ op: 'delete', id: 'nonsense' }), 'id'],
    [
      'a revision that is none',
      422,
      'invalid_body',
      ({ live }) => ({ op: 'delete', id: live.id, revision: '1' }),
      'revision',
    ],
    [
      'an id that differs, in an update',
      422,
      'invalid_body',
      ({ live }) => ({ op: 'update', id: live.id, data: { ...data, id: newId() } }),
      'data.id',
    ],
    [
      'an id that differs, in a create',
      422,
      'invalid_body',
      () => ({ op: 'create', id: newId(), data: { ...data, id: newId() } }),
      'data.id',
    ],
    ['an empty update', 400, 'empty_patch', ({ live }) => ({ op: 'update', id: live.id, data: {} })],
    [
      'an update of what is read-only',
      400,
      'empty_patch',
      ({ live }) => ({ op: 'update', id: live.id, data: { revision: 1 } }),
    ],
    ['an update of no row', 404, 'row_not_found', () => ({ op: 'update', id: newId(), data })],
    [
      'an update of a trashed row',
      404,
      'row_not_found',
      ({ trashed }) => ({ op: 'update', id: trashed.id, data }),
    ],
    [
      'an update of somebody else’s row',
      404,
      'row_not_found',
      ({ foreign }) => ({ op: 'update', id: foreign.id, data }),
    ],
    ['a delete of no row', 404, 'row_not_found', () => ({ op: 'delete', id: newId() })],
    ['a delete of a trashed row', 404, 'row_not_found', ({ trashed }) => ({ op: 'delete', id: trashed.id })],
    [
      'a stale update',
      412,
      'stale_revision',
      ({ live }) => ({ op: 'update', id: live.id, revision: live.revision - 1, data }),
    ],
    ['a stale delete', 412, 'stale_revision', ({ live }) => ({ op: 'delete', id: live.id, revision: 1 })],
    [
      'a stale update of no row',
      404,
      'row_not_found',
      () => ({ op: 'update', id: newId(), revision: 1, data }),
    ],
    ['an id that is taken', 409, 'id_taken', ({ live }) => ({ op: 'create', id: live.id, data })],
    [
      'an id that a trashed row has',
      409,
      'id_taken',
      ({ trashed }) => ({ op: 'create', data: { ...data, id: trashed.id } }),
    ],
    [
      'a reference to no row',
      422,
      'invalid_body',
      () => ({ op: 'create', data: { ...data, project_id: newId() } }),
      'data.project_id',
    ],
    [
      'a reference to the trash',
      422,
      'invalid_body',
      ({ live, trashedProject: { id } }) => ({ op: 'update', id: live.id, data: { project_id: id } }),
      'data.project_id',
    ],
    [
      'a reference to somebody else’s row',
      422,
      'invalid_body',
      ({ foreignProject: { id } }) => ({ op: 'create', data: { ...data, project_id: id } }),
      'data.project_id',
    ],
  ]

  test.each(kinds)(
    '%s decides the status (%i %s), names its index, and nothing of the bulk is stored',
    async (_, status, problem, operation, path) => {
      const given = await arranged()
      const { user, live } = given
      const before = await storedBy(user.id)
      for (const [at, count] of [
        [57, MAX],
        [0, 3],
        [2, 3],
      ] as const) {
        const operations = creations(count)
        operations[0] = { op: 'update', id: live.id, data: { priority: 'high' } }
        operations[at] = operation(given)
        const refused = await bulk(user, operations)
        expectProblem(refused, status)
        expect([problemOf(refused)[1], refused.body.index], refused.text).toEqual([problem, at])
        if (path !== undefined) {
          const paths = refused.body.errors.map((error: Json) => error.path)
          expect(paths).toContain(`operations[${at}]${path && '.'}${path}`)
        }
        expect(refused.headers.get('x-d1-rows-written')).toBe('0')
      }
      expect(await storedBy(user.id)).toEqual(before)
    },
  )

  test('of several that fail it is the first in the order of the checks: validity, then the database', async () => {
    const { user, live, trashed } = await arranged()
    const missing = { op: 'delete', id: trashed.id }
    const taken = { op: 'create', id: live.id, data }
    const invalid = { op: 'create', data: {} }
    expect((await bulk(user, [...creations(2), missing, taken])).body).toMatchObject({
      status: 404,
      index: 2,
    })
    expect((await bulk(user, [...creations(1), taken, missing])).body).toMatchObject({
      status: 409,
      index: 1,
    })
    expect((await bulk(user, [missing, taken, invalid])).body).toMatchObject({ status: 422, index: 2 })
  })

  test('two creations with one id in a bulk are the second one’s fault', async () => {
    const user = await newUser()
    const id = newId()
    const refused = await bulk(user, [
      ...creations(1),
      { op: 'create', id, data },
      { op: 'create', id, data },
    ])
    expect([...problemOf(refused), refused.body.index]).toEqual([409, 'id_taken', 2])
    expect(await countOf(user.id)).toBe(0)
  })

  test('a refused bulk leaves the next one as good as ever', async () => {
    const { user, live } = await arranged()
    expectProblem(await bulk(user, [...creations(57), { op: 'delete', id: newId() }, ...creations(42)]), 404)
    const { status, body } = await bulk(user, [...creations(99), { op: 'delete', id: live.id }])
    expect([status, body.results.length]).toEqual([200, MAX])
  })
})

test('the log names its route, and not that of a row', async () => {
  const user = await newUser()
  const { requests } = captureLog()
  await bulk(user, creations(1))
  await bulk(user, [{ op: 'delete', id: newId() }])
  expect(requests().map(({ route, status }) => [route, status])).toEqual([
    ['/api/:user_id/tasks/bulk', 200],
    ['/api/:user_id/tasks/bulk', 404],
  ])
})

describe('the body of a bulk', () => {
  test.each([
    ['no operations', { operations: [] }],
    ['101 operations', { operations: creations(MAX + 1) }],
    ['a list', creations(1)],
    ['an unknown member', { operations: creations(1), atomic: false }],
    ['nothing in it', {}],
    ['null operations', { operations: null }],
    ['an object of operations', { operations: { 0: creations(1)[0] } }],
  ])('with %s is a 422 that costs no round trip', async (_, body) => {
    const [user, app] = [await newUser(), recordedApp()]
    expectProblem(await app.fetch('POST', '/api/me/tasks/bulk', body, user.authorization), 422)
    expect(app.taken()).toEqual([])
    expect(await countOf(user.id)).toBe(0)
  })

  test('is JSON of at most 64 KiB, and POST is the only method', async () => {
    const user = await newUser()
    expectProblem(await user.call('POST', '/tasks/bulk', '{"operations":['), 400)
    const plain = { 'Content-Type': 'text/plain' }
    expectProblem(await user.call('POST', '/tasks/bulk', '{"operations":[]}', plain), 415)
    const large = Array.from({ length: 80 }, () => ({
      op: 'create',
      data: { title: 'x', description: 'd'.repeat(1000) },
    }))
    expectProblem(await bulk(user, large), 413)
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      const refused = await user.call(method, '/tasks/bulk', method === 'GET' ? undefined : {})
      expectProblem(refused, 405)
      expect(refused.headers.get('Allow')).toBe('POST')
    }
  })
})

describe('many bulks at once', () => {
  test('never interleave: the revisions of each lie together', async () => {
    const users = [await newUser(), await newUser()]
    const [BULKS, SIZE] = [25, 8]
    const answers = await Promise.all(
      users.flatMap((user) =>
        Array.from({ length: BULKS }, (_, number) => bulk(user, creations(SIZE, `Bulk ${number} task`))),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array<number>(2 * BULKS).fill(200))
    for (const user of users) {
      const tasks = (await storedBy(user.id)).tasks ?? []
      expect(tasks).toHaveLength(BULKS * SIZE)
      const inOrder = tasks.map(({ title }) => title)
      for (let at = 0; at < inOrder.length; at += SIZE) {
        const [, number] = /^Bulk (\d+) /.exec(inOrder[at]) ?? []
        expect(inOrder.slice(at, at + SIZE)).toEqual(
          creations(SIZE, `Bulk ${number} task`).map((operation) => operation.data.title),
        )
      }
    }
  })

  test('that write the same rows leave them as one of them wrote them all', async () => {
    const user = await newUser()
    const rows = (await bulk(user, creations(10))).body.results.map(({ id }: Json) => id)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, number) => {
        const order = number % 2 ? rows : rows.toReversed()
        return bulk(
          user,
          order.map((id: string) => ({ op: 'update', id, data: { title: `By ${number}` } })),
        )
      }),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    const tasks = (await storedBy(user.id)).tasks ?? []
    expect(tasks).toHaveLength(10)
    expect(new Set(tasks.map(({ title }) => title)).size).toBe(1)
  })

  test('that start from the same revisions let exactly one through', async () => {
    const user = await newUser()
    const rows: Json[] = (await bulk(user, creations(5))).body.results.map(({ task }: Json) => task)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, number) =>
        bulk(
          user,
          rows.map(({ id, revision }) => ({ op: 'update', id, revision, data: { title: `By ${number}` } })),
        ),
      ),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    const others = answers.filter(({ status }) => status !== 200)
    expect(new Set(others.map((answer) => [...problemOf(answer), answer.body.index].join()))).toEqual(
      new Set(['412,stale_revision,0']),
    )
    const winner = answers.findIndex(({ status }) => status === 200)
    const titles = (await storedBy(user.id)).tasks?.map(({ title }) => title)
    expect(titles).toEqual(Array<string>(5).fill(`By ${winner}`))
  })
})
