import { describe, expect, test } from 'vitest'
import { call, newId, newUser, type Answer, type Json } from './client.ts'

type User = Awaited<ReturnType<typeof newUser>>

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const UUID_V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

async function created(user: User, fields: Json = {}): Promise<Json> {
  const { status, body } = await user.call('POST', '/tasks', { title: 'Water the plants', ...fields })
  expect(status).toBe(201)
  return body
}

async function stored(user: User, id: string): Promise<Json> {
  return (await user.call('GET', `/tasks/${id}`)).body
}

const problem = ({ status, body }: Answer) => [status, body?.type?.split('#')[1]]
const paths = ({ body }: Answer) => body.errors.map(({ path }: Json) => path)

describe('the routes of a collection', () => {
  test('a created task is answered whole, with its defaults, Location and ETag', async () => {
    const user = await newUser()
    const { status, headers, body } = await user.call('POST', '/tasks', { title: 'Water the plants' })
    expect(status).toBe(201)
    expect(headers.get('Location')).toBe(`/api/me/tasks/${body.id}`)
    expect(headers.get('ETag')).toBe(`"${body.revision}"`)
    expect(body).toEqual({
      id: expect.stringMatching(UUID_V7),
      user_id: user.id,
      title: 'Water the plants',
      description: null,
      status: 'pending',
      completed: false,
      completed_at: null,
      priority: 'medium',
      project_id: null,
      due_date: null,
      tags: [],
      revision: expect.any(Number),
      created_at: expect.stringMatching(INSTANT),
      updated_at: body.created_at,
      created_by: user.id,
      updated_by: user.id,
    })
    const read = await call('GET', headers.get('Location') ?? '', { headers: user.authorization })
    expect([read.status, read.body, read.headers.get('ETag')]).toEqual([200, body, headers.get('ETag')])
  })

  test.each(['/api/me', '/api/v1/me', '/api/OWN', '/api/v1/OWN'])(
    'a task lives its life under %s',
    async (prefix) => {
      const user = await newUser()
      const base = `${prefix.replace('OWN', user.id)}/tasks`
      const post = await user.request('POST', base, { title: 'One', tags: ['a'] })
      expect([post.status, post.headers.get('Location')]).toEqual([201, `${base}/${post.body.id}`])
      const path = `${base}/${post.body.id}`
      const list = await user.request('GET', base)
      expect([list.status, list.body]).toEqual([200, { tasks: [post.body], count: 1, next_cursor: null }])
      const put = await user.request('PUT', path, { title: 'Two' })
      expect([put.status, put.body.title, put.body.tags]).toEqual([200, 'Two', []])
      const patch = await user.request('PATCH', path, { priority: 'high' })
      expect([patch.status, patch.body.title, patch.body.priority]).toEqual([200, 'Two', 'high'])
      const complete = await user.request('PATCH', `${path}/complete`)
      expect([complete.status, complete.body.completed]).toEqual([200, true])
      expect((await user.request('GET', path)).body).toEqual(complete.body)
      const remove = await user.request('DELETE', path)
      expect([remove.status, remove.text]).toEqual([204, ''])
      expect(problem(await user.request('GET', path))).toEqual([404, 'row_not_found'])
      expect((await user.request('GET', base)).body.tasks).toEqual([])
    },
  )

  test('a user id of every allowed character is one path segment, plain or percent-encoded', async () => {
    const user = await newUser(`Aa0._~:@|-${crypto.randomUUID()}`)
    const task = await created(user)
    expect(task.user_id).toBe(user.id)
    for (const name of [user.id, encodeURIComponent(user.id)]) {
      expect((await user.request('GET', `/api/${name}/tasks/${task.id}`)).body).toEqual(task)
    }
  })

  test('every write gives the row a greater revision and says so in its ETag', async () => {
    const user = await newUser()
    const task = await created(user)
    let { revision } = task
    for (const [method, path, body] of [
      ['PATCH', '', { title: 'Two' }],
      ['PUT', '', { title: 'Three' }],
      ['PATCH', '/complete', undefined],
      ['PATCH', '', { title: 'Three' }],
    ] as const) {
      const answer = await user.call(method, `/tasks/${task.id}${path}`, body)
      expect(answer.body.revision).toBeGreaterThan(revision)
      expect(answer.headers.get('ETag')).toBe(`"${answer.body.revision}"`)
      expect(answer.body.updated_at >= task.updated_at).toBe(true)
      expect(answer.body.created_at).toBe(task.created_at)
      revision = answer.body.revision
    }
    expect((await created(user)).revision).toBeGreaterThan(revision)
  })

  test('a row that is missing, trashed, somebody else’s or impossible is the same 404 to every method', async () => {
    const [user, other] = [await newUser(), await newUser()]
    const trashed = await created(user)
    await user.call('DELETE', `/tasks/${trashed.id}`)
    const theirs = await created(other)
    const own = await created(user)
    const ids = [
      newId(),
      trashed.id,
      theirs.id,
      own.id.toUpperCase(),
      'nonsense',
      '1',
      '%00',
      '..%2f',
      crypto.randomUUID(),
    ]
    for (const id of ids) {
      for (const [method, path, body] of [
        ['GET', '', undefined],
        ['PUT', '', { title: 'Mine now' }],
        ['PATCH', '', { title: 'Mine now' }],
        ['PATCH', '/complete', undefined],
        ['DELETE', '', undefined],
      ] as const) {
        const answer = await user.call(method, `/tasks/${id}${path}`, body)
        expect([method, id, ...problem(answer)]).toEqual([method, id, 404, 'row_not_found'])
        expect(answer.headers.get('ETag')).toBeNull()
        expect(answer.headers.get('x-d1-rows-written')).toBe('0')
      }
    }
    expect(await stored(other, theirs.id)).toEqual(theirs)
  })
})

