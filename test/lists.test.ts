import { describe, expect, test } from 'vitest'
import { newId, newUser, type Answer, type Json } from './client.ts'

type User = Awaited<ReturnType<typeof newUser>>

async function created(user: User, fields: Json): Promise<Json> {
  const { status, body } = await user.call('POST', '/tasks', { title: 'x', ...fields })
  expect(status).toBe(201)
  return body
}

async function createdAll(user: User, all: Json[]): Promise<Json[]> {
  const tasks: Json[] = []
  for (const fields of all) tasks.push(await created(user, fields))
  return tasks
}

const query = (parameters: Record<string, string | number>) =>
  `?${new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)])).toString()}`

async function list(user: User, parameters: Record<string, string | number> = {}): Promise<Json> {
  const { status, body } = await user.call('GET', `/tasks${query(parameters)}`)
  expect([parameters, status]).toEqual([parameters, 200])
  expect(body.count).toBe(body.tasks.length)
  return body
}

const titles = ({ tasks }: Json): string[] => tasks.map(({ title }: Json) => title)
const ids = (tasks: Json[]): string[] => tasks.map(({ id }) => id)
const paths = ({ body }: Answer) => body.errors.map(({ path }: Json) => path)

/** All pages by cursor, in order. */
async function walk(user: User, parameters: Record<string, string | number>): Promise<Json[]> {
  const all: Json[] = []
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await list(user, { ...parameters, ...(cursor && { cursor }) })
    all.push(...page.tasks)
    expect(page.tasks.length).toBeGreaterThan(0)
    cursor = page.next_cursor
  }
  return all
}

describe('a page', () => {
  test('an empty list is an empty page, with a total when asked for', async () => {
    const user = await newUser()
    expect(await list(user)).toEqual({ tasks: [], count: 0, next_cursor: null })
    expect(await list(user, { total: 'true' })).toEqual({ tasks: [], count: 0, next_cursor: null, total: 0 })
    expect(await list(user, { total: 'false' })).not.toHaveProperty('total')
  })

  test('it holds 50 rows unless told otherwise, newest first, and no other user’s', async () => {
    const [user, other] = [await newUser(), await newUser()]
    const tasks = await createdAll(
      user,
      Array.from({ length: 51 }, (_, at) => ({ title: `Task ${at}` })),
    )
    await created(other, { title: 'Not yours' })
    const newest = tasks.toReversed()
    const page = await list(user)
    expect(page.tasks).toEqual(newest.slice(0, 50))
    expect((await list(user, { cursor: page.next_cursor })).tasks).toEqual(newest.slice(50))
    for (const [limit, count] of [
      [1, 1],
      [51, 51],
      [100, 51],
    ] as const) {
      const { tasks: rows, next_cursor: next, total } = await list(user, { limit, total: 'true' })
      expect(rows).toEqual(newest.slice(0, count))
      expect([next === null, total]).toEqual([limit >= 51, 51])
    }
  })

  test('client-made ids order newest first too', async () => {
    const user = await newUser()
    const made = [newId(), newId(), newId()]
    for (const at of [1, 2, 0]) await created(user, { id: made[at] })
    expect(ids((await list(user)).tasks)).toEqual(made.toSorted().toReversed())
  })

  test('offset skips rows and stays without effect on the total', async () => {
    const user = await newUser()
    const tasks = await createdAll(user, [{}, {}, {}, {}])
    const page = await list(user, { offset: 1, limit: 2, total: 'true' })
    expect([ids(page.tasks), page.total]).toEqual([ids(tasks.toReversed().slice(1, 3)), 4])
    expect(ids((await list(user, { cursor: page.next_cursor })).tasks)).toEqual([tasks[0].id])
    expect((await list(user, { offset: 4 })).tasks).toEqual([])
    expect((await list(user, { offset: 10_000 })).tasks).toEqual([])
    expect(ids((await list(user, { offset: 0 })).tasks)).toEqual(ids(tasks.toReversed()))
  })

  test.each([
    ['/api/me', {}],
    ['/api/v1/me', { q: '50% & a+b', tag: 'ä b', sort: '-title', total: 'true' }],
    ['/api/v1/me', { offset: '1', status: 'pending' }],
  ])('its Link header leads through all of %s%j to the end', async (base, parameters) => {
    const user = await newUser()
    await createdAll(
      user,
      Array.from({ length: 8 }, (_, at) => ({ title: `50% & a+b ${at}`, tags: ['ä b'] })),
    )
    const expected = (await list(user, { ...parameters, limit: 100 })).tasks
    const seen: Json[] = []
    let next: string | undefined = `${base}/tasks${query({ ...parameters, limit: 3 })}`
    let pages = 0
    while (next) {
      const answer = await user.request('GET', next)
      expect(answer.status).toBe(200)
      seen.push(...answer.body.tasks)
      const link = answer.headers.get('Link')
      expect(link === null).toBe(answer.body.next_cursor === null)
      next = /^<([^>]+)>; rel="next"$/.exec(link ?? '')?.[1]
      if (link) expect(next).toMatch(`${base}/tasks?`)
      pages += 1
    }
    expect([pages, seen]).toEqual([3, expected])
  })

  test('trashed=true lists the trash alone, newest first, with its own total', async () => {
    const user = await newUser()
    const [a, b, c] = await createdAll(user, [{ title: 'a' }, { title: 'b' }, { title: 'c' }])
    await user.call('DELETE', `/tasks/${a.id}`)
    await user.call('DELETE', `/tasks/${c.id}`)
    const trash = await list(user, { trashed: 'true', total: 'true' })
    expect([titles(trash), trash.total]).toEqual([['c', 'a'], 2])
    expect((await list(user, { trashed: 'false' })).tasks).toEqual([b])
    expect(titles(await list(user, { trashed: 'true', q: 'A' }))).toEqual(['a'])
    expect(await walk(user, { trashed: 'true', limit: 1 })).toHaveLength(2)
  })
})

