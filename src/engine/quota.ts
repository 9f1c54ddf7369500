import { sql, type SQL } from 'drizzle-orm'
import { check, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { Database } from '../d1/database.ts'
import { bind, compileOwned, OWNER, slot, type BoundStatement, type Values } from '../d1/statement.ts'
import { Problem } from '../problems.ts'
import type { Resource } from './resource.ts'
import { keptByShape, scopeOf } from './sql/scope.ts'
import type { WriteOptions } from './sql/writes.ts'

/**
 * How many more rows an owner may have in a collection: known only of owners who have nearly as many as they may, so that
 * nobody else's creates write it (docs/decisions/0033).
 */
export const remainingRows = sqliteTable(
  'remaining_rows',
  {
    user_id: text().notNull(),
    collection: text().notNull(),
    remaining: integer().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.user_id, table.collection] }),
    check('quota_exceeded', sql`${table.remaining} >= 0`),
  ],
)

/** The statements that keep a resource's rows within the quota of their owner. */
export function quotaOf(resource: Resource) {
  const { table, name } = resource
  const { trash, matches } = scopeOf(resource)
  const kept = keptByShape()
  const own = sql`${remainingRows.user_id} = ${slot(OWNER)} AND ${remainingRows.collection} = ${name}`
  const spend = (rows: SQL) => sql`UPDATE ${remainingRows} SET remaining = remaining - ${rows} WHERE ${own}`
  // Live rows count, and the trash may hold as many again: otherwise creating and deleting would fill the database.
  const remaining = sql`min(${slot('quota')} - live, 2 * ${slot('quota')} - stored)`
  return {
    /** Takes so many rows, the placeholder `rows`, off what remains, if that is known; aborts the batch if it is less. */
    spend: compileOwned(spend(sql`${slot('rows')}`)),

    /** The same for a restore: one row, if it is going to be restored. */
    spendRestored: ({ match }: WriteOptions) =>
      kept(`spend restored ${match}`, () => {
        const matched = match ? sql` AND ${matches}` : sql``
        return spend(
          sql`(SELECT count(*) FROM ${table} WHERE ${trash} AND ${table.id} = ${slot('id')}${matched})`,
        )
      }),

    /** Before a new count. */
    forget: compileOwned(sql`DELETE FROM ${remainingRows} WHERE ${own}`),

    /** Counts the owner's rows, and notes what remains if that is no more than the placeholder `near`. */
    count: compileOwned(sql`INSERT INTO ${remainingRows} (user_id, collection, remaining)
      SELECT ${slot(OWNER)}, ${name}, max(0, ${remaining}) FROM (
        SELECT count(*) AS stored, count(*) FILTER (WHERE ${table.deleted_at} IS NULL) AS live
        FROM ${table} WHERE ${table.user_id} = ${slot(OWNER)})
      WHERE ${remaining} <= ${slot('near')}`),

    /** What remains, if that is known. */
    left: compileOwned(sql`SELECT remaining FROM ${remainingRows} WHERE ${own}`),
  }
}

/** From what part of its quota a collection's rows are counted one by one. */
const NEAR = 0.9
/** How many counts are made, on average, while a twentieth of the quota is created. */
const COUNTS = 10

/** Rows that a batch is about to add. */
export interface Addition {
  /** How many rows the owner may have in the collection; 0 for any number. */
  quota: number
  /** For each row the index of the operation that adds it; undefined where the request has but one. */
  operations: readonly (number | undefined)[]
  /** The statement that takes them off what remains. */
  spend: BoundStatement
}

/**
 * Does work that adds rows; `work` gets the statements that go before its own, in one batch. A few batches, chosen at
 * random, count the owner's rows, and from then on an owner near the quota is held to what remains. Throws
 * `quota_exceeded`, for a bulk with the `index` of the first operation that goes too far; by then the rows were counted
 * again, since deleting makes room.
 */
export async function withinQuota<Result>(
  database: Database,
  { forget, count, left }: ReturnType<typeof quotaOf>,
  owner: Values,
  { quota, operations, spend }: Addition,
  work: (before: readonly BoundStatement[]) => Promise<Result>,
): Promise<Result> {
  const rows = operations.length
  if (!quota || !rows) return work([])
  const values = { ...owner, quota, near: Math.ceil(quota * (1 - NEAR)) + rows }
  const recount = [forget, count].map((statement) => bind(statement, values))
  const isCounted = Math.random() < (rows * COUNTS * 20) / quota
  return attempt(isCounted ? [...recount, spend] : [spend])

  /** Does the work and, where it goes too far by an old count, once more after a new one. */
  async function attempt(before: readonly BoundStatement[]): Promise<Result> {
    try {
      return await work(before)
    } catch (error) {
      if (!(error instanceof Problem && error.type === 'quota_exceeded')) throw error
    }
    const room = await countedRoom()
    if (room < rows) throw new Problem('quota_exceeded', indexed(operations[room]))
    return attempt([spend])
  }

  /** How many more rows there is room for, by a new count; no fewer than are to be added where the quota is not near. */
  async function countedRoom(): Promise<number> {
    const [, , [known] = []] = await database.batch([...recount, bind(left, values)], { repeatable: true })
    return known ? Number(known.remaining) : rows
  }
}

function indexed(index: number | undefined): { index?: number } {
  return index === undefined ? {} : { index }
}