describe('ids', () => {
  test('a client may choose the id, once: taken by a live or a trashed row of its own it is a 409', async () => {
    const [user, other] = [await newUser(), await newUser()]
    const id = newId()
    expect((await created(user, { id })).id).toBe(id)
    const twice = await user.call('POST', '/tasks', { id, title: 'Again' })
    expect(problem(twice)).toEqual([409, 'id_taken'])
    expect((await stored(user, id)).title).toBe('Water the plants')
    await user.call('DELETE', `/tasks/${id}`)
    expect(problem(await user.call('POST', '/tasks', { id, title: 'Again' }))).toEqual([409, 'id_taken'])
    expect((await created(other, { id })).user_id).toBe(other.id)
  })

  test('of many creations at once with the same id, one wins', async () => {
    const user = await newUser()
    const id = newId()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => user.call('POST', '/tasks', { id, title: `Try ${at}` })),
    )
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      201,
      ...Array<number>(19).fill(409),
    ])
  })

  test.each([
    ['upper case', newId().toUpperCase()],
    ['UUIDv4', crypto.randomUUID()],
    ['another variant', '0199a1b2-c3d4-7e5f-c000-000000000000'],
    ['braces', `{${newId()}}`],
    ['no dashes', newId().replaceAll('-', '')],
    ['empty', ''],
    ['null', null],
    ['a number', 7],
    ['a line break behind it', `${newId()}\n`],
  ])('an id that is no lower-case UUIDv7 is refused on create: %s', async (_, id) => {
    const answer = await (await newUser()).call('POST', '/tasks', { id, title: 'x' })
    expect([answer.status, paths(answer)]).toEqual([422, ['id']])
  })

  test('the id in a PUT or PATCH body must be that of the path', async () => {
    const user = await newUser()
    const task = await created(user)
    for (const method of ['PUT', 'PATCH']) {
      expect((await user.call(method, `/tasks/${task.id}`, { id: task.id, title: 'Same' })).status).toBe(200)
      for (const id of [newId(), task.id.toUpperCase(), null, 7]) {
        const answer = await user.call(method, `/tasks/${task.id}`, { id, title: 'Other' })
        expect([answer.status, paths(answer)]).toEqual([422, ['id']])
      }
    }
    expect((await stored(user, task.id)).title).toBe('Same')
  })
})

