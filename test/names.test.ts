import { env } from 'cloudflare:workers'
import { sql } from 'drizzle-orm'
import { text } from 'drizzle-orm/sqlite-core'
import { expect, test } from 'vitest'
import { createApp } from '../src/app.ts'
import * as fields from '../src/engine/fields.ts'
import { defineResource, ownedTable } from '../src/engine/resource.ts'
import { bind, compileUnscoped, slot } from '../src/d1/statement.ts'
import { newUser } from './client.ts'

/** Names that the engine uses for something of its own. */
const NAMES = [
  'owner',
  'match',
  'live',
  'sort_key',
  'problem',
  'collection',
  'deleted',
  'value',
  'key',
  'v0',
] as const

const table = ownedTable('odd_names', Object.fromEntries(NAMES.map((name) => [name, text()])))
const oddNames = defineResource({
  table,
  input: Object.fromEntries(NAMES.map((name) => [name, fields.text(50)])),
  sort: ['created_at'],
})

test('a field may have any name that the engine uses for something else', async () => {
  const columns = NAMES.map((name) => `"${name}" TEXT`).join()
  await env.DB.batch(
    [
      `CREATE TABLE odd_names (id TEXT NOT NULL, user_id TEXT NOT NULL, ${columns}, revision INTEGER NOT NULL, created_at TEXT NOT NULL,
       updated_at TEXT NOT NULL, created_by TEXT, updated_by TEXT, deleted_at TEXT, PRIMARY KEY (user_id, id)) STRICT, WITHOUT ROWID`,
      'CREATE UNIQUE INDEX odd_names_revision ON odd_names (user_id, revision)',
    ].map((statement) => env.DB.prepare(statement)),
  )
  const user = await newUser()
  const app = createApp([oddNames], [])
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const answer = await app.fetch(
      new Request(`https://api.test/api/me${path}`, {
        method,
        headers: { ...user.authorization, 'Content-Type': 'application/json', ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
      env,
    )
    return answer.json<Record<string, string>>()
  }
  const values = Object.fromEntries(NAMES.map((name) => [name, `the ${name}`]))
  const changed = Object.fromEntries(NAMES.map((name) => [name, `another ${name}`]))

  const created = await call('POST', '/odd_names', values, { 'Idempotency-Key': 'k' })
  expect(created).toMatchObject({ ...values, user_id: user.id })
  const path = `/odd_names/${created.id}`
  expect(await call('PATCH', path, changed, { 'If-Match': `"${created.revision}"` })).toMatchObject(changed)
  expect(await call('PUT', path, values)).toMatchObject(values)
  expect(await call('POST', `${path}/restore`)).toMatchObject(values)
  expect(await call('GET', '/odd_names?sort=created_at')).toMatchObject({ odd_names: [values] })
  expect(await call('GET', '/changes')).toMatchObject({ changes: [{ data: values }] })
  const bulk = { operations: [{ op: 'update', id: created.id, data: changed }] }
  expect(await call('POST', '/odd_names/bulk', bulk)).toMatchObject({ results: [{ odd_name: changed }] })
})

test('a field cannot have the name of what every JavaScript object has', () => {
  const odd = ownedTable('odd', { constructor: text() })
  expect(() => defineResource({ table: odd, input: {} })).toThrow('constructor')
})

test('a placeholder is bound once, and never what a value of the same text is', () => {
  const statement = compileUnscoped(
    sql`SELECT ${'owner'} AS a, ${slot('owner')} AS b, ${slot('owner')} AS c, ${'owner'} AS d`,
  )
  expect(bind(statement, { owner: 'me' })).toEqual({
    sql: 'SELECT ?1 AS a, ?2 AS b, ?2 AS c, ?3 AS d',
    parameters: ['owner', 'me', 'owner'],
  })
})
