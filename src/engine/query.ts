import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import * as z from 'zod/mini'
import { decodeOpaque, encodeOpaque, invalidCursor } from './cursor.ts'
import { UUID_V7 } from '../ids.ts'
import * as fields from './fields.ts'
import { flag, type FilterValue } from './filters.ts'
import { columnOf, type Resource } from './resource.ts'

/** One column of a resource that a list can be ordered by. */
export interface Sort {
  column: SQLiteColumn
  descending: boolean
}

/** Where a page ended: the sort key (absent when newest first) and the id of its last row. */
export interface Position {
  key?: SortKey
  id: string
}

/** A value that a list is sorted by. */
export type SortKey = string | number | null

/** A list request, checked against what the resource's declaration allows. */
export interface ListQuery {
  limit: number
  offset: number
  /** Absent: newest first, by id. */
  sort?: Sort
  /** Parameter → value to compare with, in the order of the declaration. */
  filters: ReadonlyMap<string, FilterValue>
  q?: string
  trashed: boolean
  total: boolean
  after?: Position
  /** What a cursor is bound to: everything that decides which rows are listed, and in what order. */
  scope: string
}

/** How many rows a page has at most. */
export const MAX_LIMIT = 100
/** How many rows a page has without `limit`. */
export const DEFAULT_LIMIT = 50
/** How many rows a client that pages by number may skip: skipped rows are read, and paid for. */
export const MAX_OFFSET = 10_000
/** How long a search term may be, in code points. */
export const SEARCH_LENGTH = 200

/** The query parameters of a resource's list, as a schema: any other, repeated or out of range is an issue that names it. */
export function listQueryFor(resource: Resource) {
  const sorts = resource.sort.flatMap((name) => [name, `-${name}`])
  // oxlint-disable-next-line typescript/no-generated-empty-object-type -- keys known only when the Worker starts
  const declared: Record<never, z.ZodMiniType> = {
    ...(sorts.length && { sort: z.optional(z.enum(sorts)) }),
    ...(resource.search.length && { q: z.optional(searchTerm()) }),
    ...Object.fromEntries(resource.filter.map(({ parameter, schema }) => [parameter, z.optional(schema())])),
  }
  return z.extend(pageParameters(), declared)
}

function pageParameters() {
  return z.strictObject({
    limit: z._default(digits(1, MAX_LIMIT), DEFAULT_LIMIT),
    cursor: z.optional(z.string()),
    offset: z.optional(digits(0, MAX_OFFSET)),
    trashed: z._default(flag(), false),
    total: z._default(flag(), false),
  })
}

/**
 * Turns validated parameters into a {@link ListQuery}. `parent` is the id in the path above a nested collection.
 * Throws `invalid_query` for a cursor that is malformed, belongs to another list, or comes with an offset.
 */
export function toListQuery(
  resource: Resource,
  { limit, cursor, offset, trashed, total, ...declared }: z.output<ReturnType<typeof listQueryFor>>,
  parent = '',
): ListQuery {
  const { sort, q, ...rest }: Record<string, unknown> = declared
  const filters = Object.entries(rest).filter(
    (entry): entry is [string, FilterValue] => entry[1] !== undefined,
  )
  const query: ListQuery = {
    limit,
    offset: offset ?? 0,
    filters: new Map(filters),
    trashed,
    total,
    scope: fingerprint([resource.name, parent, sort, q, trashed, filters]),
  }
  if (typeof sort === 'string') query.sort = sortOf(resource, sort)
  if (typeof q === 'string') query.q = q
  if (cursor !== undefined) {
    if (offset !== undefined) throw invalidCursor('cannot be combined with offset')
    query.after = decodeCursor(cursor, query)
  }
  return query
}

/** The opaque cursor of the page that follows `position` in the list of `query`. */
export function encodeCursor(query: ListQuery, position: Position): string {
  const { key, id } = position
  return encodeOpaque(query.sort ? [query.scope, id, key] : [query.scope, id])
}

function decodeCursor(cursor: string, { scope, sort }: ListQuery): Position {
  const decoded = decodeOpaque(cursor)
  if (!Array.isArray(decoded)) throw invalidCursor()
  const parts = Array.from<unknown>(decoded)
  const [madeFor, id, key] = parts
  if (madeFor !== scope) throw invalidCursor('belongs to another sort order or other filters')
  if (typeof id !== 'string' || !UUID_V7.test(id)) throw invalidCursor()
  if (!sort && parts.length === 2) return { id }
  if (sort && parts.length === 3 && isSortKey(sort.column, key)) return { id, key }
  throw invalidCursor()
}

function isSortKey(column: SQLiteColumn, key: unknown): key is SortKey {
  if (key === null) return !column.notNull
  return typeof key === (column.dataType === 'string' && !column.enumValues?.length ? 'string' : 'number')
}

function sortOf(resource: Resource, sort: string): Sort {
  const descending = sort.startsWith('-')
  const name = descending ? sort.slice(1) : sort
  return { column: columnOf(resource, name), descending }
}

/** A whole number in a query. Only plain digits: `Number` also takes '', ' 1', '0x10' and '1e3'. */
export function digits(min: number, max: number) {
  const text = z.string().check(z.regex(/^(0|[1-9]\d{0,8})$/, 'must be a whole number'))
  const range = z.number().check(z.minimum(min), z.maximum(max))
  return z.pipe(z.pipe(text, z.transform(Number)), range)
}

function searchTerm() {
  return fields.text(SEARCH_LENGTH).check(z.refine((value) => value !== '', 'must not be empty'))
}

/**
 * A 32-bit FNV-1a hash: it tells lists, and schemas, apart. It does not protect anything: a cursor only ever moves inside
 * its owner's rows.
 */
export function fingerprint(parts: readonly unknown[]): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(JSON.stringify(parts))) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  }
  return hash.toString(36)
}
