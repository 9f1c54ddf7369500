import { NOW, NOW_MS } from '../d1/clock.ts'
import { sql, type SQL } from 'drizzle-orm'
import { noCost, openDatabase, type Written } from '../d1/database.ts'
import type { Bindings } from '../config.ts'
import { announceWritten } from '../live/announce.ts'
import { log } from '../log.ts'
import { purgeActivityStatement } from '../accounts/activity.ts'
import { purgeGuessesStatement, purgeNobodyStatement } from '../accounts/guesses.ts'
import { purgeSessionsStatement } from '../accounts/sessions.ts'
import { forgetTicketsStatement } from '../accounts/tickets.ts'
import { forgetStatement } from '../engine/idempotency.ts'
import { Problem } from '../problems.ts'
import { TRASH_DAYS, type Reference, type Resource } from '../engine/resource.ts'
import { bind, compileUnscoped } from '../d1/statement.ts'

/** How many rows of a resource's trash one run purges, so that its work is bounded; the next run goes on. */
const BATCH = 200

/** What is forgotten after its time, whoever it is about. */
const CHORES = [
  forgetStatement,
  purgeSessionsStatement,
  forgetTicketsStatement,
  purgeActivityStatement,
  purgeGuessesStatement,
  purgeNobodyStatement,
]

/**
 * Deletes for good what has been in the trash for 30 days: the rows themselves, everything under them, and every
 * reference to either, which becomes null. One batch per resource, so nobody sees half of it. Then forgets the
 * Idempotency-Keys that are too old to be replayed, the sessions that have ended and the accounts' history, and tells the
 * live connections of the owners. Run by the cron trigger.
 */
export async function purge(resources: readonly Resource[], env: Bindings): Promise<void> {
  const cost = noCost()
  const database = openDatabase(env.DB, cost)
  // One moment for all statements: each would ask the clock anew, and a row expire between its children's turn and its own.
  const expired = new Date(Date.now() - TRASH_DAYS * 86_400_000).toISOString()
  const sweeps = resources.map((resource) => {
    const rows = expiredRows(resource)
    const touched = touchedBy(resources, resource)
    const statements = removal(resources, resource, rows)
    // Before the last statement, which removes what `rows` finds the owners by.
    statements.splice(-1, 0, ...touched.map((one) => newestRevisions(one, rows)))
    return { statements: statements.map(compileUnscoped), touched }
  })
  const chores = CHORES.map((statement) => ({ statements: [statement], touched: [] }))
  const written: Written[] = []
  for (const { statements, touched } of [...sweeps, ...chores]) {
    try {
      const results = await database.batch(statements.map((statement) => bind(statement, { expired })))
      const newest = results.slice(-1 - touched.length, -1)
      newest.forEach((rows, at) => written.push({ verb: 'DELETE', table: touched[at]?.name ?? '', rows }))
    } catch (error) {
      // The next run tries again; what one resource is stuck on must not keep the others.
      log('error', { event: 'purge_failed', error: error instanceof Problem ? error.type : 'unknown' })
    }
  }
  await announceWritten(env, written)
  log('info', { event: 'purge', rows_read: cost.rowsRead, rows_written: cost.rowsWritten, db_ms: cost.ms })
}

function expiredRows({ table }: Resource): SQL {
  return sql`SELECT ${table.user_id}, ${table.id} FROM ${table}
    WHERE ${table.deleted_at} <= ${sql.placeholder('expired')} ORDER BY ${table.deleted_at} LIMIT ${sql.raw(String(BATCH))}`
}

/** The collections in which removing rows of a resource changes something: it, those under it, and those that refer to either. */
function touchedBy(resources: readonly Resource[], resource: Resource): Resource[] {
  const removed = [resource]
  for (const above of removed) removed.push(...resources.filter(({ parent }) => parent?.resource === above))
  const referring = resources.filter(({ references }) =>
    references.some(({ table }) => removed.some((one) => one.table === table)),
  )
  return [...new Set([...removed, ...referring])]
}

/** The last revision that each owner of `rows` has in a collection; a seek for each row. */
function newestRevisions({ table }: Resource, rows: SQL): SQL {
  return sql`SELECT DISTINCT user_id, (SELECT max(revision) FROM ${table} WHERE ${table.user_id} = expired.user_id) AS revision
    FROM (${rows}) AS expired`
}

/**
 * The statements that remove `rows` (a query for their user_id and id), the rows that depend on them first. Explicit
 * rather than ON DELETE: a composite key cannot be set to null in part, a cascade would go unseen by sync, and on D1
 * rebuilding a table in a migration fires it.
 */
function removal(resources: readonly Resource[], resource: Resource, rows: SQL): SQL[] {
  const children = resources.flatMap((child) =>
    child.parent?.resource === resource
      ? removal(resources, child, pointingAt({ column: child.parent.column, table: child.table }, rows))
      : [],
  )
  const clearings = resources.flatMap(({ table, references }) =>
    references
      .filter((reference) => reference.table === resource.table)
      .map(({ column }) => clearing({ column, table }, rows)),
  )
  const { table } = resource
  return [...children, ...clearings, sql`DELETE FROM ${table} WHERE (user_id, id) IN (${rows})`]
}

/** The rows whose `column` is the id of one of `rows`, found through each owner's own rows. */
function pointingAt({ column, table }: Reference, rows: SQL): SQL {
  return sql`SELECT ${table.user_id}, ${table.id} FROM (${rows}) AS target CROSS JOIN ${table}
    ON ${table.user_id} = target.user_id AND ${column} = target.id`
}

/** Each row whose reference is cleared has changed, so each gets a revision of its own (docs/decisions/0002). */
function clearing({ column, table }: Reference, rows: SQL): SQL {
  return sql`UPDATE ${table} SET ${sql.identifier(column.name)} = NULL, updated_at = ${NOW}, revision = cleared.revision
    FROM (
      SELECT user_id, id, row_number() OVER (PARTITION BY user_id ORDER BY id) + max(
        (SELECT max(revision) FROM ${table} WHERE ${table.user_id} = pointing.user_id),
        ${NOW_MS}
      ) AS revision FROM (${pointingAt({ column, table }, rows)}) AS pointing
    ) AS cleared
    WHERE ${table.user_id} = cleared.user_id AND ${table.id} = cleared.id`
}