describe('values', () => {
  const many = (text: string, times: number) => text.repeat(times)
  const tags = (count: number) => Array.from({ length: count }, (_, at) => `tag ${at}`)

  test.each<[field: string, sent: unknown, kept?: unknown]>([
    ['title', 'x'],
    ['title', many('x', 200)],
    ['title', many('😀', 200)],
    ['title', '  kept as sent\t'],
    ['title', '\u200bvisible after all'],
    ['title', 'e\u0301 is not \u00e9'],
    ['title', `"quotes' -- and ; \\ back`],
    ['description', null],
    ['description', ''],
    ['description', many('x', 1000)],
    ['description', many('😀', 1000)],
    ['status', 'pending'],
    ['status', 'in_progress'],
    ['status', 'completed'],
    ['completed', false],
    ['completed', true],
    ['priority', 'low'],
    ['priority', 'medium'],
    ['priority', 'high'],
    ['due_date', null],
    ['due_date', '2026-02-28'],
    ['due_date', '2028-02-29'],
    ['due_date', '2026-11-20T09:30:00Z', '2026-11-20T09:30:00.000Z'],
    ['due_date', '2026-11-20T09:30:00.5+02:00', '2026-11-20T07:30:00.500Z'],
    ['due_date', '2026-12-31T23:30:00-05:00', '2027-01-01T04:30:00.000Z'],
    ['due_date', '2026-11-20t09:30:00.123456z', '2026-11-20T09:30:00.123Z'],
    ['tags', []],
    ['tags', tags(20)],
    ['tags', [many('x', 50), many('😀', 50)]],
    ['tags', ['b', 'a', 'B', ' a']],
    ['tags', ['__proto__', 'constructor', '"', '\\', '<b>']],
  ])('%s takes %j', async (field, sent, kept = sent) => {
    const user = await newUser()
    const task = await created(user, { [field]: sent })
    expect(task[field]).toEqual(kept)
    expect((await stored(user, task.id))[field]).toEqual(kept)
    for (const method of ['PUT', 'PATCH']) {
      const { id } = await created(user)
      const answer = await user.call(method, `/tasks/${id}`, { title: 'x', [field]: sent })
      expect([method, answer.status, answer.body[field]]).toEqual([method, 200, kept])
    }
  })

  test.each<[field: string, sent: unknown, path?: string]>([
    ['title', null],
    ['title', 7],
    ['title', ['x']],
    ['title', ''],
    ['title', ' \t\n'],
    ['title', '\u200b'],
    ['title', '\u00a0\u2003\u3000'],
    ['title', '\u2060\ufeff\u00ad\u200d'],
    ['title', '\u3164'],
    ['title', '\u2800'],
    ['title', many('x', 201)],
    ['title', many('😀', 201)],
    ['title', 'a\0b'],
    ['title', 'a\ud800b'],
    ['title', '\udc00'],
    ['description', 7],
    ['description', many('x', 1001)],
    ['description', many('😀', 1001)],
    ['description', '\0'],
    ['description', '\udfff'],
    ['status', null],
    ['status', 'done'],
    ['status', 'Pending'],
    ['status', 0],
    ['completed', null],
    ['completed', 'true'],
    ['completed', 1],
    ['priority', null],
    ['priority', 'urgent'],
    ['priority', 2],
    ['due_date', ''],
    ['due_date', 'tomorrow'],
    ['due_date', 20261120],
    ['due_date', '2026-02-30'],
    ['due_date', '2027-02-29'],
    ['due_date', '2026-13-01'],
    ['due_date', '2026-00-10'],
    ['due_date', '2026-1-2'],
    ['due_date', '20261120'],
    ['due_date', '2026-11-20 09:30:00Z'],
    ['due_date', '2026-11-20T09:30:00'],
    ['due_date', '2026-11-20T09:30Z'],
    ['due_date', '2026-11-20T24:00:00Z'],
    ['due_date', '2026-11-20T09:60:00Z'],
    ['due_date', '2026-11-20T09:30:00+24:00'],
    ['due_date', '2026-02-30T09:30:00Z'],
    ['due_date', '+012026-11-20T09:30:00Z'],
    ['due_date', '0000-01-01T00:00:00+00:01'],
    ['due_date', '9999-12-31T23:59:59-00:01'],
    ['due_date', ' 2026-11-20'],
    ['due_date', '2026-11-20\n'],
    ['tags', null],
    ['tags', 'a'],
    ['tags', { 0: 'a' }],
    ['tags', tags(21)],
    ['tags', ['a', ''], 'tags[1]'],
    ['tags', [7], 'tags[0]'],
    ['tags', [null], 'tags[0]'],
    ['tags', ['a', 'b', many('x', 51)], 'tags[2]'],
    ['tags', [many('😀', 51)], 'tags[0]'],
    ['tags', ['a', 'b', 'a'], 'tags[2]'],
    ['tags', ['a\0'], 'tags[0]'],
    ['tags', ['\ud800'], 'tags[0]'],
    ['colour', 'green'],
    ['user', 'x'],
    ['deleted_at', null],
    ['TITLE', 'x'],
    ['constructor', {}],
  ])('%s refuses %j in every body, naming it', async (field, sent, path = field) => {
    const user = await newUser()
    const task = await created(user)
    for (const [method, url] of [
      ['POST', '/tasks'],
      ['PUT', `/tasks/${task.id}`],
      ['PATCH', `/tasks/${task.id}`],
    ] as const) {
      const answer = await user.call(method, url, { title: 'x', [field]: sent })
      expect([method, ...problem(answer), paths(answer)]).toEqual([method, 422, 'invalid_body', [path]])
      expect(answer.headers.get('x-d1-rows-read')).toBe('0')
      for (const error of answer.body.errors) {
        expect(error).toEqual({
          path,
          code: expect.stringMatching(/^[a-z_]+$/),
          message: expect.stringMatching(/./),
        })
      }
    }
    expect((await user.call('GET', '/tasks')).body.tasks).toEqual([task])
  })

  test('a title is required where a whole task is sent', async () => {
    const user = await newUser()
    const { id } = await created(user)
    for (const answer of [
      await user.call('POST', '/tasks', {}),
      await user.call('PUT', `/tasks/${id}`, {}),
    ]) {
      expect([answer.status, paths(answer)]).toEqual([422, ['title']])
    }
  })

  test('all that is wrong with a body is said at once', async () => {
    const body = { title: '', priority: 'urgent', tags: ['a', 'a'], colour: 'green', size: 1 }
    const answer = await (await newUser()).call('POST', '/tasks', body)
    expect(paths(answer).toSorted()).toEqual(['colour', 'priority', 'size', 'tags[1]', 'title'])
    const codes = Object.fromEntries(answer.body.errors.map(({ path, code }: Json) => [path, code]))
    expect(codes).toMatchObject({ colour: 'unrecognized_key', title: 'too_small' })
  })

  test('a key of the prototype is an unknown field like any other', async () => {
    const raw = '{"title":"x","__proto__":{"status":"completed"}}'
    const answer = await (await newUser()).call('POST', '/tasks', raw)
    expect([answer.status, answer.status === 422 && paths(answer)]).toEqual([422, ['__proto__']])
  })

  test.each(['null', '[]', '"text"', '7', 'true'])(
    'a body that is %s is valid JSON and no task',
    async (raw) => {
      const user = await newUser()
      const task = await created(user)
      for (const [method, path] of [
        ['POST', ''],
        ['PUT', `/${task.id}`],
        ['PATCH', `/${task.id}`],
      ]) {
        expect(problem(await user.call(method ?? '', `/tasks${path}`, raw))).toEqual([422, 'invalid_body'])
      }
    },
  )
})