describe('a parameter that is not valid is a 422 that names it', () => {
  const numbers = [
    '',
    ' ',
    '-1',
    '+5',
    '1.0',
    '1.5',
    '1e1',
    '0x10',
    '010',
    'NaN',
    'Infinity',
    'ten',
    '１',
    '5 ',
    '1_0',
    '9'.repeat(30),
  ]
  test.each<[parameter: string, values: readonly string[]]>([
    ['limit', ['0', '101', '4294967297', ...numbers]],
    ['offset', ['10001', '-0', ...numbers]],
    ['trashed', ['', 'TRUE', 'True', '1', '0', 'yes', 'null', ' true']],
    ['total', ['', 'FALSE', '1', 'on']],
    ['completed', ['', 'TRUE', '1', 'null']],
    ['status', ['', 'done', 'PENDING', 'pending,completed', 'pending ']],
    ['priority', ['', 'urgent', 'High', '2']],
    [
      'sort',
      [
        '',
        '-',
        'nope',
        'Title',
        '+title',
        '--title',
        'title,priority',
        'description',
        'user_id',
        'revision',
        'title;--',
        'constructor',
      ],
    ],
    ['due_before', ['', 'today', '2026-02-30', '2026-11-20T09:30:00', '20261120', '2026-11-20T25:00:00Z']],
    ['due_after', ['', 'null', '2027-02-29', '2026-1-1']],
    ['q', ['', 'x'.repeat(201), '😀'.repeat(201), '\0']],
    ['tag', ['a\0b']],
    ['cursor', ['', 'x', 'null', '!!!!', '{}', 'é']],
  ])('%s', async (parameter, values) => {
    const user = await newUser()
    for (const value of values) {
      const answer = await user.call('GET', `/tasks${query({ [parameter]: value })}`)
      expect([parameter, value, answer.status]).toEqual([parameter, value, 422])
      expect(answer.body.type).toBe('/docs/problems#invalid_query')
      expect(paths(answer)).toEqual([parameter])
      expect(answer.headers.get('x-d1-rows-read')).toBe('0')
    }
  })

  test.each([
    'page',
    'Limit',
    'limit[]',
    'user_id',
    'id',
    'due_date',
    'tags',
    'description',
    '__proto__',
    'constructor',
    'toString',
  ])('the unknown %s', async (parameter) => {
    const answer = await (await newUser()).call('GET', `/tasks?limit=5&${encodeURIComponent(parameter)}=1`)
    expect([answer.status, answer.status === 422 && paths(answer)]).toEqual([422, [parameter]])
  })

  test.each([
    ['limit', '5'],
    ['offset', '0'],
    ['sort', 'title'],
    ['status', 'pending'],
    ['completed', 'true'],
    ['tag', 'a'],
    ['q', 'a'],
    ['total', 'true'],
    ['trashed', 'false'],
    ['due_before', '2026-11-20'],
    ['cursor', 'x'],
  ])('%s sent twice', async (parameter, value) => {
    const answer = await (await newUser()).call('GET', `/tasks?${parameter}=${value}&${parameter}=${value}`)
    expect([answer.status, paths(answer)]).toEqual([422, [parameter]])
  })

  test('and all of them are named at once', async () => {
    const answer = await (await newUser()).call('GET', '/tasks?limit=0&sort=nope&colour=green&total=1')
    expect(paths(answer).toSorted()).toEqual(['colour', 'limit', 'sort', 'total'])
  })
})

