import { is, Param, Placeholder, sql, type SQL } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'

/** A value for each placeholder of a statement, by its name. */
export type Values = Record<string, unknown>

/** SQL text and, in the order of its `?`, where each bound value comes from. Made once per isolate. */
export interface Statement {
  readonly sql: string
  readonly slots: readonly ((values: Values) => unknown)[]
}

/** A statement with the values of one request, ready for a batch. */
export interface BoundStatement {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

/** The placeholder that every statement over owned rows must carry; only the store and sync bind it. */
export const OWNER = 'owner'

const dialect = new SQLiteSyncDialect()

/**
 * Compiles Drizzle SQL to text, for keeping. A statement that never mentions the owner is a bug that could reach
 * another user's rows, so it throws here, before it can run.
 */
export function compileOwned(query: SQL): Statement {
  const { params } = dialect.sqlToQuery(query)
  if (!params.some((param) => is(param, Placeholder) && param.name === OWNER)) {
    throw new Error('a statement over owned rows must be scoped to its owner')
  }
  return compile(query)
}

/**
 * Compiles a statement that spans owners: only for maintenance, never for a request. A placeholder is bound once however
 * often it stands there, since D1 takes a hundred bound parameters.
 */
export function compile(query: SQL): Statement {
  const { sql: text, params } = dialect.sqlToQuery(query)
  const numbers = new Map<string | symbol, number>()
  const numbered = params.map((param) => {
    // A value of the statement's own never shares: it may read like a placeholder's name.
    const key = is(param, Placeholder) ? param.name : Symbol('value')
    const number = numbers.get(key) ?? numbers.size + 1
    numbers.set(key, number)
    return number
  })
  const slots = params.filter((_, at) => numbered.indexOf(numbered[at] ?? 0) === at).map(slotOf)
  let at = 0
  return { sql: text.replaceAll('?', () => `?${numbered[at++]}`), slots }
}

/**
 * A statement that stores nothing and makes its whole batch fail with the name in the placeholder `problem` unless
 * `holds` is true (docs/decisions/0005). It goes before the write it guards.
 */
export function assertion(holds: SQL): SQL {
  return sql`INSERT INTO assertion SELECT ${holds}, ${sql.placeholder('problem')}`
}

/** A placeholder, bound by name for each request. */
export function slot(name: string) {
  return sql.placeholder(name)
}

/** Items with commas between. */
export function list(items: readonly SQL[]): SQL {
  return sql.join([...items], sql`, `)
}

/** Fills the placeholders of a compiled statement; throws when a value is missing. */
export function bind(statement: Statement, values: Values): BoundStatement {
  return { sql: statement.sql, parameters: statement.slots.map((valueIn) => valueIn(values)) }
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
