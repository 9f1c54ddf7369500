import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  asAnswered,
  bodyOf,
  fieldsOf,
  fullBodyOf,
  leastBodyOf,
  patchOf,
  valueOf,
  type Body,
  type Field,
} from '../arbitraries.ts'
import { newId, newUser, type Answer, type Json } from '../client.ts'
import {
  collectionOf,
  expectProblem,
  idIn,
  isCoupled,
  resources,
  routesOf,
  rowVerbsOf,
  type Collection,
} from '../collection.ts'
import { runs } from '../runs.ts'

const UUID = /[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}/g
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

describe.each(resources)('$name', (resource) => {
  const fields = fieldsOf(resource)
  const rowVerbs = rowVerbsOf(resource)
  /** `METHOD /path` of every request that succeeded. */
  const exercised = new Set<string>()

  async function collection(): Promise<Collection> {
    const made = await collectionOf(resource)
    const recorded: Collection['call'] = async (method, suffix = '', body, headers) => {
      const answer = await made.call(method, suffix, body, headers)
      const pattern = suffix.replace(/\?.*/, '').replaceAll(UUID, ':id') || '/'
      if (answer.status < 300) exercised.add(`${method} ${pattern}`)
      return answer
    }
    return { ...made, call: recorded }
  }

  async function oneRow(): Promise<{ rows: Collection; row: Json; at: string }> {
    const rows = await collection()
    const row = await rows.create(anyOf(fullBodyOf(resource, rows)))
    return { rows, row, at: `/${row.id}` }
  }

  /** The fields of a body as the row that it makes must show them, those left out with their default. */
  function expected(body: Body): Body {
    const untouched = !Object.keys(body).some((name) => isCoupled(resource, name))
    const shown = fields.filter(({ name }) => name in body || !isCoupled(resource, name) || untouched)
    return Object.fromEntries(shown.map((field) => [field.name, sentOrDefault(field, body)]))
  }

  function sentOrDefault(field: Field, body: Body): unknown {
    if (field.name in body) return asAnswered(field, body[field.name])
    const column = resource.writable.get(field.name)
    return column?.generated ? expect.anything() : (column?.default ?? null)
  }

  /** The fields of a body as any row that was made of it shows them. */
  function answered(body: Body): Body {
    const sent = fields.filter(({ name }) => name in body)
    return Object.fromEntries(sent.map((field) => [field.name, asAnswered(field, body[field.name])]))
  }

  test('a created row is answered whole, with its Location and its ETag, and is read back the same', async () => {
    const rows = await collection()
    await fc.assert(
      fc.asyncProperty(bodyOf(resource, rows), async (body) => {
        const created = await rows.call('POST', '', body)
        expect(created.status, created.text).toBe(201)
        const row = created.body
        expect(Object.keys(row)).toEqual(resource.visible.map(({ name }) => name))
        expect(row).toMatchObject(expected(body))
        expect(row).toMatchObject({
          id: expect.stringMatching(UUID),
          user_id: rows.user.id,
          revision: expect.any(Number),
          created_at: expect.stringMatching(MOMENT),
          updated_at: row.created_at,
          created_by: rows.user.id,
          updated_by: rows.user.id,
        })
        expect(created.headers.get('Location')).toBe(`/api/me${rows.path}/${row.id}`)
        expectRow(created, row)

        const read = await rows.call('GET', `/${row.id}`)
        expect(read.status).toBe(200)
        expect(read.body).toEqual(row)
        expectRow(read, row)
      }),
      { numRuns: runs(5) },
    )
  })

  test('a client may choose the id, once', async () => {
    const rows = await collection()
    const body = { ...anyOf(leastBodyOf(resource, rows)), id: newId() }
    expect(await rows.create(body)).toMatchObject({ ...answered(body), id: body.id })
    expectProblem(await rows.call('POST', '', body), 409)
    await rows.call('DELETE', `/${body.id}`)
    expectProblem(await rows.call('POST', '', body), 409)
  })

  test('two users may use the same id, each for a row of their own', async () => {
    const [mine, theirs] = [await collection(), await collection()]
    const id = newId()
    await mine.create({ ...anyOf(leastBodyOf(resource, mine)), id })
    const { status, body } = await theirs.call('POST', '', { ...anyOf(leastBodyOf(resource, theirs)), id })
    expect(status).toBe(201)
    expect(body.user_id).toBe(theirs.user.id)
    await theirs.call('DELETE', `/${id}`)
    expect((await mine.call('GET', `/${id}`)).body.user_id).toBe(mine.user.id)
  })

  test.each([
    '',
    'not-an-id',
    '0190A3F0-0000-7000-8000-000000000000',
    '0190a3f0-0000-4000-8000-000000000000',
    7,
    null,
    {},
  ])('an id that is no lower-case UUIDv7 is refused on create: %j', async (id) => {
    const rows = await collection()
    const refused = await rows.call('POST', '', { ...anyOf(leastBodyOf(resource, rows)), id })
    expectProblem(refused, 422, ['id'])
    expect(await rows.all()).toEqual([])
  })

  test('PUT replaces every writable field and PATCH changes only what it names, in any order', async () => {
    const rows = await collection()
    const change = fc.oneof(
      fc.record({ method: fc.constant('PUT'), body: bodyOf(resource, rows) }),
      fc.record({ method: fc.constant('PATCH'), body: patchOf(resource, rows) }),
    )
    const changes = fc.array(change, { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(bodyOf(resource, rows), changes, async (first, then) => {
        let row = await rows.create(first)
        for (const { method, body } of then) {
          const changed = await rows.call(method, `/${row.id}`, body)
          expect(changed.status, changed.text).toBe(200)
          expect(changed.body).toMatchObject(method === 'PUT' ? expected(body) : patched(row, body))
          expect(changed.body).toMatchObject({
            id: row.id,
            user_id: row.user_id,
            created_at: row.created_at,
          })
          expect(changed.body.revision).toBeGreaterThan(row.revision)
          expect(changed.body.updated_at >= row.updated_at).toBe(true)
          expectRow(changed, changed.body)
          row = changed.body
        }
        expect((await rows.call('GET', `/${row.id}`)).body).toEqual(row)
      }),
      { numRuns: runs(5) },
    )
  })

  test('PUT of a body leaves the same writable fields as POST of it, whatever the row held', async () => {
    const rows = await collection()
    const bodies = [fullBodyOf(resource, rows), bodyOf(resource, rows)] as const
    await fc.assert(
      fc.asyncProperty(...bodies, async (before, body) => {
        const { id } = await rows.create(before)
        const put = await rows.call('PUT', `/${id}`, body)
        expect(written(put.body)).toEqual(written(await rows.create(body)))
      }),
      { numRuns: runs(5) },
    )
  })

  function patched(row: Json, body: Body): Body {
    const coupled = Object.keys(body).some((name) => isCoupled(resource, name))
    const kept = resource.visible.filter(
      ({ name }) => !['revision', 'updated_at'].includes(name) && !(coupled && isCoupled(resource, name)),
    )
    const sent = fields.filter(({ name }) => name in body)
    return {
      ...Object.fromEntries(kept.map(({ name }) => [name, row[name]])),
      ...Object.fromEntries(sent.map((field) => [field.name, asAnswered(field, body[field.name])])),
    }
  }

  function written(row: Json): Body {
    return Object.fromEntries(fields.map(({ name }) => [name, row[name]]))
  }

  test('an unknown field is a 422 that names it, and nothing is stored', async () => {
    const { rows, row, at } = await oneRow()
    const body = anyOf(fullBodyOf(resource, rows))
    for (const [method, suffix] of [['POST'], ['PUT', at], ['PATCH', at]] as const) {
      for (const name of ['no_such_field', 'deleted_at', 'toString', '__PROTO__', '0', 'a.b', '']) {
        expectProblem(await rows.call(method, suffix, { ...body, [name]: 1 }), 422, [name])
      }
      const two = await rows.call(method, suffix, { ...body, no_such: 1, nor_such: null })
      expectProblem(two, 422, ['no_such', 'nor_such'])
    }
    expect(await rows.all()).toEqual([row])
  })

  test('a required field left out of POST or PUT, or null, is a 422 that names it', async () => {
    const { rows, row, at } = await oneRow()
    for (const { name, required, nullable } of fields) {
      const { [name]: _, ...without } = anyOf(fullBodyOf(resource, rows))
      for (const [method, suffix] of [['POST'], ['PUT', at], ['PATCH', at]] as const) {
        if (!nullable)
          expectProblem(await rows.call(method, suffix, { ...without, [name]: null }), 422, [name])
        if (required && method !== 'PATCH')
          expectProblem(await rows.call(method, suffix, without), 422, [name])
      }
    }
    expect(await rows.all()).toEqual([row])
  })

  test('read-only fields may be sent back and are ignored', async () => {
    const { rows, row, at } = await oneRow()
    const other = await newUser()
    const readOnly = resource.visible.map(({ name }) => name).filter((name) => !resource.writable.has(name))
    const lies: Body = Object.fromEntries(readOnly.map((name) => [name, { not: 'what it was' }]))
    Object.assign(lies, { id: row.id, user_id: other.id })

    const put = await rows.call('PUT', at, { ...row, ...lies })
    expect(put.status, put.text).toBe(200)
    expect(written(put.body)).toEqual(written(row))
    expect(put.body).toMatchObject({ id: row.id, user_id: rows.user.id, created_at: row.created_at })
    const patch = anyOf(patchOf(resource, rows))
    expect((await rows.call('PATCH', at, { ...lies, ...patch })).body.user_id).toBe(rows.user.id)
    expectProblem(await rows.call('PATCH', at, lies), 400)

    const created = await rows.create({ ...anyOf(leastBodyOf(resource, rows)), ...lies, id: newId() })
    expect(created.user_id).toBe(rows.user.id)
    expect(created.created_at).toMatch(MOMENT)
    expect(created.revision).toEqual(expect.any(Number))
  })

  test('an id in the body that differs from the path is a 422', async () => {
    const { rows, row, at } = await oneRow()
    const body = { ...anyOf(fullBodyOf(resource, rows)), id: newId() }
    for (const method of ['PUT', 'PATCH']) expectProblem(await rows.call(method, at, body), 422, ['id'])
    expect(await rows.all()).toEqual([row])
  })

  test('an empty PATCH is a 400', async () => {
    const { rows, at } = await oneRow()
    expectProblem(await rows.call('PATCH', at, {}), 400)
  })

  test('a deleted row is gone from everywhere but the trash', async () => {
    const { rows, row, at } = await oneRow()
    const kept = await rows.create(anyOf(leastBodyOf(resource, rows)))
    const deleted = await rows.call('DELETE', at)
    expect(deleted.status).toBe(204)
    expect(deleted.text).toBe('')

    for (const [method, suffix, body] of everyRowRequest(rows, at)) {
      if (!suffix.endsWith('/restore')) expectProblem(await rows.call(method, suffix, body), 404)
    }
    expect(await rows.all()).toEqual([kept])
    const trash = await rows.all('&trashed=true')
    expect(trash.map(written)).toEqual([written(row)])
  })

  test('a deleted row is restored as it was, with a new revision, and a live one is left alone', async () => {
    const { rows, row, at } = await oneRow()
    await rows.call('DELETE', at)
    const [trashed] = await rows.all('&trashed=true')
    const stale = { 'If-Match': `"${row.revision}"` }
    expectProblem(await rows.call('POST', `${at}/restore`, undefined, stale), 412)
    const current = { 'If-Match': `"${trashed.revision}"` }
    const restored = await rows.call('POST', `${at}/restore`, undefined, current)
    expect(restored.status, restored.text).toBe(200)
    expect(written(restored.body)).toEqual(written(row))
    expect(restored.body.created_at).toBe(row.created_at)
    expect(restored.body.revision).toBeGreaterThan(trashed.revision)
    expectRow(restored, restored.body)
    expect((await rows.call('POST', `${at}/restore`)).body).toEqual(restored.body)
    expect(await rows.all()).toEqual([restored.body])
    expect(await rows.all('&trashed=true')).toEqual([])
  })

  test('a reference to a missing, trashed or foreign row is a 422 on its field, and nothing is stored', async () => {
    const { rows, row, at } = await oneRow()
    const other = await collectionOf(resource)
    for (const { column } of resource.references) {
      const [trashed = '', ...live] = rows.references[column.name] ?? []
      const [trashedAt = ''] = rows.referencePaths[column.name] ?? []
      expect((await rows.user.call('DELETE', trashedAt)).status).toBe(204)
      const before = await rows.all()
      const foreign = other.references[column.name] ?? []
      for (const id of [newId(), trashed, row.id, ...foreign]) {
        const body = { ...anyOf(leastBodyOf(resource, rows)), [column.name]: id }
        expectProblem(await rows.call('POST', '', body), 422, [column.name])
        for (const method of ['PUT', 'PATCH']) {
          expectProblem(await rows.call(method, at, body), 422, [column.name])
        }
      }
      expect(await rows.all()).toEqual(before)
      for (const id of [...live, ...(column.notNull ? [] : [null])]) {
        const changed = await rows.call('PATCH', at, { [column.name]: id })
        expect(changed.status, changed.text).toBe(200)
        expect(changed.body[column.name]).toBe(id)
      }
    }
  })

  test('a child is reached through its own, live parent alone', async () => {
    const { rows, row, at } = await oneRow()
    if (!resource.parent) return expect(rows.path).toBe(`/${resource.name}`)
    const [sibling, foreign] = [await collectionOf(resource, rows.user), await collectionOf(resource)]
    const missing = rows.path.replace(idIn(parentOf(rows)), newId())
    for (const [method, suffix, body] of everyRowRequest(rows, at)) {
      for (const path of [sibling.path, foreign.path, missing]) {
        expectProblem(await rows.user.call(method, `${path}${suffix}`, body), 404)
      }
    }
    for (const path of [foreign.path, missing, rows.path.replace(idIn(parentOf(rows)), 'x')]) {
      expectProblem(await rows.user.call('GET', path), 404)
      expectProblem(await rows.user.call('GET', `${path}?total=true&trashed=true`), 404)
      expectProblem(await rows.user.call('POST', path, anyOf(leastBodyOf(resource, rows))), 404)
    }
    expect(await sibling.all()).toEqual([])
    expect(await foreign.all()).toEqual([])
    expect(await rows.all()).toEqual([row])

    expect((await rows.user.call('DELETE', parentOf(rows))).status).toBe(204)
    expectProblem(await rows.call('GET'), 404)
    expectProblem(await rows.call('POST', '', anyOf(leastBodyOf(resource, rows))), 404)
    for (const [method, suffix, body] of everyRowRequest(rows, at)) {
      expectProblem(await rows.call(method, suffix, body), 404)
    }
    expect((await rows.user.call('POST', `${parentOf(rows)}/restore`)).status).toBe(200)
    expect(await rows.all()).toEqual([row])
  })

  test('a child collection is listed across its parents, newest first, and can be narrowed to one', async () => {
    const { parent } = resource
    const { rows, row } = await oneRow()
    const flat = `/${resource.name}`
    if (!parent) return expect(rows.path).toBe(flat)
    const sibling = await collectionOf(resource, rows.user)
    const other = await sibling.create(anyOf(leastBodyOf(resource, sibling)))
    const foreign = await collectionOf(resource)
    await foreign.create(anyOf(leastBodyOf(resource, foreign)))
    const ask = async (query = '') => (await rows.user.call('GET', `${flat}${query}`)).body

    expect(await ask()).toEqual({ [resource.name]: [other, row], count: 2, next_cursor: null })
    const [under] = [`${parent.column.name}=${row[parent.column.name]}`]
    expect(await ask(`?${under}&total=true`)).toMatchObject({ [resource.name]: [row], total: 1 })
    const { next_cursor } = await ask('?limit=1')
    expect((await ask(`?limit=1&cursor=${next_cursor}`))[resource.name]).toEqual([row])
    expectProblem(await rows.user.call('GET', `${flat}?${parent.column.name}=x`), 422, [parent.column.name])
    expectProblem(await rows.user.call('POST', flat, anyOf(leastBodyOf(resource, rows))), 405)
    expectProblem(await rows.user.call('GET', `${flat}/${row.id}`), 404)

    expect((await rows.user.call('DELETE', parentOf(rows))).status).toBe(204)
    expect((await ask())[resource.name]).toEqual([other])
    expect((await ask('?trashed=true'))[resource.name]).toEqual([])
    return undefined
  })

  function parentOf({ path }: Collection): string {
    return path.slice(0, path.lastIndexOf('/'))
  }

  test('a row that does not exist, or is not named by a UUIDv7, is a 404 for every method', async () => {
    const rows = await collection()
    for (const id of [newId(), crypto.randomUUID(), newId().toUpperCase(), 'x', '1']) {
      for (const [method, suffix, body] of everyRowRequest(rows, `/${id}`)) {
        expectProblem(await rows.call(method, suffix, body), 404)
        const matched = await rows.call(method, suffix, body, { 'If-Match': '"1"' })
        expectProblem(matched, 404)
      }
    }
  })

  function everyRowRequest(rows: Collection, at: string): [method: string, suffix: string, body?: Body][] {
    return [
      ['GET', at],
      ['PUT', at, anyOf(fullBodyOf(resource, rows))],
      ['PATCH', at, anyOf(patchOf(resource, rows))],
      ['DELETE', at],
      ...rowVerbs.map(({ method, suffix }): [string, string] => [method, `${at}${suffix}`]),
    ]
  }

  test('every verb beyond the five answers the row with its ETag', async () => {
    const { rows, row, at } = await oneRow()
    for (const { method, suffix } of rowVerbs) {
      const done = await rows.call(method, `${at}${suffix}`)
      expect(done.status, done.text).toBe(200)
      expect(done.body).toMatchObject({ id: row.id, user_id: rows.user.id, created_at: row.created_at })
      expectRow(done, done.body)
      expect((await rows.call('GET', at)).body).toEqual(done.body)
    }
  })

  test('a bulk creates, updates and deletes at once, or does nothing and says which operation is at fault', async () => {
    const { rows, row, at } = await oneRow()
    const gone = await rows.create(anyOf(leastBodyOf(resource, rows)))
    const stranger = await collection()
    const theirs = await stranger.create(anyOf(leastBodyOf(resource, stranger)))
    const [body, patch] = [anyOf(fullBodyOf(resource, rows)), anyOf(patchOf(resource, rows))]
    const operations = [
      { op: 'create', data: { ...body, id: newId() } },
      { op: 'update', id: row.id, data: patch },
      { op: 'delete', id: gone.id },
    ]
    const before = await rows.all()
    for (const id of [theirs.id, newId()]) {
      for (const fault of [
        { op: 'update', id, data: patch },
        { op: 'delete', id },
      ]) {
        const refused = await rows.call('POST', '/bulk', { operations: [...operations, fault] })
        expectProblem(refused, 404)
        expect(refused.body.index).toBe(3)
      }
    }
    const unknown = { op: 'create', data: { ...body, no_such_field: 1 } }
    expectProblem(await rows.call('POST', '/bulk', { operations: [...operations, unknown] }), 422)
    expect(await rows.all()).toEqual(before)
    expect(await stranger.all()).toEqual([theirs])

    const done = await rows.call('POST', '/bulk', { operations })
    expect(done.status, done.text).toBe(200)
    const [created, updated, deleted] = done.body.results
    expect(created).toMatchObject({ status: 201, [resource.singular]: { user_id: rows.user.id } })
    expect(written(created[resource.singular])).toMatchObject(expected(body))
    expect(updated[resource.singular]).toMatchObject(patched(row, patch))
    expect(deleted).toEqual({ status: 204, id: gone.id })
    expect(await rows.all()).toEqual([created[resource.singular], updated[resource.singular]])
    expect((await rows.call('GET', at)).body).toEqual(updated[resource.singular])
  })

  test('If-Match lets a write through only when it names the revision the row has', async () => {
    const { rows, row, at } = await oneRow()
    const etag = (of: Json) => `"${of.revision}"`
    const writes = everyRowRequest(rows, at).filter(([method]) => method !== 'GET' && method !== 'DELETE')
    let now = row
    for (const [method, suffix, body] of [...writes, ['DELETE', at] as const]) {
      for (const stale of [
        '"1"',
        `W/${etag(now)}`,
        String(now.revision),
        '""',
        '"x"',
        `"${now.revision + 1}"`,
      ]) {
        const refused = await rows.call(method, suffix, body, { 'If-Match': stale })
        expectProblem(refused, 412)
        expect(refused.headers.get('ETag')).toBe(etag(now))
      }
      expect((await rows.call('GET', at)).body).toEqual(now)
      const done = await rows.call(method, suffix, body, { 'If-Match': `"1", ${etag(now)}` })
      expect(done.status, done.text).toBe(method === 'DELETE' ? 204 : 200)
      if (method !== 'DELETE') now = done.body
    }
    const again = await rows.create(anyOf(leastBodyOf(resource, rows)))
    expect((await rows.call('DELETE', `/${again.id}`, undefined, { 'If-Match': '*' })).status).toBe(204)
  })

  test('If-None-Match answers 304 without a body while the row has that revision', async () => {
    const { rows, row, at } = await oneRow()
    const etag = `"${row.revision}"`
    for (const header of [etag, `W/${etag}`, `"1", ${etag}`, '*']) {
      const same = await rows.call('GET', at, undefined, { 'If-None-Match': header })
      expect(same.status).toBe(304)
      expect(same.text).toBe('')
      expect(same.headers.get('ETag')).toBe(etag)
    }
    const changed = await rows.call('GET', at, undefined, { 'If-None-Match': '"1"' })
    expect(changed.body).toEqual(row)
  })

  test('HEAD answers like GET, without the body', async () => {
    const { rows, row, at } = await oneRow()
    const head = await rows.call('HEAD', at)
    expect(head.status).toBe(200)
    expect(head.text).toBe('')
    expect(head.headers.get('ETag')).toBe(`"${row.revision}"`)
    expect((await rows.call('HEAD')).status).toBe(200)
  })

  test('any other method is a 405 that says which ones there are', async () => {
    const { rows, at } = await oneRow()
    const paths = [...new Set(routesOf(resource).map(({ path }) => path))]
    for (const path of paths) {
      const methods = routesOf(resource)
        .filter((route) => route.path === path)
        .map(({ method }) => method)
      if (methods.includes('GET')) methods.push('HEAD')
      const suffix = path === '/' ? '' : path.replace('/:id', at)
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
        if (methods.includes(method)) continue
        const refused = await rows.call(method, suffix)
        expectProblem(refused, 405)
        expect(refused.headers.get('Allow')?.split(', ').toSorted()).toEqual(methods.toSorted())
      }
    }
  })

  test('a body that is not JSON, not well-formed or too large is a 415, 400 or 413, and stores nothing', async () => {
    const { rows, row, at } = await oneRow()
    const body = anyOf(fullBodyOf(resource, rows))
    const json = JSON.stringify(body)
    for (const [method, suffix] of [['POST'], ['PUT', at], ['PATCH', at]] as const) {
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/jsonp',
        'json',
        '',
      ]) {
        expectProblem(await rows.call(method, suffix, json, { 'Content-Type': type }), 415)
      }
      for (const text of ['', '{', `${json}}`, "{'a':1}", '{"a":01}', 'undefined', 'NaN']) {
        expectProblem(await rows.call(method, suffix, text), 400)
      }
      const notUtf8 = new Uint8Array([...new TextEncoder().encode('{"a":"'), 0xc3, 0x28, 0x22, 0x7d])
      expectProblem(await rows.call(method, suffix, notUtf8), 400)
      for (const document of ['null', '[]', '"x"', '1', 'true', `[${json}]`]) {
        expectProblem(await rows.call(method, suffix, document), 422)
      }
      expectProblem(await rows.call(method, suffix, `${json}${' '.repeat(65_536)}`), 413)
      const padded = `${json}${' '.repeat(65_536 - new TextEncoder().encode(json).length)}`
      const type = { 'Content-Type': 'Application/JSON ; charset=utf-8' }
      if (method !== 'POST') expect((await rows.call(method, suffix, padded, type)).status).toBe(200)
    }
    expect((await rows.all()).map(({ id }) => id)).toEqual([row.id])
  })

  test('the list holds the live rows, newest first, under the name of the collection', async () => {
    const rows = await collection()
    const made: Json[] = []
    for (let at = 0; at < 3; at += 1) made.unshift(await rows.create(anyOf(bodyOf(resource, rows))))
    const list = await rows.call('GET')
    expect(list.status).toBe(200)
    expect(list.body).toEqual({ [resource.name]: made, count: 3, next_cursor: null })
    expect(list.headers.get('Cache-Control')).toBe('no-store')
    expect(list.headers.has('Link')).toBe(false)
  })

  test('an unknown or repeated parameter of a list is a 422 that names it', async () => {
    const rows = await collection()
    for (const query of [
      '?no_such=1',
      '?user_id=x',
      '?deleted_at=x',
      '?__proto__=x',
      '?constructor=x',
      '?Limit=1',
    ]) {
      expectProblem(await rows.call('GET', query), 422, [query.slice(1, query.indexOf('='))])
    }
    expectProblem(await rows.call('GET', '?limit=1&limit=2'), 422, ['limit'])
    expectProblem(await rows.call('GET', '?trashed=true&trashed=true'), 422, ['trashed'])
  })

  test('/api/v1 is the same API', async () => {
    const { rows, row, at } = await oneRow()
    const path = `/api/v1/me${rows.path}`
    expect((await rows.user.request('GET', path + at)).body).toEqual(row)
    expect((await rows.user.request('GET', path)).body[resource.name]).toEqual([row])
    const created = await rows.user.request('POST', path, anyOf(leastBodyOf(resource, rows)))
    expect(created.status).toBe(201)
    expect(created.headers.get('Location')).toBe(`${path}/${created.body.id}`)
    expect((await rows.user.request('GET', created.headers.get('Location') ?? '')).body).toEqual(created.body)
  })

  test('no route answers without a token, with a bad one, or at the path of another user', async () => {
    const { rows, row, at } = await oneRow()
    const theirs = await collectionOf(resource)
    const stranger = theirs.user
    for (const { method, path } of routesOf(resource)) {
      const suffix = path === '/' ? '' : path.replace('/:id', at)
      const bodies = method === 'PATCH' ? patchOf : leastBodyOf
      const single = method === 'GET' || method === 'DELETE' ? undefined : anyOf(bodies(resource, theirs))
      const body = path === '/bulk' ? { operations: [{ op: 'delete', id: row.id }] } : single
      const own = `/api/me${rows.path}${suffix}`
      const unknown = await rows.user.request(method, own, body, { Authorization: '' })
      expectProblem(unknown, 401)
      expectFree(unknown)
      const bad = await rows.user.request(method, own, body, { Authorization: 'Bearer a.b.c' })
      expectProblem(bad, 401)
      expectFree(bad)
      const foreign = await stranger.request(method, `/api/${rows.user.id}${rows.path}${suffix}`, body)
      expectProblem(foreign, 403)
      expectFree(foreign)
      if (path !== '/' || resource.parent) {
        expectProblem(await stranger.call(method, `${rows.path}${suffix}`, body), 404)
      }
    }
    expect(await rows.all()).toEqual([row])
  })

  test('every field has values that are refused and values that are taken', () => {
    for (const field of fields) {
      const create = resource.input.create()
      const least = anyOf(leastBodyOf(resource))
      expect(create.safeParse({ ...least, [field.name]: anyOf(valueOf(field.shape)) }).success).toBe(true)
      expect(create.safeParse({ ...least, [field.name]: { not: 'a value' } }).success).toBe(false)
    }
  })

  test('nothing that the resource answers was left out above', () => {
    const declared = routesOf(resource).map(({ method, path }) => `${method} ${path}`)
    expect(declared.filter((route) => !exercised.has(route))).toEqual([])
  })
})

/** One value of an arbitrary, the same in every run. */
function anyOf<Value>(arbitrary: fc.Arbitrary<Value>): Value {
  const [value] = fc.sample(arbitrary, { numRuns: 1, seed: 20_261_120 })
  return value as Value
}

function expectRow(answer: Answer, row: Json): void {
  expect(answer.headers.get('ETag')).toBe(`"${row.revision}"`)
  expect(answer.headers.get('Cache-Control')).toBe('private, no-cache')
}

function expectFree(answer: Answer): void {
  expect(answer.headers.get('x-d1-rows-read')).toBe('0')
  expect(answer.headers.get('x-d1-rows-written')).toBe('0')
}