describe('filters', () => {
  test('each picks the rows that have the value, and together they narrow', async () => {
    const user = await newUser()
    await createdAll(user, [
      { title: 'a', status: 'pending', priority: 'low', tags: ['home', 'Garden'] },
      { title: 'b', status: 'in_progress', priority: 'high', tags: ['home'] },
      { title: 'c', status: 'completed', priority: 'high', tags: ['homework', '"', 'a,b'] },
      { title: 'd', status: 'completed', priority: 'medium', tags: [] },
    ])
    const cases: [Record<string, string>, string[]][] = [
      [{ status: 'pending' }, ['a']],
      [{ status: 'in_progress' }, ['b']],
      [{ status: 'completed' }, ['d', 'c']],
      [{ completed: 'true' }, ['d', 'c']],
      [{ completed: 'false' }, ['b', 'a']],
      [{ completed: 'true', status: 'pending' }, []],
      [{ priority: 'high' }, ['c', 'b']],
      [{ priority: 'high', completed: 'false' }, ['b']],
      [{ tag: 'home' }, ['b', 'a']],
      [{ tag: 'garden' }, []],
      [{ tag: 'Garden' }, ['a']],
      [{ tag: '"' }, ['c']],
      [{ tag: 'a,b' }, ['c']],
      [{ tag: '%' }, []],
      [{ tag: 'home', priority: 'low', status: 'pending', q: 'A' }, ['a']],
    ]
    for (const [filter, expected] of cases) {
      const page = await list(user, { ...filter, total: 'true' })
      expect([filter, titles(page), page.total]).toEqual([filter, expected, expected.length])
    }
  })

  test('due_before and due_after are inclusive, and a date stands for its last or first instant', async () => {
    const user = await newUser()
    const dues = [
      '2026-01-09',
      '2026-01-09T23:59:59.999Z',
      '2026-01-10',
      '2026-01-10T00:00:00Z',
      '2026-01-10T12:00:00Z',
      '2026-01-10T23:59:59.999Z',
      '2026-01-11T00:00:00Z',
      '2026-01-11',
      null,
    ]
    await createdAll(
      user,
      dues.map((due_date, at) => ({ title: String(at), due_date })),
    )
    const cases: [Record<string, string>, number[]][] = [
      [{ due_after: '2026-01-10' }, [2, 3, 4, 5, 6, 7]],
      [{ due_after: '2026-01-10T00:00:00Z' }, [2, 3, 4, 5, 6, 7]],
      [{ due_after: '2026-01-10T13:00:00+01:00' }, [4, 5, 6, 7]],
      [{ due_after: '2026-01-10T12:00:00.001Z' }, [5, 6, 7]],
      [{ due_before: '2026-01-10' }, [0, 1, 2, 3, 4, 5]],
      [{ due_before: '2026-01-10T23:59:59.999Z' }, [0, 1, 2, 3, 4, 5]],
      [{ due_before: '2026-01-10T12:00:00Z' }, [0, 1, 2, 3, 4]],
      [{ due_before: '2026-01-10T00:00:00Z' }, [0, 1, 2, 3]],
      [{ due_after: '2026-01-10', due_before: '2026-01-10' }, [2, 3, 4, 5]],
      [{ due_after: '2026-01-11', due_before: '2026-01-10' }, []],
    ]
    for (const [filter, expected] of cases) {
      const found = titles(await list(user, filter))
        .map(Number)
        .toSorted((a, b) => a - b)
      expect([filter, found]).toEqual([filter, expected])
    }
  })
})

