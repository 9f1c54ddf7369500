import * as z from 'zod/mini'
import { decodeOpaque, encodeOpaque, invalidCursor } from './cursor.ts'
import type { Row } from '../d1/database.ts'
import { DEFAULT_LIMIT, digits, MAX_LIMIT } from './query.ts'

/** The query string of a list that is not a resource's: a page by id, newest first. */
export const pageQuery = z.lazy(() =>
  z.strictObject({ limit: z._default(digits(1, MAX_LIMIT), DEFAULT_LIMIT), cursor: z.optional(z.string()) }),
)

/** Above every id, an account's included. */
export const TOP = '\x7F'

/** The placeholders `after` and `limit` of the statement behind a page of the list `name`. Throws `invalid_query`. */
export function pageValues(name: string, { limit, cursor }: z.output<typeof pageQuery>) {
  return { after: cursor === undefined ? TOP : decode(name, cursor), limit: limit + 1 }
}

/** The page that the statement's rows are: `{ [name]: […], count, next_cursor }`. */
export function pageOf(name: string, limit: number, rows: readonly Row[], itemOf: (row: Row) => unknown) {
  const page = rows.slice(0, limit)
  const items = page.map(itemOf)
  const last = page.at(-1)
  const next = rows.length > limit && last ? encodeOpaque([name, last.id]) : null
  return { [name]: items, count: items.length, next_cursor: next }
}

function decode(name: string, cursor: string): string {
  const decoded = decodeOpaque(cursor)
  if (!Array.isArray(decoded)) throw invalidCursor()
  const [madeFor, id] = Array.from<unknown>(decoded)
  if (madeFor !== name || typeof id !== 'string') throw invalidCursor()
  return id
}
