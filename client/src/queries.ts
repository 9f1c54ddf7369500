import { collections } from './collections.ts'
import type { Collection, RowData } from './outbox.ts'

/** What a list is asked for: the parameters of the API's own lists, and the parent of a child. */
export type Query = Record<string, string | boolean | number | undefined>

/** The rows that pass a query, in its order, of rows that are sorted newest first (contract: Lists). */
export function select(collection: Collection, rows: readonly RowData[], query: Query): readonly RowData[] {
  const { sort, q, ...filters } = query
  const { search, orders } = collections[collection]
  const tests = Object.entries(filters).flatMap(([name, value]) =>
    value === undefined ? [] : [testOf(collection, name, value)],
  )
  if (typeof q === 'string') {
    const term = folded(q)
    const holds = (text: unknown) => typeof text === 'string' && folded(text).includes(term)
    tests.push((row) => search.some((field) => holds(row[field])))
  }
  const passing = tests.length ? rows.filter((row) => tests.every((passes) => passes(row))) : rows
  if (typeof sort !== 'string') return passing
  const field = sort.replace('-', '')
  const order = orders[field]
  if (!order) throw new TypeError(`${collection} cannot be sorted by ${field}`)
  const sign = sort === field ? 1 : -1
  return passing.toSorted((a, b) => {
    const [one, other] = [keyOf(a[field], order), keyOf(b[field], order)]
    // Nulls come last in both directions; the id settles ties in the direction of the sort.
    if (one === null || other === null) {
      if (one !== other) return one === null ? 1 : -1
    } else if (one !== other) return one < other ? -sign : sign
    return a.id < b.id ? -sign : sign
  })
}

function testOf(
  collection: Collection,
  name: string,
  value: string | boolean | number,
): (row: RowData) => boolean {
  const { filters, parent } = collections[collection]
  const [kind, field] = name === parent?.[1] ? (['equals', name] as const) : (filters[name] ?? [])
  if (!kind || field === undefined) throw new TypeError(`${collection} cannot be filtered by ${name}`)
  if (kind === 'equals') return (row) => row[field] === value
  if (kind === 'has') return (row) => Array.isArray(row[field]) && row[field].includes(value)
  const moment = instantOf(String(value), kind)
  return (row) => {
    const at = row[field]
    return typeof at === 'string' && (kind === 'from' ? at >= moment : at <= moment)
  }
}

/** A date or date-time as the API compares it: a date stands for its first instant, or for its last. */
function instantOf(value: string, kind: 'from' | 'upTo'): string {
  if (value.length === 10) return kind === 'from' ? value : `${value}T23:59:59.999Z`
  const instant = new Date(value).toISOString()
  // A stored date is a prefix of its day's instants, so the day alone is its first instant.
  return kind === 'from' ? instant.replace('T00:00:00.000Z', '') : instant
}

/** What a field sorts by: an enum by its declared order, text without regard to ASCII case. */
function keyOf(value: unknown, order: readonly string[]): string | number | boolean | null {
  if (typeof value === 'number' || typeof value === 'boolean') return value
  if (typeof value !== 'string') return null
  if (order.length) return order.indexOf(value)
  // SQLite compares code points, and JavaScript halves of them: those beyond U+FFFF go after the others.
  return value
    .replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())
    .replaceAll(/[\ud800-\uffff]/g, (half) =>
      String.fromCharCode(half.charCodeAt(0) + (half < '\ue000' ? 0x2000 : -0x800)),
    )
}

/** Text whatever the case, letter by letter: those that have one capital and are its one small form (İ and ß are not). */
function folded(text: string): string {
  return Array.from(text, (letter) => {
    const lower = letter.toLowerCase()
    return lower.toUpperCase() === letter ? lower : letter
  }).join('')
}