describe('q', () => {
  test('finds a term in any case, in any script, with no character that is special', async () => {
    const user = await newUser()
    const all = [
      'Buy MILK',
      'milkshake',
      '100% sure',
      'snake_case',
      'back\\slash',
      "it's",
      'Café',
      'CAFÉ NOIR',
    ]
    const more = ['Купить молоко', 'МОЛОКО', 'οδος', 'ΟΔΟΣ', 'İstanbul', 'Straße', 'smile 😀']
    await createdAll(
      user,
      [...all, ...more].map((title) => ({ title })),
    )
    await created(user, { title: 'described', description: 'It is INSIDE the Description' })
    for (const [term, found] of Object.entries({
      milk: ['Buy MILK', 'milkshake'],
      MILK: ['Buy MILK', 'milkshake'],
      '%': ['100% sure'],
      _: ['snake_case'],
      '0%': ['100% sure'],
      '\\': ['back\\slash'],
      "'": ["it's"],
      '*': [],
      é: ['Café', 'CAFÉ NOIR'],
      CAFÉ: ['Café', 'CAFÉ NOIR'],
      'café n': ['CAFÉ NOIR'],
      МОЛОКО: ['Купить молоко', 'МОЛОКО'],
      молоко: ['Купить молоко', 'МОЛОКО'],
      οδος: ['οδος'],
      ΟΔΟΣ: ['ΟΔΟΣ'],
      İstanbul: ['İstanbul'],
      STRAßE: ['Straße'],
      '😀': ['smile 😀'],
      'inside the description': ['described'],
      ' t': ['described'],
      ' ': ['Buy MILK', '100% sure', 'CAFÉ NOIR', 'Купить молоко', 'smile 😀', 'described'],
    })) {
      expect([term, titles(await list(user, { q: term }))]).toEqual([term, found.toReversed()])
    }
  })

  test('a match lies within one field', async () => {
    const user = await newUser()
    await created(user, { title: 'front', description: 'back' })
    expect((await list(user, { q: 'frontback' })).count).toBe(0)
  })

  test('it may have 200 characters, of any kind', async () => {
    const user = await newUser()
    const letters = Array.from({ length: 200 }, (_, at) => String.fromCodePoint(0x400 + at)).join('')
    for (const title of ['x'.repeat(200), 'é'.repeat(200), '😀'.repeat(200), '%'.repeat(200), letters]) {
      const { id } = await created(user, { title })
      expect(ids((await list(user, { q: title })).tasks)).toEqual([id])
    }
  })
})

