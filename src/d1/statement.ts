import { is, Param, Placeholder, sql, type SQL } from 'drizzle-orm'
import { CasingCache } from 'drizzle-orm/casing'
import { memo } from '../memo.ts'

/** A value for each placeholder of a statement, by its name. */
export type Values = Record<string, unknown>

/** A statement that is compiled at its first use in an isolate, and kept. */
export type Statement = () => Compiled

/** SQL text and, in the order of its `?`, where each bound value comes from. */
interface Compiled {
  readonly sql: string
  readonly slots: readonly ((values: Values) => unknown)[]
}

/** An owner about whom a statement changes what guards say: whose sessions it ends, or which team's members it changes. */
export interface Concern {
  readonly owner: string
  /** The user who is erased by it, the owner or a member of the team; for a team that is deleted, the team. */
  readonly leaves?: string
}

/** A statement with the values of one request, ready for a batch. */
export interface BoundStatement {
  readonly sql: string
  readonly parameters: readonly unknown[]
  readonly concerns?: readonly Concern[]
}

/** The placeholder that every statement over one owner's rows carries: whose they are, from a verified token or a proved path. */
export const OWNER = 'owner'

/** How SQLite writes names, strings and parameters. Drizzle's own dialect comes with a query builder of 5 KiB gzipped. */
const DIALECT = {
  casing: new CasingCache(),
  escapeName: (name: string) => `"${name.replaceAll('"', '""')}"`,
  escapeParam: () => '?',
  escapeString: (text: string) => `'${text.replaceAll("'", "''")}'`,
}

/**
 * A statement over one owner's rows. One that never mentions the owner is a bug that could reach another user's rows, so
 * it throws when it is compiled, before it can run.
 */
export function compileOwned(query: SQL): Statement {
  return memo(() => {
    const { sql: text, params } = query.toQuery(DIALECT)
    if (!params.some((param) => is(param, Placeholder) && param.name === OWNER)) {
      throw new Error('a statement over owned rows must be scoped to its owner')
    }
    return numbered(text, params)
  })
}

/**
 * A statement that no owner scopes: maintenance over everybody's rows, or a look-up that finds out who the owner is.
 * test/statements.test.ts holds the list of all there are.
 */
export function compileUnscoped(query: SQL): Statement {
  return memo(() => {
    const { sql: text, params } = query.toQuery(DIALECT)
    return numbered(text, params)
  })
}

/** A placeholder is bound once however often it stands there, since D1 takes a hundred bound parameters. */
function numbered(text: string, params: readonly unknown[]): Compiled {
  const numbers = new Map<string | symbol, number>()
  const order = params.map((param) => {
    // A value of the statement's own never shares: it may read like a placeholder's name.
    const key = is(param, Placeholder) ? param.name : Symbol('value')
    const number = numbers.get(key) ?? numbers.size + 1
    numbers.set(key, number)
    return number
  })
  const slots = params.filter((_, at) => order.indexOf(order[at] ?? 0) === at).map(slotOf)
  let at = 0
  return { sql: text.replaceAll('?', () => `?${order[at++]}`), slots }
}

/** A placeholder, bound by name for each request. */
export function slot(name: string) {
  return sql.placeholder(name)
}

/** Items with commas between. */
export function list(items: readonly SQL[]): SQL {
  return sql.join([...items], sql`, `)
}

/** Fills the placeholders of a statement; throws when a value is missing. */
export function bind(statement: Statement, values: Values): BoundStatement {
  const { sql: text, slots } = statement()
  return { sql: text, parameters: slots.map((valueIn) => valueIn(values)) }
}

function slotOf(param: unknown): (values: Values) => unknown {
  if (is(param, Placeholder)) {
    const { name } = param
    return (values) => valueOf(values, name)
  }
  if (is(param, Param) && is(param.value, Placeholder)) {
    const { encoder } = param
    const { name } = param.value
    return (values) => {
      const value = valueOf(values, name)
      return value === null ? null : encoder.mapToDriverValue(value)
    }
  }
  return () => param
}

function valueOf(values: Values, name: string): unknown {
  const value = values[name]
  if (value === undefined) throw new Error(`no value for the placeholder ${name}`)
  return value
}
