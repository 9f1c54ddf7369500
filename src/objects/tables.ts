import { getTableColumns, sql, type SQL } from 'drizzle-orm'
import { getTableConfig, type SQLiteColumn, type SQLiteTable } from 'drizzle-orm/sqlite-core'
import { movedOwners } from '../auth/schema.ts'
import { compileOwned, list, OWNER, slot, type Statement } from '../d1/statement.ts'
import { idempotencyKeys } from '../engine/idempotency.ts'
import { remainingRows } from '../engine/quota.ts'
import type { Resource } from '../engine/resource.ts'
import { memo } from '../memo.ts'

/** How many rows of a table one batch carries from home to home. */
export const PAGE = 500

/** A table that an owner has rows in, and the statements that take them from one home to another. */
export interface MovingTable {
  name: string
  /** Its columns that hold something; what SQLite makes of others is made again. */
  columns: readonly string[]
  /** All of its columns. */
  known: ReadonlySet<string>
  /** Its primary key apart from the owner. */
  key: readonly string[]
  /** {@link PAGE} rows at most, from after the one whose key is in the placeholders `after 0`, `after 1`. */
  page: Statement
  /** Stores the rows of the placeholder `rows`: JSON, a list of lists of values in the order of `columns`. */
  store: Statement
  /** Deletes {@link PAGE} rows at most, once nothing is left in the tables after it. A row for each. */
  remove: Statement
  /** Deletes all of them. */
  clear: Statement
  /** In D1: notes that there are any. */
  isHeld: Statement
  /** How many rows there are, and a sum over each column. */
  sums: Statement
}

/** The tables of the rows, keys and quotas of an owner, each after those that it refers to. */
export const movingTables = memo((resources: readonly Resource[]): readonly MovingTable[] => {
  const tables: OwnedByKey[] = [...resources.map(({ table }) => table), idempotencyKeys, remainingRows]
  return tables.map((table, at) => movingTable(table, tables.slice(at + 1)))
})

type OwnedByKey = SQLiteTable & { user_id: SQLiteColumn }

function movingTable(table: OwnedByKey, later: readonly OwnedByKey[]): MovingTable {
  const all: SQLiteColumn[] = Object.values(getTableColumns(table))
  const stored = all.filter(({ generated }) => !generated)
  const { name, primaryKeys } = getTableConfig(table)
  const key = (primaryKeys[0]?.columns ?? []).filter(({ name: column }) => column !== 'user_id')
  const own = sql`${table.user_id} = ${slot(OWNER)}`
  const after = list(key.map((_, at) => sql`${slot(`after ${at}`)}`))
  const none = later.map(
    (other) => sql` AND NOT EXISTS (SELECT 1 FROM ${other} WHERE ${other.user_id} = ${slot(OWNER)})`,
  )
  return {
    name,
    columns: stored.map((column) => column.name),
    known: new Set(all.map((column) => column.name)),
    key: key.map((column) => column.name),
    page: compileOwned(sql`SELECT * FROM ${table} WHERE ${own} AND (${named(key)}) > (${after})
      ORDER BY ${named(key)} LIMIT ${sql.raw(String(PAGE))}`),
    store: compileOwned(sql`INSERT OR REPLACE INTO ${table} (${named(stored)})
      SELECT ${list(stored.map((_, at) => sql.raw(`value ->> ${at}`)))} FROM json_each(${slot('rows')})
      WHERE value ->> ${sql.raw(String(stored.findIndex((column) => column.name === 'user_id')))} = ${slot(OWNER)}`),
    remove: compileOwned(sql`DELETE FROM ${table} WHERE ${own} AND (${named(key)}) IN (
      SELECT ${named(key)} FROM ${table} WHERE ${own} LIMIT ${sql.raw(String(PAGE))})${sql.join(none)} RETURNING 1`),
    clear: compileOwned(sql`DELETE FROM ${table} WHERE ${own}`),
    isHeld: compileOwned(
      sql`UPDATE ${movedOwners} SET moved_at = NULL WHERE ${movedOwners.user_id} = ${slot(OWNER)} AND moved_at IS NOT NULL
        AND EXISTS (SELECT 1 FROM ${table} WHERE ${own})`,
    ),
    sums: compileOwned(
      sql`SELECT ${list([sql`count(*) AS n`, ...stored.map(sumOf)])} FROM ${table} WHERE ${own}`,
    ),
  }
}

/** A sum that nearly every change of a column changes: of numbers themselves, of texts their lengths, first and last letters. */
function sumOf({ name }: SQLiteColumn): SQL {
  const column = sql.identifier(name)
  return sql`sum(CASE typeof(${column}) WHEN 'null' THEN 3
    WHEN 'text' THEN 31 * length(CAST(${column} AS BLOB)) + coalesce(unicode(${column}) + unicode(substr(${column}, -1)), 0)
    ELSE 7 + CAST(${column} AS INTEGER) % 2147483647 END) AS ${column}`
}

function named(columns: readonly SQLiteColumn[]): SQL {
  return list(columns.map((column) => sql`${sql.identifier(column.name)}`))
}