describe('read-only fields', () => {
  const nonsense = {
    user_id: 'somebody else',
    revision: -1,
    created_at: 'long ago',
    updated_at: null,
    completed_at: { deep: ['value'] },
  }

  test('they are ignored wherever they are sent', async () => {
    const user = await newUser()
    const task = await created(user, nonsense)
    expect(task).toMatchObject({
      user_id: user.id,
      completed_at: null,
      created_at: expect.stringMatching(INSTANT),
    })
    for (const method of ['PUT', 'PATCH']) {
      const { status, body } = await user.call(method, `/tasks/${task.id}`, { title: 'x', ...nonsense })
      expect(status).toBe(200)
      expect(body).toMatchObject({ user_id: user.id, completed_at: null, created_at: task.created_at })
      expect(body.revision).toBeGreaterThan(task.revision)
    }
  })

  test('what was got can be put back and changes nothing but the revision', async () => {
    const user = await newUser()
    const full = {
      description: 'd',
      status: 'completed',
      priority: 'high',
      due_date: '2026-11-20',
      tags: ['b', 'a'],
    }
    const task = await created(user, full)
    const { body } = await user.call('PUT', `/tasks/${task.id}`, task)
    expect(body).toEqual({ ...task, revision: body.revision, updated_at: body.updated_at })
  })

  test('a PATCH of nothing, or of nothing but them, is a 400', async () => {
    const user = await newUser()
    const task = await created(user)
    for (const body of [{}, { id: task.id }, nonsense, { ...nonsense, id: task.id }]) {
      expect(problem(await user.call('PATCH', `/tasks/${task.id}`, body))).toEqual([400, 'empty_patch'])
    }
    expect(await stored(user, task.id)).toEqual(task)
  })
})

