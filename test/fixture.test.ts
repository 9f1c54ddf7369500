import { env } from 'cloudflare:workers'
import { text as column } from 'drizzle-orm/sqlite-core'
import * as z from 'zod'
import { beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../src/app.ts'
import { title } from '../src/engine/fields.ts'
import { defineResource, ownedTable } from '../src/engine/resource.ts'
import { newUser } from './client.ts'
import declaration from './fixtures/specimens.ts?raw'
import resource, { specimens } from './fixtures/specimens.ts'
import { recordedApp } from './recorder.ts'
import { applyMigrations } from './rows.ts'

// A resource that this API does not have, declared in one short file; its migration was generated from that file alone.
const app = recordedApp(createApp([resource], []))

beforeAll(() => applyMigrations(env.FIXTURE_MIGRATIONS, 'fixture_migrations'))

async function newWriter() {
  const { id, authorization } = await newUser()
  const call = (method: string, suffix = '', body?: unknown, headers: Record<string, string> = {}) =>
    app.fetch(method, `/api/me/specimens${suffix}`, body, { ...authorization, ...headers })
  return { id, call }
}

test('a resource of three fields is one file of under 25 lines', () => {
  expect(declaration.trimEnd().split('\n').length).toBeLessThan(25)
  expect(resource.writable.size).toBe(3)
})

test('its generated table is STRICT, WITHOUT ROWID, keyed by owner and id', async () => {
  const { results } = await env.DB.prepare(
    `SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'specimens'`,
  ).all()
  const table = results.find(({ name }) => name === 'specimens')
  expect(table?.sql).toMatch(/PRIMARY KEY\(`user_id`, `id`\)\s*\) STRICT, WITHOUT ROWID$/)
  expect(results.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['specimens_revision', 'specimens_trash']),
  )
})

describe('every route serves it', () => {
  test('it is created, read, replaced, changed, listed and deleted', async () => {
    const { id: user, call } = await newWriter()
    const created = await call('POST', '', { body: 'Buy ink', due: '2026-11-20' })
    expect(created.status, created.text).toBe(201)
    const note = created.body
    expect(note).toEqual({
      id: expect.any(String),
      user_id: user,
      body: 'Buy ink',
      pinned: false,
      due: '2026-11-20',
      revision: expect.any(Number),
      created_at: expect.any(String),
      updated_at: expect.any(String),
      created_by: user,
      updated_by: user,
    })
    const at = `/${note.id}`
    expect(created.headers.get('Location')).toBe(`/api/me/specimens${at}`)
    expect((await call('GET', at)).body).toEqual(note)
    expect((await call('PATCH', at, { pinned: true })).body).toMatchObject({
      pinned: true,
      due: '2026-11-20',
    })
    const put = await call('PUT', at, { body: 'Buy paper' })
    expect(put.body).toMatchObject({ body: 'Buy paper', pinned: false, due: null })
    expect((await call('GET')).body).toEqual({ specimens: [put.body], count: 1, next_cursor: null })
    expect((await call('DELETE', at)).status).toBe(204)
    expect((await call('GET', at)).status).toBe(404)
    expect((await call('GET', '?trashed=true')).body.count).toBe(1)
  })

  test('its filters, orders and search work, and no others', async () => {
    const { call } = await newWriter()
    const rows = [
      { body: 'b', pinned: true, due: '2026-11-20' },
      { body: 'A', pinned: false, due: '2026-12-01T08:00:00+01:00' },
      { body: 'c', pinned: true },
    ]
    for (const row of rows) expect((await call('POST', '', row)).status).toBe(201)
    const bodies = async (query: string) =>
      (await call('GET', query)).body.specimens.map(({ body }: { body: string }) => body)
    expect(await bodies('')).toEqual(['c', 'A', 'b'])
    expect(await bodies('?sort=body')).toEqual(['A', 'b', 'c'])
    expect(await bodies('?sort=-due')).toEqual(['A', 'b', 'c'])
    expect(await bodies('?pinned=true')).toEqual(['c', 'b'])
    expect(await bodies('?due_before=2026-11-30')).toEqual(['b'])
    expect(await bodies('?q=a')).toEqual(['A'])
    for (const query of ['?due=2026-11-20', '?body=b', '?sort=pinned', '?due_after=2026-01-01']) {
      expect((await call('GET', query)).status, query).toBe(422)
    }
  })

  test('it is invalid, stale, unknown and another user’s like any other', async () => {
    const [mine, theirs] = [await newWriter(), await newWriter()]
    const { body: note } = await mine.call('POST', '', { body: 'Mine' })
    const at = `/${note.id}`
    expect((await mine.call('POST', '', { body: ' ' })).body.errors).toMatchObject([{ path: 'body' }])
    expect((await mine.call('POST', '', { body: 'x', colour: 1 })).body.errors).toMatchObject([
      { path: 'colour' },
    ])
    expect((await mine.call('PUT', at, { body: 'x' }, { 'If-Match': '"1"' })).status).toBe(412)
    expect((await mine.call('PROPFIND', at)).headers.get('Allow')).toBe('GET, PUT, PATCH, DELETE, HEAD')
    for (const [method, body] of [
      ['GET'],
      ['PUT', { body: 'x' }],
      ['PATCH', { body: 'x' }],
      ['DELETE'],
    ] as const) {
      expect((await theirs.call(method, at, body)).status).toBe(404)
    }
    expect((await mine.call('GET', at)).body).toEqual(note)
    expect((await theirs.call('GET')).body.count).toBe(0)
  })
})

test('a misspelt column is a compile error wherever a declaration names one', () => {
  const input = { body: title(2000) }
  const table = specimens
  const pined = { body: title(9), pined: z.boolean() }
  // @ts-expect-error -- the table has no such column to write
  const misspelt = () => defineResource({ table, input: pined })
  expect(misspelt).toThrow('no column pined')
  // @ts-expect-error -- a column of text does not hold numbers
  expect(defineResource({ table, input: { body: z.number() } }).name).toBe('specimens')
  // @ts-expect-error -- the table has no such column to filter by
  expect(() => defineResource({ table, input, filter: ['pined'] })).toThrow('no column pined')
  // @ts-expect-error -- nor here, under another name
  expect(() => defineResource({ table, input, filter: [{ as: 'b', upTo: 'deu' }] })).toThrow('no column deu')
  // @ts-expect-error -- the table has no such column to sort by
  expect(defineResource({ table, input, sort: ['boddy'] }).name).toBe('specimens')
  // @ts-expect-error -- the table has no such column to search
  expect(() => defineResource({ table, input, search: ['boddy'] })).toThrow('no column boddy')
  expect(defineResource({ table, input, filter: ['pinned'], sort: ['body'], search: ['body'] }).name).toBe(
    'specimens',
  )
})

test('a column that nothing would ever fill is refused at start-up', () => {
  const input = { pinned: z.boolean() }
  expect(() => defineResource({ table: specimens, input })).toThrow('nothing ever fills it')
})

test('a column that is not migrated yet is a 503, not its own name as a value', async () => {
  // Named, as Drizzle knows the columns of a table's name from the declaration above.
  const table = ownedTable('specimens', { colour: column('colour') })
  const ahead = defineResource({ table, input: { colour: title(20) } })
  const { authorization } = await newUser()
  const answer = await recordedApp(createApp([ahead], [])).fetch(
    'GET',
    '/api/me/specimens',
    undefined,
    authorization,
  )
  expect([answer.status, answer.body.type]).toEqual([503, '/docs/problems#misconfigured'])
})
