import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  fieldsOf,
  fullBodyOf,
  hostileNumbers,
  hostileStrings,
  type Field,
  type HostileString,
  type Shape,
} from '../arbitraries.ts'
import { newId, newUser, type Answer } from '../client.ts'
import { collectionOf, expectProblem, resources, type Collection } from '../collection.ts'

/** What JSON can hold where something else belongs. */
const values: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  '',
  'no such value',
  [],
  {},
  [null],
  [[]],
  [1],
  [{}],
  { length: 1, 0: 'a' },
  { toString: 'a' },
]

/** Ids that are none, as they stand in a path. */
const hostileIds = [
  '%2F',
  '%00',
  '%2e%2e%2f',
  '..%2fadmin',
  '%252F',
  '%2500',
  '%252e%252e',
  '%',
  '%zz',
  '%f',
  '%c0%af',
  '%ff',
  '%F0%9F%8C%8D',
  '%ed%a0%80',
  '%0d%0aX-Injected:1',
  '%20',
  '+',
  '*',
  '~',
  ';',
  ':id',
  '{id}',
  '__proto__',
  'null',
  'undefined',
  '0',
  '-1',
  'a'.repeat(8_000),
  '%61'.repeat(2_000),
  `'%20OR%201=1--`,
  '%e2%80%ae',
]

/** User segments that name nobody, or not the caller. */
const hostileUsers = [
  'ME',
  'Me',
  'me%00',
  'me%20',
  '%20me',
  'me%2F',
  '%2Fme',
  'me%2F..%2Fme',
  'me;',
  'me?',
  '%256De',
  'm%65%2e',
  'v1%00',
  'v1%20',
  'V1',
  'auth',
  'admin',
  '%',
  '%zz',
  '%ff',
  '%00',
  '%2e%2e',
  '__proto__',
  'constructor',
  'a'.repeat(129),
  '*',
]