describe('PUT and PATCH', () => {
  const full = {
    title: 'Whole',
    description: 'd',
    status: 'in_progress',
    priority: 'high',
    due_date: '2026-11-20',
    tags: ['a'],
  }

  test('PUT takes every field that is left out back to its default', async () => {
    const user = await newUser()
    for (const status of ['in_progress', 'completed']) {
      const task = await created(user, { ...full, status })
      const { body } = await user.call('PUT', `/tasks/${task.id}`, { title: 'Bare' })
      expect(body).toMatchObject({
        id: task.id,
        title: 'Bare',
        description: null,
        status: 'pending',
        completed: false,
        completed_at: null,
        priority: 'medium',
        due_date: null,
        tags: [],
      })
      expect(await stored(user, task.id)).toEqual(body)
    }
  })

  test('PUT makes no row', async () => {
    const user = await newUser()
    const id = newId()
    expect((await user.call('PUT', `/tasks/${id}`, { ...full, id })).status).toBe(404)
    expect((await user.call('GET', '/tasks')).body.count).toBe(0)
  })

  test.each<[string, unknown]>([
    ['title', 'Other'],
    ['description', null],
    ['status', 'pending'],
    ['priority', 'low'],
    ['due_date', null],
    ['tags', []],
  ])('PATCH of %s changes that field alone', async (field, value) => {
    const user = await newUser()
    const task = await created(user, full)
    const { body } = await user.call('PATCH', `/tasks/${task.id}`, { [field]: value })
    expect(body).toEqual({ ...task, [field]: value, revision: body.revision, updated_at: body.updated_at })
    expect(await stored(user, task.id)).toEqual(body)
  })
})

