import type { Table, Tables } from './schema.ts'

/** A table or a column that is renamed: `lines.label:what`, `lines:rows`. */
export interface Rename {
  table: string
  column: string | undefined
  to: string
}

/** What brings a database from some tables to others. */
export interface Difference {
  /** What it does, as the name of a file: `tasks_color`. */
  name: string
  statements: string[]
}

/** Reads `lines.label:what` or `lines:rows`. Throws a sentence when it is neither. */
export function parseRename(text: string): Rename {
  const [, table, column, to] = /^(\w+)(?:\.(\w+))?:(\w+)$/.exec(text) ?? []
  if (table === undefined || to === undefined)
    throw new Error(`--rename ${text}: it is <table>.<column>:<new name>, or <table>:<new name>.`)
  return { table, column, to }
}

/**
 * The statements that make `after` of `before`. drizzle-kit asks about a table with both new and missing columns, where
 * nobody can answer: we rename as told, then add, then drop, so that it never has a question. Throws a sentence when a
 * rename names nothing or a new column has no value for the rows that exist.
 */
export async function difference(
  before: Tables,
  after: Tables,
  renames: readonly Rename[],
): Promise<Difference | undefined> {
  // Loaded where it is needed: it takes a second, and most commands only read the migrations there are.
  const { generateSQLiteMigration } = await import('drizzle-kit/api')
  const renamed = structuredClone(before)
  const statements = renames.map((rename) => applied(rename, renamed, after))
  const grown = withAdditions(renamed, after)
  statements.push(...(await generateSQLiteMigration(snapshot(renamed), snapshot(grown))))
  const rest = await generateSQLiteMigration(snapshot(grown), snapshot(after))
  // A column can only be dropped after the indexes over it.
  const [first = [], second = []] = [true, false].map((drops) =>
    rest.filter((statement) => statement.startsWith('DROP INDEX') === drops),
  )
  statements.push(...first, ...second)
  if (!statements.length) return undefined
  return { name: nameOf(renamed, after, renames), statements }
}

/** What looks like a rename: the only column that a table loses, beside the only one it gains. */
export function likelyRenames(before: Tables, after: Tables): string[] {
  return Object.values(after).flatMap(({ name, columns }) => {
    const known = before[name]?.columns ?? columns
    const [lost, ...others] = missing(known, columns)
    const [gained, ...more] = missing(columns, known)
    return lost && gained && !others.length && !more.length ? [`${name}.${lost}:${gained}`] : []
  })
}

function missing(from: object, than: object): string[] {
  return Object.keys(from).filter((key) => !Object.hasOwn(than, key))
}

/** Carries a rename out in `tables`. Returns its statement. */
function applied({ table: name, column, to }: Rename, tables: Tables, after: Tables): string {
  const table = tables[name]
  const isWanted = column === undefined ? to in after : to in (after[name]?.columns ?? {})
  if (!table || (column !== undefined && !(column in table.columns)) || !isWanted) {
    const known = column === undefined ? name : `${name}.${column}`
    throw new Error(
      `--rename ${known}:${to}: the migrations must have ${known}, and the declarations the new name.`,
    )
  }
  if (column === undefined) {
    delete tables[name]
    tables[to] = { ...table, name: to }
  } else {
    const columns = Object.entries(table.columns).map(([key, each]): [string, typeof each] =>
      key === column ? [to, { ...each, name: to }] : [key, each],
    )
    table.columns = Object.fromEntries(columns)
    for (const each of Object.values(table.columns)) {
      if (each.generated) each.generated.as = inExpression(each.generated.as, column, to)
    }
    for (const index of [...Object.values(table.indexes), ...Object.values(table.compositePrimaryKeys)]) {
      index.columns = index.columns.map((each) => inExpression(each, column, to))
    }
  }
  for (const each of Object.values(tables)) refer(each, { table: name, column, to })
  return column === undefined
    ? `ALTER TABLE \`${name}\` RENAME TO \`${to}\`;`
    : `ALTER TABLE \`${name}\` RENAME COLUMN \`${column}\` TO \`${to}\`;`
}

