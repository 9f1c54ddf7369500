import { sql, type Placeholder, type SQL } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import * as z from 'zod/mini'
import * as fields from './fields.ts'

/** What a filter compares with. */
export type FilterValue = string | number | boolean

/** A query parameter that filters a list, and all that is known of it. */
export interface Filter {
  parameter: string
  kind: Kind
  column: SQLiteColumn
  /** What the query string may hold, as the value that the condition compares with; OpenAPI says the same. */
  schema: () => z.ZodMiniType<FilterValue>
  /** What the rows pass. */
  condition: (value: Placeholder) => SQL
  description: string
  /** The index that finds the rows, where there is one. */
  index: string | undefined
}

/** A filter as a resource declares it: the name of a column for equality, or another test with a parameter name. */
export type FilterDeclaration<Name extends string = string> =
  | Name
  | { [Test in Exclude<Kind, 'equals'>]: { as: string } & Record<Test, Name> }[Exclude<Kind, 'equals'>]

/** The kinds of filters. A new one is a new entry here, and a line in the model of test/filter-model.ts. */
const kinds = {
  /** The column has the value. */
  equals: (column, { holdsId, index }) => ({
    schema: () => (holdsId ? fields.id() : scalar(column)),
    condition: (value) => sql`${column} = ${sql.param(value, column)}`,
    description: `Only rows with this \`${column.name}\`.`,
    index,
  }),

  /** The list column holds the value. */
  has: (column) => ({
    schema: () => fields.text(1_000),
    // json_each throws on malformed JSON, and one bad row must not take the list down.
    condition: (value) =>
      sql`EXISTS (SELECT 1 FROM json_each(iif(json_valid(${column}), ${column}, '[]')) WHERE value = ${value})`,
    description: `Only rows whose \`${column.name}\` hold this.`,
    index: undefined,
  }),

  /** The moment is at or after the value; a date stands for its first instant. */
  from: (column) => ({
    // A stored date is text that is a prefix of its day's instants, so the day alone is its first instant.
    schema: () => bound((value) => value.replace('T00:00:00.000Z', '')),
    condition: (value) => sql`${column} >= ${value}`,
    description: `Only rows whose \`${column.name}\` is this or after: a date, or a date-time with an offset.`,
    index: undefined,
  }),

  /** The moment is at or before the value; a date stands for its last instant. */
  upTo: (column) => ({
    schema: () => bound((value) => (value.length === 10 ? `${value}T23:59:59.999Z` : value)),
    condition: (value) => sql`${column} <= ${value}`,
    description: `Only rows whose \`${column.name}\` is this or before: a date, or a date-time with an offset.`,
    index: undefined,
  }),
} satisfies Record<
  string,
  (column: SQLiteColumn, context: Context) => Omit<Filter, 'parameter' | 'kind' | 'column'>
>

type Kind = keyof typeof kinds

/** What a filter has to know about its column. */
interface Context {
  /** Whether it holds the id of a row, its own or another's. */
  holdsId: boolean
  /** The index that keeps the rows with one value of it together. */
  index: string | undefined
}

/** The filter on a column; `parameter` is the column's name unless it has another. */
export function filterOn(
  column: SQLiteColumn,
  kind: Kind,
  context: Context,
  parameter: string = column.name,
): Filter {
  return { parameter, kind, column, ...kinds[kind](column, context) }
}

/** The kind, the column and the parameter that a declaration names. */
export function readFilter(declaration: FilterDeclaration): {
  kind: Kind
  column: string
  parameter: string
} {
  if (typeof declaration === 'string') return { kind: 'equals', column: declaration, parameter: declaration }
  const { as: parameter, ...test } = declaration
  const [[kind, column] = ['', '']] = Object.entries(test)
  if (!isKind(kind)) throw new Error(`the filter ${parameter} is of no known kind`)
  return { kind, column, parameter }
}

function isKind(name: string): name is Kind {
  return Object.hasOwn(kinds, name)
}

function scalar(column: SQLiteColumn): z.ZodMiniType<FilterValue> {
  if (column.dataType === 'boolean') return flag()
  if (column.enumValues?.length) return z.enum(column.enumValues)
  if (column.dataType === 'number') return column.getSQLType() === 'integer' ? integer() : number()
  return fields.text(1_000)
}

/** A moment in a query, as the text that stored ones are compared with. */
function bound(toText: (moment: string) => string) {
  const moment = fields.moment()
  return z.pipe(moment, z.transform(toText)).register(z.globalRegistry, { ...z.globalRegistry.get(moment) })
}

/** A boolean in a query. */
export function flag() {
  const spelt = z.pipe(
    z.enum(['true', 'false']),
    z.transform((value) => value === 'true'),
  )
  return spelt.register(z.globalRegistry, { type: 'boolean' })
}

/** An integer in a query. `Number` would also take '', ' 1', '0x10' and '1e3'. */
function integer() {
  const text = z.string().check(z.regex(/^-?(0|[1-9]\d{0,15})$/, 'must be an integer'))
  return z.pipe(text, z.transform(Number)).register(z.globalRegistry, { type: 'integer' })
}

/** A number in a query, as JSON writes it. */
function number() {
  const form = /^-?(0|[1-9]\d{0,30})(\.\d{1,30})?(e[+-]?\d{1,3})?$/i
  return z
    .pipe(z.string().check(z.regex(form, 'must be a number')), z.transform(Number))
    .check(z.refine(Number.isFinite, 'must be a number'))
    .register(z.globalRegistry, { type: 'number' })
}