describe('status and completed', () => {
  test.each([
    ['pending', true],
    ['in_progress', true],
    ['completed', false],
  ])('status %s and completed %s in one body contradict each other', async (status, completed) => {
    const user = await newUser()
    const task = await created(user)
    for (const [method, path] of [
      ['POST', ''],
      ['PUT', `/${task.id}`],
      ['PATCH', `/${task.id}`],
    ]) {
      const answer = await user.call(method ?? '', `/tasks${path}`, { title: 'x', status, completed })
      expect([method, answer.status, paths(answer)]).toEqual([method, 422, ['completed']])
    }
    expect(await stored(user, task.id)).toEqual(task)
  })

  test.each([
    ['pending', { completed: true }, 'completed'],
    ['in_progress', { completed: true }, 'completed'],
    ['completed', { completed: true }, 'completed'],
    ['pending', { completed: false }, 'pending'],
    ['in_progress', { completed: false }, 'in_progress'],
    ['completed', { completed: false }, 'pending'],
    ['completed', { status: 'in_progress', completed: false }, 'in_progress'],
    ['pending', { status: 'completed', completed: true }, 'completed'],
    ['completed', { status: 'pending' }, 'pending'],
    ['pending', { title: 'x' }, 'pending'],
    ['completed', { title: 'x' }, 'completed'],
  ])('a task that is %s becomes, patched with %j, %s', async (before, body, after) => {
    const user = await newUser()
    const task = await created(user, { status: before })
    const { body: patched } = await user.call('PATCH', `/tasks/${task.id}`, body)
    const done = after === 'completed'
    expect(patched).toMatchObject({ status: after, completed: done })
    expect(patched.completed_at).toEqual(done ? expect.stringMatching(INSTANT) : null)
    if (done && before === 'completed') expect(patched.completed_at).toBe(task.completed_at)
    expect(await stored(user, task.id)).toEqual(patched)
  })

  test.each([
    [{ completed: true }, 'completed'],
    [{ completed: false }, 'pending'],
    [{ status: 'completed' }, 'completed'],
    [{ status: 'in_progress', completed: false }, 'in_progress'],
  ])('a task created or replaced with %j is %s', async (body, status) => {
    const user = await newUser()
    const task = await created(user, body)
    const { id } = await created(user, { status: 'in_progress' })
    const { body: replaced } = await user.call('PUT', `/tasks/${id}`, { title: 'x', ...body })
    for (const row of [task, replaced]) {
      expect(row).toMatchObject({ status, completed: status === 'completed' })
      expect(row.completed_at === null).toBe(status !== 'completed')
    }
  })

  test.each([
    ['pending', 'completed'],
    ['in_progress', 'completed'],
    ['completed', 'pending'],
  ])('toggling a task that is %s makes it %s and leaves the rest', async (before, after) => {
    const user = await newUser()
    const task = await created(user, { status: before, tags: ['a'], due_date: '2026-11-20', priority: 'low' })
    const { status, body } = await user.call('PATCH', `/tasks/${task.id}/complete`)
    expect(status).toBe(200)
    expect(body).toEqual({
      ...task,
      status: after,
      completed: after === 'completed',
      completed_at: after === 'completed' ? expect.stringMatching(INSTANT) : null,
      revision: body.revision,
      updated_at: body.updated_at,
    })
  })

  test('fifty toggles at once are fifty flips, and one more is another', async () => {
    const user = await newUser()
    const task = await created(user)
    const path = `/tasks/${task.id}/complete`
    const answers = await Promise.all(Array.from({ length: 50 }, () => user.call('PATCH', path)))
    const flips = answers.map(({ body }) => body).toSorted((a, b) => a.revision - b.revision)
    expect(flips.map(({ completed }) => completed)).toEqual(flips.map((_, at) => at % 2 === 0))
    expect(new Set(flips.map(({ revision }) => revision)).size).toBe(50)
    expect(await stored(user, task.id)).toMatchObject({ status: 'pending', completed_at: null })
    expect((await user.call('PATCH', path)).body.status).toBe('completed')
  })
})