describe.each(resources)('$name', (resource) => {
  const fields = fieldsOf(resource)

  /** A body that is valid when one field is left out of it. */
  function besides(rows: Collection, name: string): Record<string, unknown> {
    const [body = {}] = fc.sample(fullBodyOf(resource, rows), { numRuns: 1, seed: 7 })
    const required = fields.filter((field) => field.required && field.name !== name)
    return Object.fromEntries(required.map((field) => [field.name, body[field.name]]))
  }

  async function oneRow(): Promise<{ rows: Collection; at: string }> {
    const rows = await collectionOf(resource)
    const [body = {}] = fc.sample(fullBodyOf(resource, rows), { numRuns: 1, seed: 7 })
    const { id } = await rows.create(body)
    return { rows, at: `/${id}` }
  }

  /** The number of rows and what they are now: refusals change neither. */
  async function stateOf(rows: Collection): Promise<string> {
    return JSON.stringify(await rows.all())
  }

  const texts = fields.flatMap((field) => {
    const { shape } = field
    const items = shape.kind === 'array' ? shape.items : shape
    return items.kind === 'text' ? [{ field, text: items }] : []
  })

  test.each(texts)(
    'hostile strings in $field.name come back unchanged or are a 422',
    async ({ field, text }) => {
      const { rows, at } = await oneRow()
      const bodyWith = (hostile: HostileString) => {
        const value = field.shape.kind === 'array' ? [hostile.text] : hostile.text
        return { ...besides(rows, field.name), [field.name]: value }
      }
      const requests = [['POST'], ['PUT', at], ['PATCH', at]] as const
      /** With its other fields it is over the limit of a body. */
      const isTooLarge = (hostile: HostileString, { status }: Answer) =>
        status === 413 && hostile.text.length > 60_000
      for (const hostile of hostileStrings.filter((each) => !isRefused(each, text))) {
        const body = bodyWith(hostile)
        for (const [method, suffix] of requests) {
          const answer = await rows.call(method, suffix, body)
          if (isTooLarge(hostile, answer)) continue
          expect(answer.status, `${hostile.name}: ${answer.text}`).toBe(method === 'POST' ? 201 : 200)
          expect(answer.body[field.name]).toEqual(body[field.name])
          const { body: read } = await rows.call('GET', `/${answer.body.id}`)
          expect(read[field.name], hostile.name).toEqual(body[field.name])
        }
      }
      const before = await stateOf(rows)
      for (const hostile of hostileStrings.filter((each) => isRefused(each, text))) {
        for (const [method, suffix] of requests) {
          const answer = await rows.call(method, suffix, bodyWith(hostile))
          if (isTooLarge(hostile, answer)) continue
          expectProblem(answer, 422)
          expect(answer.body.errors[0].path, hostile.name).toMatch(new RegExp(`^${field.name}(\\[0\\])?$`))
        }
      }
      expect(await stateOf(rows)).toBe(before)
    },
  )

  function isRefused(hostile: HostileString, { minLength, maxLength }: Shape & { kind: 'text' }): boolean {
    return (
      hostile.refused === true ||
      Array.from(hostile.text).length > maxLength ||
      isTooBlank(hostile, minLength, maxLength)
    )
  }

  /** A text with a least length must show something; that of a label only must not be empty. */
  function isTooBlank({ blank, text }: HostileString, minLength: number, maxLength: number): boolean {
    if (!blank || minLength === 0) return false
    const labels = fields.flatMap(({ shape }) => (shape.kind === 'array' ? [shape.items] : []))
    const isLabel = labels.some((label) => label.kind === 'text' && label.maxLength === maxLength)
    return isLabel ? text === '' : true
  }

  const others = fields.filter((field) => !texts.some((one) => one.field === field))
  test.each(others)('hostile strings in $name are a 422', async (field) => {
    const { rows, at } = await oneRow()
    const before = await stateOf(rows)
    for (const { text } of hostileStrings) {
      const sent = [
        ['POST', '', text],
        ['POST', '', [text]],
        ['PUT', at, { [text]: text }],
        ['PATCH', at, text],
      ] as const
      for (const [method, suffix, value] of sent) {
        const answer = await rows.call(method, suffix, { ...besides(rows, field.name), [field.name]: value })
        // Twice 64 KB is over the limit of a body.
        if (answer.status === 413) expect(text.length).toBeGreaterThan(60_000)
        else expectProblem(answer, 422)
      }
    }
    expect(await stateOf(rows)).toBe(before)
  })

  test.each(fields)('a value of another type in $name is a 422 that names it', async (field) => {
    const { rows, at } = await oneRow()
    const before = await stateOf(rows)
    const wrong = values.filter((value) => !isOfType(field, value))
    expect(wrong.length).toBeGreaterThan(8)
    for (const value of wrong) {
      const body = { ...besides(rows, field.name), [field.name]: value }
      for (const [method, suffix] of [['POST'], ['PUT', at], ['PATCH', at]] as const) {
        const answer = await rows.call(method, suffix, body)
        expectProblem(answer, 422)
        expect(answer.body.errors[0].path, JSON.stringify(value)).toMatch(new RegExp(`^${field.name}\\b`))
      }
    }
    expect(await stateOf(rows)).toBe(before)
  })

  test('prototype keys are unknown fields', async () => {
    const { rows, at } = await oneRow()
    const before = await stateOf(rows)
    const rest = JSON.stringify(besides(rows, '')).slice(1, -1)
    const json = rest && `${rest},`
    for (const key of [
      '__proto__',
      'constructor',
      'prototype',
      'hasOwnProperty',
      'toString',
      'valueOf',
      'then',
    ]) {
      for (const value of ['null', '{}', '{"user_id":"x"}', '[]', '"x"']) {
        for (const [method, suffix] of [['POST'], ['PUT', at], ['PATCH', at]] as const) {
          expectProblem(await rows.call(method, suffix, `{${json}"${key}":${value}}`), 422, [key])
        }
      }
      for (const { name } of fields) {
        const nested = await rows.call('PATCH', at, `{"${name}":{"${key}":{"polluted":true}}}`)
        expectProblem(nested, 422, [name])
      }
    }
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(await stateOf(rows)).toBe(before)
  })

  test('of a key that comes twice the last one counts', async () => {
    const rows = await collectionOf(resource)
    const [one = {}, other = {}] = fc.sample(fullBodyOf(resource, rows), { numRuns: 2, seed: 9 })
    const twice = `{${JSON.stringify(one).slice(1, -1)},${JSON.stringify(other).slice(1)}`
    const [made, plain] = [await rows.call('POST', '', twice), await rows.create(other)]
    expect(made.status).toBe(201)
    for (const { name } of fields) expect(made.body[name]).toEqual(plain[name])
    const unknown = await rows.call('POST', '', `{"id":"x","id":${JSON.stringify(newId())},"no":1,"no":2}`)
    expectProblem(unknown, 422, ['no'])
  })

  test('deep JSON is a 422 wherever it stands', async () => {
    const { rows, at } = await oneRow()
    const before = await stateOf(rows)
    const deep = ['['.repeat(30_000) + ']'.repeat(30_000), `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`]
    for (const json of deep) {
      for (const [method, suffix] of [['POST'], ['PUT', at], ['PATCH', at]] as const) {
        expectProblem(await rows.call(method, suffix, json), 422)
        expectProblem(await rows.call(method, suffix, `{"no_such_field":${json}}`), 422, ['no_such_field'])
        for (const { name } of fields) {
          const refused = await rows.call(method, suffix, `{"${name}":${json}}`)
          expectProblem(refused, 422)
          expect(refused.body.errors.some(({ path }: { path: string }) => path.startsWith(name))).toBe(true)
        }
      }
      expectProblem(await rows.call('POST', '', json.slice(0, -1)), 400)
      // A read-only field is not read at all.
      const ignored = await rows.call('PATCH', at, `{"user_id":${json}}`)
      expectProblem(ignored, 400)
    }
    expect(await stateOf(rows)).toBe(before)
  })

  test('huge arrays and bodies of nothing but unknown fields are a 422 of bounded size', async () => {
    const { rows, at } = await oneRow()
    const before = await stateOf(rows)
    const huge = [
      Array<number>(30_000).fill(1),
      Array<string>(15_000).fill('a'),
      Array.from({ length: 20_000 }, () => []),
    ]
    for (const array of huge) {
      expectBounded(await rows.call('POST', '', array))
      for (const { name } of fields) {
        expectBounded(await rows.call('POST', '', { [name]: array }))
        expectBounded(await rows.call('PATCH', at, { [name]: array }))
      }
    }
    expectBounded(
      await rows.call('PATCH', at, Object.fromEntries(huge[1]?.slice(0, 6_000).map((_, n) => [n, 1]) ?? [])),
    )
    expectBounded(await rows.call('PATCH', at, { ['x'.repeat(60_000)]: 1 }))
    expect(await stateOf(rows)).toBe(before)
  })

  function expectBounded(answer: Answer): void {
    expectProblem(answer, 422)
    expect(answer.text.length).toBeLessThan(32_000)
  }

  test('a hostile number in the query is a 422 that names the parameter, or just a number', async () => {
    const { rows } = await oneRow()
    const ranges: Record<string, [number, number]> = { limit: [1, 100], offset: [0, 10_000] }
    for (const [name, [min, max]] of Object.entries(ranges)) {
      for (const number of [...hostileNumbers, '0', String(min - 1), String(max + 1)]) {
        const answer = await rows.call('GET', `?${name}=${encodeURIComponent(number)}`)
        const fine = /^(0|[1-9][0-9]*)$/.test(number) && Number(number) >= min && Number(number) <= max
        if (fine) expect(answer.status, answer.text).toBe(200)
        else expectProblem(answer, 422, [name])
      }
      for (const edge of [min, max]) expect((await rows.call('GET', `?${name}=${edge}`)).status).toBe(200)
    }
  })

  test('a hostile value of any other parameter is a 422 that names it, or finds nothing', async () => {
    const { rows } = await oneRow()
    const named = [
      'cursor',
      'sort',
      'q',
      'trashed',
      'total',
      ...resource.filter.map(({ parameter }) => parameter),
    ]
    for (const name of named) {
      for (const value of [
        ...hostileStrings.map(({ text }) => text.slice(0, 4_000)),
        'true',
        'NULL',
        '-1',
        '0',
        '1e400',
      ]) {
        const answer = await rows.call('GET', `?${name}=${encodeURIComponent(value.toWellFormed())}`)
        if (answer.status === 200) {
          expect(`${name}=${value}`, answer.text).not.toMatch(/^(cursor|sort|trashed|total)=(?!true$)/)
          expect(answer.body.next_cursor).toBeNull()
        } else {
          expectProblem(answer, 422, [name])
        }
      }
      for (const raw of ['%', '%zz', '%00', '%ff', '%ed%a0%80', '%c0%af', '%F0%9F%8C']) {
        const answer = await rows.call('GET', `?${name}=${raw}`)
        if (answer.status !== 200) expectProblem(answer, 422, [name])
      }
      for (const key of [
        `${name}[]`,
        `${name}[a]`,
        `${name}.a`,
        ` ${name}`,
        `${name}%00`,
        name.toUpperCase(),
      ]) {
        expectProblem(await rows.call('GET', `?${encodeURI(key)}=1`), 422)
      }
    }
    for (const query of ['?%', '?%zz=1', '?%00', '?__proto__[limit]=1', '?a=1;limit=1']) {
      expectProblem(await rows.call('GET', query), 422)
    }
    for (const query of ['?', '?&', '?&&', '?=', '?=1'])
      expect((await rows.call('GET', query)).status).toBe(200)
  })

  test('a path that plays tricks reaches no row', async () => {
    const { rows, at } = await oneRow()
    const before = await stateOf(rows)
    const [body = {}] = fc.sample(fullBodyOf(resource, rows), { numRuns: 1, seed: 7 })
    const tricks = [
      ...hostileIds,
      `${at.slice(1)}%00`,
      `${at.slice(1)}%20`,
      `${at.slice(1)}%2F`,
      `%2F${at.slice(1)}`,
    ]
    for (const id of [...tricks, at.slice(1).toUpperCase(), `{${at.slice(1)}}`]) {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
        const sent = method === 'GET' || method === 'DELETE' ? undefined : body
        expectProblem(await rows.call(method, `/${id}`, sent), 404)
      }
    }
    for (const suffix of [`${at}//`, `/${at}`, `${at}/%2e%2e`, `${at}/no-such-verb`, '//', '/.', '/%2e/x']) {
      const answer = await rows.call('DELETE', suffix)
      // A URL parser resolves dot segments, so that some of these are the collection, which has no DELETE.
      expect([404, 405], `${suffix} ${answer.text}`).toContain(answer.status)
      expectProblem(answer, answer.status)
    }
    // A trailing slash is the same path: the row is its owner's, and nobody else's.
    const stranger = await collectionOf(resource)
    const [theirs = {}] = fc.sample(fullBodyOf(resource, stranger), { numRuns: 1, seed: 7 })
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      const sent = method === 'GET' || method === 'DELETE' ? undefined : theirs
      expectProblem(await stranger.call(method, `${at}/`, sent), 404)
      const foreign = `/api/${rows.user.id}${rows.path}${at}/`
      expectProblem(await stranger.user.request(method, foreign, sent), 403)
    }
    expect(await stateOf(rows)).toBe(before)
    expect((await rows.call('GET', `${at}/`)).body).toEqual((await rows.call('GET', at)).body)
    expect((await rows.call('DELETE', `${at}/`)).status).toBe(204)
    const left = JSON.parse(before).filter(({ id }: { id: string }) => `/${id}` !== at)
    expect(await rows.all()).toEqual(left)
  })

  test('a user in the path who is not the caller is a 403, however it is written', async () => {
    const { rows, at } = await oneRow()
    const { user } = rows
    const own = [
      user.id,
      encodeURIComponent(user.id),
      Array.from(user.id, percent).join(''),
      '%6d%65',
      'm%65',
    ]
    const { body: row } = await rows.call('GET', at)
    expect(row).toMatchObject({ id: at.slice(1), user_id: user.id })
    for (const name of own) {
      const answer = await user.request('GET', `/api/${name}${rows.path}${at}`)
      expect([answer.status, answer.body], name).toEqual([200, row])
    }
    // Without a user, the path is the caller's own: to anybody else there is no such row.
    const stranger = await newUser()
    for (const start of ['/api', '/api/v1']) {
      const answer = await user.request('GET', `${start}${rows.path}${at}`)
      expect([answer.status, answer.body], start).toEqual([200, row])
      expectProblem(await stranger.request('GET', `${start}${rows.path}${at}`), 404)
    }
    const foreign = [
      ...hostileUsers,
      user.id.toUpperCase(),
      `${user.id}%00`,
      `${user.id}%20`,
      `%20${user.id}`,
    ]
    for (const name of [
      ...foreign,
      `${user.id}%2Fx`,
      Array.from(user.id, percent).join('').replaceAll('%', '%25'),
    ]) {
      const answer = await user.request('GET', `/api/${name}${rows.path}${at}`)
      // A few are another path altogether once the URL is parsed, that of the whole account among them.
      expect([403, 404, 405], `${name} ${answer.text}`).toContain(answer.status)
      expectProblem(answer, answer.status)
      expect(answer.headers.get('x-d1-rows-read')).toBe('0')
    }
  })

  test('hostile headers are a 4xx or have no effect', async () => {
    const { rows, at } = await oneRow()
    const before = await stateOf(rows)
    const tags = ['"', '""', '"a', 'W/', 'W/"1"', ',', ', ,', '"1",', '*, *', '"*"', '1', '"-1"']
    for (const tag of [
      ...tags,
      `"${'9'.repeat(400)}"`,
      '"1e3"',
      '"0x1"',
      `${'"1",'.repeat(1_000)}"2"`,
      "' OR 1=1",
    ]) {
      expectProblem(await rows.call('DELETE', at, undefined, { 'If-Match': tag }), 412)
      expect((await rows.call('GET', at, undefined, { 'If-None-Match': tag })).status, tag).toBe(200)
    }
    const long = 'a'.repeat(4_000)
    for (const bookmark of [
      '',
      'x',
      '0',
      'first-primary',
      'first-unconstrained',
      "'; --",
      long,
      `${'0'.repeat(8)}-`,
    ]) {
      expect((await rows.call('GET', at, undefined, { 'x-d1-bookmark': bookmark })).status, bookmark).toBe(
        200,
      )
    }
    expect(await stateOf(rows)).toBe(before)
  })
})

/** Whether a JSON value has the type of a field, so that more than its type decides. */
function isOfType({ nullable, shape }: Field, value: unknown): boolean {
  if (value === null) return nullable
  switch (shape.kind) {
    case 'text':
      return typeof value === 'string'
    case 'array':
      return Array.isArray(value) && value.length === 0
    case 'boolean':
      return typeof value === 'boolean'
    case 'number':
      return typeof value === 'number'
    default:
      return false
  }
}

function percent(letter: string): string {
  return `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`
}
