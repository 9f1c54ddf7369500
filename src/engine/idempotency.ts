import { NOW } from '../d1/clock.ts'
import { sql } from 'drizzle-orm'
import { index, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import * as z from 'zod/mini'
import type { Resource } from './resource.ts'
import { keptByShape, scopeOf } from './sql/scope.ts'
import type { WriteOptions } from './sql/writes.ts'
import { assertion } from '../d1/assertion.ts'
import { compileOwned, compileUnscoped, OWNER, slot, type Statement } from '../d1/statement.ts'

/**
 * What was done under an Idempotency-Key, for {@link KEY_HOURS}. It belongs to the user, like any row, but no route
 * returns it.
 */
export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    user_id: text().notNull(),
    /** The request's verb and collection: keys of different routes do not meet. */
    route: text().notNull(),
    key: text().notNull(),
    /** SHA-256 of the body: the same key with another body is a mistake. */
    fingerprint: text().notNull(),
    /** The results of the request, in order: `[{ status, id }, …]`. */
    outcome: text().notNull(),
    created_at: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.user_id, table.route, table.key] }),
    index('idempotency_keys_created_at').on(table.created_at),
  ],
)

/** How long a key is remembered, in hours. */
export const KEY_HOURS = 24

/** The client's name for one attempt to write, so that doing it again does nothing more. */
export interface IdempotencyKey {
  route: string
  key: string
  fingerprint: string
}

/** What a request did, as it is remembered: a status and the id of a row each. */
export const outcomes = z.lazy(() => z.array(z.strictObject({ status: z.int(), id: z.string() })))

/** One thing of {@link outcomes}. */
export type Outcome = z.output<typeof outcomes>[number]

/** The key of the placeholders `route` and `key`. */
export const isTheKey = sql`${idempotencyKeys.user_id} = ${slot(OWNER)} AND ${idempotencyKeys.route} = ${slot('route')}
  AND ${idempotencyKeys.key} = ${slot('key')}`
const forgottenAt = sql`strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ${sql.raw(`'-${KEY_HOURS} hours'`)})`
const isRemembered = sql`${idempotencyKeys.created_at} > ${forgottenAt}`
const theKey = sql`SELECT 1 FROM ${idempotencyKeys} WHERE ${isTheKey} AND ${isRemembered}`
// A key that is still there although it is not remembered any more is simply written over.
const insertKey = sql`INSERT OR REPLACE INTO ${idempotencyKeys} (user_id, route, key, fingerprint, outcome, created_at)`
const keyValues = sql`${slot(OWNER)}, ${slot('route')}, ${slot('key')}, ${slot('fingerprint')}, ${slot('outcome')}, ${NOW}`

/** The statements of an Idempotency-Key, whatever is written under it. */
export const anyKey = {
  /** Asserts that the key has not been used. */
  unused: compileOwned(assertion(sql`NOT EXISTS (${theKey})`)),

  /** Remembers the key, in the batch of the work done under it: both are stored or neither is. */
  remember: compileOwned(sql`${insertKey} VALUES (${keyValues})`),

  /** What is remembered of the key. */
  recall: compileOwned(
    sql`SELECT fingerprint, outcome FROM ${idempotencyKeys} WHERE ${isTheKey} AND ${isRemembered}`,
  ),
}

/** The statements of the Idempotency-Keys under which a resource's rows are written. */
export function keysOf(resource: Resource) {
  const { table } = resource
  const { live, restorable, matches, columns } = scopeOf(resource)
  const kept = keptByShape()
  return {
    ...anyKey,

    /** Remembers the key if a restore of the row with the placeholder `id` is going to succeed. */
    rememberRestore({ match }: WriteOptions): Statement {
      return kept(`remember restore ${match}`, () => {
        const matched = match ? sql` AND ${matches}` : sql``
        return sql`${insertKey} SELECT ${keyValues}
          WHERE EXISTS (SELECT 1 FROM ${table} WHERE ${restorable} AND ${table.id} = ${slot('id')}${matched})`
      })
    },

    /** The rows, as they are now, that the key's request wrote: those in the trash or purged since are missing. */
    recallRows: compileOwned(sql`SELECT ${columns} FROM ${table} WHERE ${live} AND ${table.id} IN (
      SELECT json_extract(done.value, '$.id') FROM ${idempotencyKeys}, json_each(outcome) AS done WHERE ${isTheKey})`),
  }
}

/** How many keys one statement forgets. */
const FORGOTTEN = 1_000

/** Deletes keys, of every user, that are not remembered any more. Returns something for each of them. */
export const forgetStatement =
  compileUnscoped(sql`DELETE FROM ${idempotencyKeys} WHERE (user_id, route, key) IN (
    SELECT user_id, route, key FROM ${idempotencyKeys} WHERE created_at <= ${forgottenAt}
    ORDER BY created_at LIMIT ${sql.raw(String(FORGOTTEN))}) RETURNING 1 AS forgotten`)