function inExpression(expression: string, column: string, to: string): string {
  return expression.replaceAll(new RegExp(`\\b${column}\\b`, 'g'), to)
}

/** Follows a rename in a table's foreign keys, as SQLite does, and in the names that drizzle-kit gives to keys. */
function refer(table: Table, { table: name, column, to }: Rename): void {
  const renamedTable = (each: string) => (column === undefined && each === name ? to : each)
  const renamedColumn = (of: string, each: string) => (of === name && each === column ? to : each)
  const foreignKeys = Object.values(table.foreignKeys).map((key): [string, typeof key] => {
    const [tableFrom, tableTo] = [renamedTable(key.tableFrom), renamedTable(key.tableTo)]
    const columnsFrom = key.columnsFrom.map((each) => renamedColumn(key.tableFrom, each))
    const columnsTo = key.columnsTo.map((each) => renamedColumn(key.tableTo, each))
    const keyName = [tableFrom, ...columnsFrom, tableTo, ...columnsTo, 'fk'].join('_')
    return [keyName, { ...key, name: keyName, tableFrom, tableTo, columnsFrom, columnsTo }]
  })
  table.foreignKeys = Object.fromEntries(foreignKeys)
  const primaryKeys = Object.values(table.compositePrimaryKeys).map((key): [string, typeof key] => {
    const keyName = [table.name, ...key.columns, 'pk'].join('_')
    return [keyName, { ...key, name: keyName }]
  })
  table.compositePrimaryKeys = Object.fromEntries(primaryKeys)
}

/** `before` with the tables and columns that only `after` has. */
function withAdditions(before: Tables, after: Tables): Tables {
  const grown = structuredClone(before)
  for (const [name, table] of Object.entries(after)) {
    const known = grown[name]
    if (!known) {
      grown[name] = table
      continue
    }
    for (const column of missing(table.columns, known.columns)) {
      const added = table.columns[column]
      if (!added) continue
      if (added.notNull && added.default === undefined && !added.generated) {
        throw new Error(
          `${name}.${column} is required, and the rows that exist have no value for it. Give it a default ` +
            `(.default(…)), or make it optional.`,
        )
      }
      known.columns[column] = added
    }
  }
  return grown
}

function nameOf(before: Tables, after: Tables, renames: readonly Rename[]): string {
  const parts = renames.map(({ table, column, to }) => [table, column, 'to', to].filter(Boolean).join('_'))
  parts.push(...missing(after, before), ...missing(before, after).map((name) => `without_${name}`))
  for (const [name, table] of Object.entries(after)) {
    const known = before[name]
    if (!known || renames.some(({ column, to }) => column === undefined && to === name)) continue
    const [added, dropped] = [missing(table.columns, known.columns), missing(known.columns, table.columns)]
    const indexes = missing(table.indexes, known.indexes).filter((index) => index.startsWith(name))
    if (added.length) parts.push([name, ...added].join('_'))
    if (dropped.length) parts.push([name, 'without', ...dropped].join('_'))
    if (!added.length && !dropped.length && indexes.length) parts.push(...indexes)
    else if (!added.length && !dropped.length && JSON.stringify(known) !== JSON.stringify(table))
      parts.push(`${name}_changed`)
  }
  const [first = 'change', second, ...others] = parts
  return [first, ...(others.length ? ['and_more'] : second ? ['and', second] : [])].join('_').slice(0, 60)
}

/** What the indexes of a table have besides its columns: drizzle-kit would quote it as a name. */
function expressions({ columns, indexes }: Table) {
  return Object.values(indexes).map(({ name, columns: parts }) => {
    const others = parts.filter((part) => !Object.hasOwn(columns, part))
    return [
      name,
      { columns: Object.fromEntries(others.map((part) => [part, { isExpression: true }])) },
    ] as const
  })
}

function snapshot(tables: Tables) {
  const none = { schemas: {}, tables: {}, columns: {} }
  const ids = { id: 'after', prevId: 'before' }
  const internal = { indexes: Object.fromEntries(Object.values(tables).flatMap(expressions)) }
  return {
    version: '6',
    dialect: 'sqlite',
    ...ids,
    tables,
    views: {},
    enums: {},
    _meta: none,
    internal,
  } as const
}