describe('sort', () => {
  test('title sorts without regard to ASCII case, then by id', async () => {
    const user = await newUser()
    const words = ['banana', 'Apple', 'cherry', 'apple', 'Banana', 'éclair', '_', 'Zebra', 'apple']
    const tasks = await createdAll(
      user,
      words.map((title) => ({ title })),
    )
    const key = ({ title, id }: Json): string => `${title.toLowerCase()}\0${id}`
    const ascending = tasks.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
    expect((await list(user, { sort: 'title' })).tasks).toEqual(ascending)
    expect((await list(user, { sort: '-title' })).tasks).toEqual(ascending.toReversed())
    for (const limit of [1, 2, 4]) {
      expect(await walk(user, { sort: 'title', limit })).toEqual(ascending)
      expect(await walk(user, { sort: '-title', limit })).toEqual(ascending.toReversed())
    }
  })

  test('priority sorts by what it means: low, medium, high', async () => {
    const user = await newUser()
    const order = ['low', 'medium', 'high']
    const tasks = await createdAll(
      user,
      ['high', 'low', 'medium', 'low', 'high'].map((priority) => ({ priority })),
    )
    const ascending = tasks.toSorted(
      (a, b) => order.indexOf(a.priority) - order.indexOf(b.priority) || (a.id < b.id ? -1 : 1),
    )
    for (const limit of [1, 2, 100]) {
      expect(await walk(user, { sort: 'priority', limit })).toEqual(ascending)
      expect(await walk(user, { sort: '-priority', limit })).toEqual(ascending.toReversed())
    }
  })

  test('due_date puts the tasks without one last in both directions, across pages', async () => {
    const user = await newUser()
    const dues = [
      null,
      '2026-01-10',
      null,
      '2026-01-09T10:00:00.000Z',
      '2026-01-10',
      null,
      '2026-01-09',
      null,
    ]
    const tasks = await createdAll(
      user,
      dues.map((due_date) => ({ due_date })),
    )
    const [dated, undated] = [tasks.filter((task) => task.due_date), tasks.filter((task) => !task.due_date)]
    const ascending = dated.toSorted((a, b) => (a.due_date + a.id < b.due_date + b.id ? -1 : 1))
    const up = [...ascending, ...undated]
    const down = [...ascending.toReversed(), ...undated.toReversed()]
    for (let limit = 1; limit <= dues.length; limit += 1) {
      expect(ids(await walk(user, { sort: 'due_date', limit }))).toEqual(ids(up))
      expect(ids(await walk(user, { sort: '-due_date', limit }))).toEqual(ids(down))
    }
  })

  test('created_at and updated_at follow what happened to the rows', async () => {
    const user = await newUser()
    const tasks = await createdAll(user, [{}, {}, {}, {}, {}])
    for (const at of [3, 0]) await user.call('PATCH', `/tasks/${tasks[at].id}`, { title: 'touched' })
    const rows = (await list(user)).tasks
    for (const sort of ['created_at', 'updated_at']) {
      const ascending = rows.toSorted((a: Json, b: Json) => (a[sort] + a.id < b[sort] + b.id ? -1 : 1))
      expect(ids(await walk(user, { sort, limit: 2 }))).toEqual(ids(ascending))
      expect(ids(await walk(user, { sort: `-${sort}`, limit: 2 }))).toEqual(ids(ascending.toReversed()))
    }
  })
})