describe('conditional requests', () => {
  test('a GET under If-None-Match answers 304 with the ETag when the row is still that one', async () => {
    const user = await newUser()
    const task = await created(user)
    const etag = `"${task.revision}"`
    for (const [header, status] of [
      [etag, 304],
      [`W/${etag}`, 304],
      [`"1", ${etag}`, 304],
      [`"1",W/${etag}, "x"`, 304],
      ['*', 304],
      ['"1"', 200],
      [String(task.revision), 200],
      [`"${task.revision}`, 200],
      ['nonsense', 200],
    ] as const) {
      const answer = await user.call('GET', `/tasks/${task.id}`, undefined, { 'If-None-Match': header })
      expect([header, answer.status, answer.headers.get('ETag')]).toEqual([header, status, etag])
      expect(answer.headers.get('Cache-Control')).toBe('private, no-cache')
      if (status === 304) expect(answer.text).toBe('')
      else expect(answer.body).toEqual(task)
    }
    await user.call('PATCH', `/tasks/${task.id}`, { title: 'Other' })
    const changed = await user.call('GET', `/tasks/${task.id}`, undefined, { 'If-None-Match': etag })
    expect([changed.status, changed.body.title]).toEqual([200, 'Other'])
    const missing = await user.call('GET', `/tasks/${newId()}`, undefined, { 'If-None-Match': '*' })
    expect(missing.status).toBe(404)
  })

  describe.each([
    ['PUT', '', { title: 'Other' }],
    ['PATCH', '', { title: 'Other' }],
    ['PATCH', '/complete', undefined],
    ['DELETE', '', undefined],
  ])('%s%s under If-Match', (method, suffix, body) => {
    const write = (user: User, id: string, header: string) =>
      user.call(method, `/tasks/${id}${suffix}`, body, { 'If-Match': header })

    test.each([
      ['the current tag', (tag: string) => tag],
      ['*', () => '*'],
      ['a list that has it', (tag: string) => `"1", ${tag},"x"`],
      ['a list with weak ones beside it', (tag: string) => `W/"1" ,${tag}`],
    ])('writes for %s', async (_, header) => {
      const user = await newUser()
      const task = await created(user)
      const { status } = await write(user, task.id, header(`"${task.revision}"`))
      expect(status).toBe(method === 'DELETE' ? 204 : 200)
      const now = await user.call('GET', `/tasks/${task.id}`)
      if (method === 'DELETE') expect(now.status).toBe(404)
      else expect(now.body.revision).toBeGreaterThan(task.revision)
    })

    test.each([
      ['a stale tag', () => '"1"'],
      ['a list of stale tags', () => '"1", "2"'],
      ['the weak form', (tag: string) => `W/${tag}`],
      ['the bare number', (tag: string) => tag.slice(1, -1)],
      ['an open quote', (tag: string) => tag.slice(0, -1)],
      ['nonsense beside it', (tag: string) => `${tag} nonsense`],
      ['* among tags', () => '"1", *'],
      ['another spelling of the number', (tag: string) => `"0${tag.slice(1)}`],
      ['a number too large', () => `"${'9'.repeat(400)}"`],
      ['a list of nothing', () => ', ,'],
    ])('answers 412 with the current ETag and writes nothing for %s', async (_, header) => {
      const user = await newUser()
      const task = await created(user)
      const answer = await write(user, task.id, header(`"${task.revision}"`))
      expect(problem(answer)).toEqual([412, 'stale_revision'])
      expect(answer.headers.get('ETag')).toBe(`"${task.revision}"`)
      expect(answer.headers.get('x-d1-rows-written')).toBe('0')
      expect(await stored(user, task.id)).toEqual(task)
    })

    test('answers 404 for a missing row, whatever the header', async () => {
      const user = await newUser()
      for (const header of ['*', '"1"', 'nonsense']) {
        const answer = await write(user, newId(), header)
        expect([...problem(answer), answer.headers.get('ETag')]).toEqual([404, 'row_not_found', null])
      }
    })
  })

  test('of many writers who saw the same revision, one succeeds', async () => {
    const user = await newUser()
    const task = await created(user)
    const headers = { 'If-Match': `"${task.revision}"` }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        user.call('PATCH', `/tasks/${task.id}`, { title: `By ${at}` }, headers),
      ),
    )
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200,
      ...Array<number>(19).fill(412),
    ])
    const winner = answers.find(({ status }) => status === 200)
    expect(await stored(user, task.id)).toEqual(winner?.body)
  })
})
