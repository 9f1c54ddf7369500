import { sql, type SQL } from 'drizzle-orm'
import type { Hono } from 'hono'
import * as z from 'zod/mini'
import type { Row } from '../d1/database.ts'
import { decodeOpaque, encodeOpaque, invalidCursor } from '../engine/cursor.ts'
import type { App } from '../context.ts'
import { otherMethods } from '../http/methods.ts'
import { validQuery } from '../http/validators.ts'
import { Routes } from '../http/routes.ts'
import { memo } from '../memo.ts'
import { Problem } from '../problems.ts'
import { digits, fingerprint } from '../engine/query.ts'
import { TRASH_DAYS, type Resource } from '../engine/resource.ts'
import { decode } from '../engine/sql/rows.ts'
import { shown } from '../engine/sql/scope.ts'
import { bind, compileOwned, OWNER, type Values, list, slot } from '../d1/statement.ts'

/** How many changes a page has at most. */
export const MAX_CHANGES = 500
/** How many changes a page has without `limit`. */
export const DEFAULT_CHANGES = 100

const query = z.lazy(() =>
  z.strictObject({
    cursor: z.optional(z.string()),
    limit: z._default(digits(1, MAX_CHANGES), DEFAULT_CHANGES),
  }),
)

/**
 * How far a client has come: the last revision it knows of each collection, with the shape that its rows had then, and
 * when it last knew everything, in milliseconds since 1970. Deletions before that may be purged by now once it is too
 * long ago.
 */
const position = z.lazy(() =>
  z.strictObject({
    at: z.int(),
    seen: z.array(
      z.strictObject({ collection: z.string(), revision: z.int(), shape: z.optional(z.string()) }),
    ),
  }),
)
type Position = z.output<typeof position>

/**
 * `GET /changes`: everything of the user's that changed since the cursor, over all collections, in one batch a page.
 * Each row appears once, as it is now; one in the trash as deleted. Throws `invalid_query`, `cursor_expired`.
 */
export function changesFor(resources: readonly Resource[]): Hono<App> {
  const changes = new Routes()
  const shapes = memo(() => new Map(resources.map((resource) => [resource.name, shapeOf(resource)])))
  const statement = memo(() => compileOwned(changesStatement(resources)))

  changes.get('/', validQuery(query), async (c) => {
    const { cursor, limit } = c.req.valid('query')
    const now = Date.now()
    const since = cursor === undefined ? { at: now, seen: [] } : decodeCursor(cursor)
    const expired = since.at < now - TRASH_DAYS * 86_400_000
    if (expired || since.seen.some((one) => isReshaped(one, shapes()))) throw new Problem('cursor_expired')
    const values: Values = { [OWNER]: c.get('owner'), limit: limit + 1 }
    const seen = new Map(since.seen.map(({ collection, revision }) => [collection, revision]))
    for (const { name } of resources) values[`after ${name}`] = seen.get(name) ?? 0
    const [rows = []] = await c.get('database').batch([bind(statement(), values)], { repeatable: true })
    const more = rows.length > limit
    const entries = rows.slice(0, limit).map((row) => entryOf(resources, row))
    for (const { collection, revision } of entries) seen.set(collection, revision)
    // A deletion that this client has not seen yet may be as old as its last complete sync, so only that moves the date.
    const next = encodeOpaque({
      at: more ? since.at : now,
      seen: Array.from(seen, ([collection, revision]) => {
        const shape = shapes().get(collection)
        return { collection, revision, ...(shape !== undefined && { shape }) }
      }),
    })
    return c.json({ changes: entries, cursor: next, has_more: more })
  })

  otherMethods(changes, '/')
  return changes
}

/** What tells the rows of a resource, as a client sees them, from those before or after a change of its columns. */
function shapeOf({ visible }: Resource): string {
  const columns = visible.map((column) => [
    column.name,
    column.getSQLType(),
    column.dataType,
    column.enumValues,
    column.notNull,
  ])
  return fingerprint(columns)
}

/** A copy with rows of another shape than they have now has to start again. A collection that is gone changes nothing. */
function isReshaped(
  { collection, shape }: Position['seen'][number],
  shapes: ReadonlyMap<string, string>,
): boolean {
  return shapes.has(collection) && shapes.get(collection) !== shape
}

/**
 * One collection after the other, each in the order of its revisions, until the limit: the index on (user_id, revision)
 * is read no further than that. Collections have different columns, so each row comes as a list of values.
 */
function changesStatement(resources: readonly Resource[]): SQL {
  const width = Math.max(...resources.map(({ visible }) => visible.length))
  const collections = resources.map(({ name, table, visible }) => {
    const values = Array.from({ length: width }, (_, at) => {
      const column = visible[at]
      return sql`${column ? shown(table, column) : sql`NULL`} AS ${sql.identifier(`v${at}`)}`
    })
    // Its own limit keeps SQLite from dropping the order of a part of a compound.
    return sql`SELECT * FROM (
      SELECT ${sql.raw(`'${name}'`)} AS collection, ${table.deleted_at} IS NOT NULL AS deleted, ${list(values)}
      FROM ${table} WHERE ${table.user_id} = ${slot(OWNER)} AND ${table.revision} > ${slot(`after ${name}`)}
      ORDER BY ${table.revision} LIMIT ${slot('limit')})`
  })
  return sql`${unionAll(collections)} LIMIT ${slot('limit')}`
}

/** How many queries D1 takes in one compound (SQLITE_LIMIT_COMPOUND_SELECT). */
const MAX_TERMS = 5

/** One query after the other, as compounds of compounds. */
function unionAll(queries: readonly SQL[]): SQL {
  if (queries.length <= MAX_TERMS) return sql.join([...queries], sql` UNION ALL `)
  const size = Math.ceil(queries.length / MAX_TERMS)
  const parts = Array.from({ length: Math.ceil(queries.length / size) }, (_, at) =>
    queries.slice(at * size, (at + 1) * size),
  )
  return unionAll(parts.map((part) => sql`SELECT * FROM (${unionAll(part)})`))
}

interface Entry {
  collection: string
  id: string
  deleted: boolean
  revision: number
  data?: Row
}

function entryOf(resources: readonly Resource[], row: Row): Entry {
  const resource = resources.find(({ name }) => name === row.collection)
  if (!resource) throw new Error('a change of no collection')
  const data: Row = {}
  resource.visible.forEach(({ name }, at) => (data[name] = row[`v${at}`]))
  const entry = {
    collection: resource.name,
    id: String(data.id),
    deleted: row.deleted === 1,
    revision: Number(data.revision),
  }
  return entry.deleted ? entry : { ...entry, data: decode(resource, data) }
}

function decodeCursor(cursor: string): Position {
  const { success, data } = position.safeParse(decodeOpaque(cursor))
  // Parsing puts keys into their order: a cursor with another one is not one of ours.
  if (!success || encodeOpaque(data) !== cursor) throw invalidCursor()
  return data
}