describe('a cursor', () => {
  async function firstPage(user: User, parameters: Record<string, string | number> = {}): Promise<string> {
    return (await list(user, { ...parameters, limit: 1 })).next_cursor
  }

  test('goes with the sort and filters it was made under, and with any limit', async () => {
    const user = await newUser()
    await createdAll(
      user,
      Array.from({ length: 4 }, () => ({ tags: ['a'], due_date: '2026-01-10' })),
    )
    const kinds: Record<string, string>[] = [
      {},
      { sort: 'title' },
      { sort: '-title' },
      { sort: 'due_date' },
      { sort: '-created_at' },
      { status: 'pending' },
      { completed: 'false' },
      { tag: 'a' },
      { q: 'x' },
      { q: 'X' },
      { due_after: '2026-01-10' },
      { due_after: '2026-01-09' },
      { due_before: '2026-01-10' },
    ]
    for (const made of kinds) {
      const cursor = await firstPage(user, made)
      for (const used of kinds) {
        const answer = await user.call('GET', `/tasks${query({ ...used, cursor })}`)
        if (used === made) {
          expect([made, answer.status, answer.body.count]).toEqual([made, 200, 3])
        } else if (made.q === undefined || used.q === undefined) {
          expect([made, used, answer.status]).toEqual([made, used, 422])
          expect(paths(answer)).toEqual(['cursor'])
        }
      }
      expect((await list(user, { ...made, cursor, limit: 2, total: 'true' })).total).toBe(4)
      const trash = await user.call('GET', `/tasks${query({ ...made, cursor, trashed: 'true' })}`)
      expect(trash.status).toBe(422)
    }
  })

  test('does not go with an offset, not even 0', async () => {
    const user = await newUser()
    await createdAll(user, [{}, {}])
    const cursor = await firstPage(user)
    for (const offset of [0, 1]) {
      const answer = await user.call('GET', `/tasks${query({ cursor, offset })}`)
      expect(answer.status).toBe(422)
      expect(['cursor', 'offset']).toEqual(expect.arrayContaining(paths(answer)))
    }
  })

  test('that was tampered with is a 422 or another place in the same user’s list, never a fault', async () => {
    const [user, other] = [await newUser(), await newUser()]
    await createdAll(user, [{ due_date: '2026-01-10' }, { due_date: '2026-01-11' }, {}])
    await createdAll(other, [{}, {}])
    for (const sort of ['', 'due_date', 'priority', 'title']) {
      const parameters = { ...(sort && { sort }) }
      const cursor = await firstPage(user, parameters)
      const refused = [
        `${cursor}A`,
        `${cursor}=`,
        `A${cursor}`,
        cursor.slice(1),
        cursor.slice(0, -1),
        cursor.slice(0, -4),
        `${cursor} `,
        cursor + cursor,
      ]
      for (const forged of refused) {
        const answer = await user.call('GET', `/tasks${query({ ...parameters, cursor: forged })}`)
        expect([sort, forged, answer.status]).toEqual([sort, forged, 422])
        expect(paths(answer)).toEqual(['cursor'])
      }
      for (let at = 0; at < cursor.length; at += 3) {
        const forged = `${cursor.slice(0, at)}${cursor[at] === 'M' ? 'z' : 'M'}${cursor.slice(at + 1)}`
        const { status, body } = await user.call('GET', `/tasks${query({ ...parameters, cursor: forged })}`)
        expect([200, 422]).toContain(status)
        for (const task of body.tasks ?? []) expect(task.user_id).toBe(user.id)
      }
    }
  })

  test('that decodes to something else than a position is refused', async () => {
    const user = await newUser()
    await createdAll(user, [{}, {}])
    const encode = (value: unknown) =>
      btoa(JSON.stringify(value)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
    const [scope, id, key] = JSON.parse(atob(await firstPage(user, { sort: 'title' })))
    const at = (parts: unknown) =>
      user.call('GET', `/tasks${query({ sort: 'title', cursor: encode(parts) })}`)
    expect((await at([scope, id, key])).status).toBe(200)
    for (const parts of [
      null,
      {},
      [],
      [scope],
      [scope, id],
      [scope, id, null],
      [scope, id, 7],
      [scope, id, [key]],
      [scope, id, { toString: 'x' }],
      [scope, id, key, key],
      [scope, null, key],
      [scope, 'nonsense', key],
      [scope, id.toUpperCase(), key],
      [null, id, key],
      ['', id, key],
      '"',
      'x'.repeat(2000),
    ]) {
      const answer = await at(parts)
      expect([parts, answer.status]).toEqual([parts, 422])
      expect(paths(answer)).toEqual(['cursor'])
    }
  })

  test.each(['', 'title', '-title', 'priority', 'due_date', '-due_date', '-created_at'])(
    'neither skips nor repeats a row that stays as it is while others come and go (sort=%s)',
    async (sort) => {
      const user = await newUser()
      const fields = (at: number) => ({
        title: `Task ${(at * 7) % 10}`,
        priority: ['low', 'medium', 'high'][at % 3],
        due_date: at % 4 ? `2026-01-1${at % 5}` : null,
      })
      const tasks = await createdAll(
        user,
        Array.from({ length: 24 }, (_, at) => fields(at)),
      )
      const removed = new Set<string>()
      const seen: string[] = []
      let cursor: string | null | undefined
      for (let page = 0; cursor !== null; page += 1) {
        const parameters = { limit: 5, ...(sort && { sort }), ...(cursor && { cursor }) }
        const { tasks: rows, next_cursor: next } = await list(user, parameters)
        seen.push(...ids(rows))
        cursor = next
        if (page === 4) break
        const before = rows.at(-1)?.id
        const later = tasks.find(({ id }) => !seen.includes(id) && !removed.has(id))?.id
        for (const id of [before, later]) {
          if (!id) continue
          removed.add(id)
          expect((await user.call('DELETE', `/tasks/${id}`)).status).toBe(204)
        }
        await createdAll(user, [fields(page), fields(page + 3)])
      }
      if (cursor) seen.push(...ids(await walkFrom(user, sort, cursor)))
      expect(new Set(seen).size).toBe(seen.length)
      const kept = ids(tasks).filter((id) => !removed.has(id))
      expect(kept.length).toBeGreaterThan(10)
      expect(seen).toEqual(expect.arrayContaining(kept))
    },
  )

  async function walkFrom(user: User, sort: string, cursor: string): Promise<Json[]> {
    const { tasks } = await list(user, { limit: 100, cursor, ...(sort && { sort }) })
    return tasks
  }
})
