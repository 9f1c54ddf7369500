import { sql, type SQL } from 'drizzle-orm'
import { slot } from './statement.ts'

/** The placeholder for the owner whose rows a guard looks for in D1; empty where the request is not about rows. */
export const HOME = 'home'

const moved = sql`EXISTS (SELECT 1 FROM moved_owners WHERE moved_owners.user_id = ${slot(HOME)})`

/** What a batch fails with that is about rows which are not in D1 any more: older versions answer 503 and a retry helps. */
const FENCED = 'database_unavailable moved'

/** A guard's query, which says in the column `moved` whether the rows are in the object of their owner. */
export function withHome(columns: SQL): SQL {
  return sql`${columns}, ${moved} AS moved`
}

/** A guard's assertion, which also fails where the rows are in the object of their owner ({@link isFence}). */
export function assertionAtHome(holds: SQL): SQL {
  return sql`INSERT INTO assertion SELECT ${holds} AND NOT ${moved},
    CASE WHEN ${moved} THEN ${sql.raw(`'${FENCED}'`)} ELSE ${slot('problem')} END`
}

/** The statement of a trigger that lets no row of a moved owner in or out; `side` is `NEW` or `OLD`. */
export function fenceTrigger(table: string, verb: 'INSERT' | 'UPDATE' | 'DELETE'): string {
  const side = verb === 'INSERT' ? 'NEW' : 'OLD'
  return `CREATE TRIGGER IF NOT EXISTS "moved_${table}_${verb.toLowerCase()}" BEFORE ${verb} ON "${table}"
    WHEN EXISTS (SELECT 1 FROM moved_owners WHERE user_id = ${side}.user_id AND fenced = 1)
    BEGIN SELECT RAISE(ABORT, 'assertion: ${FENCED}'); END`
}

/** Whether an error says that the rows of the batch are in the object of their owner. */
export function isFence(error: unknown): boolean {
  return error instanceof Error && error.message.includes(`assertion: ${FENCED}`)
}
