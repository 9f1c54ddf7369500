import { sql, type SQL } from 'drizzle-orm'
import { purgeActivityStatement } from '../accounts/activity.ts'
import { purgeGuessesStatement, purgeNobodyStatement } from '../accounts/guesses.ts'
import { purgeProofsStatement } from '../accounts/proofs.ts'
import { purgeSessionsStatement } from '../accounts/sessions.ts'
import { forgetTicketsStatement } from '../accounts/tickets.ts'
import { purgeInvitationsStatement } from '../teams/invitations.ts'
import { readConfig, type Bindings } from '../config.ts'
import { erasedUsers } from '../auth/schema.ts'
import { daysAgo, NOW, NOW_MS } from '../d1/clock.ts'
import {
  MAX_STATEMENTS,
  noCost,
  openDatabase,
  type Database,
  type Home,
  type Row,
  type Written,
} from '../d1/database.ts'
import { d1Home } from '../d1/home.ts'
import { directoryBeside, directoryHome } from '../homes/directory.ts'
import { bind, compileUnscoped, type Statement } from '../d1/statement.ts'
import { forgetStatement } from '../engine/idempotency.ts'
import { TRASH_DAYS, type Reference, type Resource } from '../engine/resource.ts'
import { announceWritten } from '../live/announce.ts'
import { log } from '../log.ts'
import { Problem } from '../problems.ts'
import { guestSweep } from './purge-guests.ts'

/** How many rows of a resource's trash one step purges: few enough that no request waits long for it. */
const STEP = 200
/** Among how many of the oldest expired rows a step chooses, so that every user has a turn. */
const WINDOW = 5_000
/** How long one run works, in milliseconds. The next run continues. */
const BUDGET = 120_000
/** How many statements are left for the last step of a run: more than a step of any kind takes. */
const LAST_STEP = 300

/** How many days an erased user's tokens are refused: the longest that an access token of this deployment lives. */
const TOMBSTONE_DAYS = 30

const forgetErasedStatement = compileUnscoped(
  sql`DELETE FROM ${erasedUsers} WHERE user_hash IN (SELECT user_hash FROM ${erasedUsers}
    WHERE erased_at <= ${daysAgo(TOMBSTONE_DAYS)} ORDER BY erased_at LIMIT 1000) RETURNING 1`,
)

/**
 * Statements that delete what has expired, of all users: each deletes a bounded number of rows, and returns a row for
 * each.
 */
const CHORES = {
  idempotency_keys: forgetStatement,
  sessions: purgeSessionsStatement,
  tickets: forgetTicketsStatement,
  activity: purgeActivityStatement,
  guesses: purgeGuessesStatement,
  nobody: purgeNobodyStatement,
  erased: forgetErasedStatement,
  proofs: purgeProofsStatement,
  invitations: purgeInvitationsStatement,
}

/** Something to delete, a step at a time. */
interface Sweep {
  name: string
  /** Does one step and resolves to whether there may be more. */
  step(database: Database): Promise<boolean>
}

/**
 * Deletes for good what has been in the trash for 30 days: the rows themselves, everything under them, and every
 * reference to either, which becomes null. A row that requires a reference goes into the trash, so that sync tells it,
 * and what it refers to waits for it. Also the Idempotency-Keys that are too old to be replayed, the sessions and tickets
 * that have ended and the accounts' history. Each kind takes its turn, a step at a time, until all is done or `budget`
 * milliseconds have passed or D1 would take no more statements, and tells the live connections of the owners. Run by the cron trigger.
 */
export async function purge(resources: readonly Resource[], env: Bindings, budget = BUDGET): Promise<void> {
  const inObjects = readConfig(env).ROWS === 'objects'
  const afterwards: Promise<void>[] = []
  const home = inObjects
    ? directoryHome(env, [], (work) => afterwards.push(work))
    : directoryBeside(env, d1Home(env.DB))
  const sweeps = [
    ...resources.map((resource) => trashSweep(resources, resource)),
    ...Object.entries(CHORES).map(([name, statement]) => choreSweep(name, statement)),
    guestSweep(resources, env),
  ]
  await sweepAll(sweeps, home, budget, (written) => announceWritten(env, written))
  await Promise.all(afterwards)
}

/** {@link purge} of one owner's rows and keys, in the home that they have to themselves. */
export async function purgeOwned(resources: readonly Resource[], home: Home, budget = BUDGET): Promise<void> {
  const sweeps = [
    ...resources.map((resource) => trashSweep(resources, resource)),
    choreSweep('idempotency_keys', forgetStatement),
  ]
  await sweepAll(sweeps, home, budget, async () => {})
}

async function sweepAll(
  all: readonly Sweep[],
  home: Home,
  budget: number,
  tell: (written: readonly Written[]) => Promise<void>,
): Promise<void> {
  const cost = noCost()
  const started = Date.now()
  const isSpent = () => cost.statements > MAX_STATEMENTS - LAST_STEP
  let sweeps = all
  do {
    const unfinished: Sweep[] = []
    // One for each round: it keeps what was written until that is announced.
    const database = openDatabase(home, cost)
    for (const sweep of sweeps) {
      try {
        if (isSpent() || (await sweep.step(database))) unfinished.push(sweep)
      } catch (error) {
        // The next run tries again; what one is stuck on must not keep the others.
        const problem = error instanceof Problem ? error.type : 'unknown'
        log('error', { event: 'purge_failed', sweep: sweep.name, error: problem })
      }
    }
    await tell(database.written())
    sweeps = unfinished
  } while (sweeps.length && Date.now() - started < budget && !isSpent())
  log('info', {
    event: 'purge',
    unfinished: sweeps.map(({ name }) => name),
    statements: cost.statements,
    rows_read: cost.rowsRead,
    rows_written: cost.rowsWritten,
    db_ms: cost.ms,
  })
}

/** Runs a statement until it returns nothing for what it deletes. */
function choreSweep(name: string, statement: Statement): Sweep {
  return {
    name,
    async step(database) {
      const [deleted = []] = await database.batch([bind(statement, {})])
      return deleted.length > 0
    },
  }
}

/** Purges the expired rows of a resource. Each step is one batch, so no request sees half of it. */
function trashSweep(resources: readonly Resource[], resource: Resource): Sweep {
  const { table } = resource
  // One moment for all statements: each would ask the clock anew, and a row expire between its children's turn and its own.
  const expired = new Date(Date.now() - TRASH_DAYS * 86_400_000).toISOString()
  const dependents = dependentsOf(resources, resource, CHOSEN)
  const requiring = dependents.filter(({ required }) => required)
  const choice = compileUnscoped(expiredRows(resource))
  const holding = requiring.map(({ resource: { table: held }, rows }) =>
    compileUnscoped(sql`SELECT DISTINCT gone.user_id, gone.root AS id FROM (${rows}) AS gone JOIN ${held}
      ON ${held.user_id} = gone.user_id AND ${held.id} = gone.id
      WHERE ${held.deleted_at} IS NULL OR ${held.deleted_at} > ${sql.placeholder('expired')}`),
  )
  const postponing = [
    ...requiring.map(({ resource: held, rows }) =>
      change(held, liveAmong(held, rows), sql`deleted_at = ${NOW}`),
    ),
    sql`UPDATE ${table} SET deleted_at = ${NOW} WHERE (user_id, id) IN (SELECT user_id, id FROM (${CHOSEN}))`,
  ].map(compileUnscoped)
  const removing = [
    ...dependents.flatMap((each) => removal(resources, each.resource, each.rows)),
    ...clearings(resources, resource, CHOSEN),
    // What went with them is not returned: there is no bound to it, and its owners are the same.
    sql`${deletion(resource, CHOSEN)} RETURNING ${table.user_id}, ${table.revision}`,
  ].map(compileUnscoped)

  const run = (database: Database, statements: readonly Statement[], rows: readonly Row[]) => {
    const chosen = JSON.stringify(rows.map(({ user_id, id }) => [user_id, id]))
    return database.batch(statements.map((statement) => bind(statement, { chosen, expired })))
  }

  return {
    name: resource.name,
    async step(database) {
      const [rows = []] = await database.batch([bind(choice, { expired })], { repeatable: true })
      if (!rows.length) return false
      const held = holding.length ? (await run(database, holding, rows)).flat() : []
      if (held.length) await run(database, postponing, held)
      const waiting = new Set(held.map(keyOf))
      const free = rows.filter((row) => !waiting.has(keyOf(row)))
      if (free.length) await run(database, removing, free)
      return true
    },
  }
}

function keyOf({ user_id, id }: Row): string {
  return `${String(user_id)} ${String(id)}`
}

/** The rows that a step works on, each the root of what depends on it. */
const CHOSEN = sql`SELECT value ->> 0 AS user_id, value ->> 1 AS id, value ->> 1 AS root
  FROM json_each(${sql.placeholder('chosen')})`

/** The oldest expired rows, of each user the first one before of any the second. */
function expiredRows({ table }: Resource): SQL {
  return sql`SELECT user_id, id FROM (
      SELECT user_id, id, deleted_at, row_number() OVER (PARTITION BY user_id ORDER BY deleted_at, id) AS turn FROM (
        SELECT ${table.user_id}, ${table.id}, ${table.deleted_at} FROM ${table}
        WHERE ${table.deleted_at} <= ${sql.placeholder('expired')} ORDER BY ${table.deleted_at} LIMIT ${sql.raw(String(WINDOW))})
    ) ORDER BY turn, deleted_at, id LIMIT ${sql.raw(String(STEP))}`
}

/** Rows that cannot be without others. */
interface Dependents {
  resource: Resource
  /** A query for their user_id and id, and the id of the row at the root as `root`. */
  rows: SQL
  /** Whether they refer to a row that they require, rather than being under one. */
  required: boolean
}

/** What goes with `rows` (a query like {@link Dependents.rows}), the deepest first. A table refers only to earlier ones. */
function dependentsOf(resources: readonly Resource[], resource: Resource, rows: SQL): Dependents[] {
  return resources.flatMap((each) => {
    const { table, parent, references } = each
    const under = parent?.resource === resource ? [{ column: parent.column, required: false }] : []
    const requiring = references
      .filter((reference) => reference.table === resource.table && reference.column.notNull)
      .map(({ column }) => ({ column, required: true }))
    return [...under, ...requiring].flatMap(({ column, required }) => {
      const found = pointingAt({ column, table }, rows)
      return [...dependentsOf(resources, each, found), { resource: each, rows: found, required }]
    })
  })
}

/**
 * Deletes `rows`, and clears the references to them. Explicit rather than ON DELETE: a composite key cannot be set to
 * null in part, a cascade would go unseen by sync, and on D1 rebuilding a table in a migration fires it.
 */
function removal(resources: readonly Resource[], resource: Resource, rows: SQL): SQL[] {
  return [...clearings(resources, resource, rows), deletion(resource, rows)]
}

function clearings(resources: readonly Resource[], { table }: Resource, rows: SQL): SQL[] {
  return resources.flatMap((each) =>
    each.references
      .filter((reference) => reference.table === table && !reference.column.notNull)
      .map(({ column }) =>
        change(
          each,
          pointingAt({ column, table: each.table }, rows),
          sql`${sql.identifier(column.name)} = NULL`,
        ),
      ),
  )
}

function deletion({ table }: Resource, rows: SQL): SQL {
  return sql`DELETE FROM ${table} WHERE (user_id, id) IN (SELECT user_id, id FROM (${rows}))`
}

/** The rows whose `column` is the id of one of `rows`, found through each owner's own rows. */
function pointingAt({ column, table }: Reference, rows: SQL): SQL {
  return sql`SELECT ${table.user_id}, ${table.id}, target.root FROM (${rows}) AS target CROSS JOIN ${table}
    ON ${table.user_id} = target.user_id AND ${column} = target.id`
}

function liveAmong({ table }: Resource, rows: SQL): SQL {
  return sql`SELECT ${table.user_id}, ${table.id} FROM (${rows}) AS found JOIN ${table}
    ON ${table.user_id} = found.user_id AND ${table.id} = found.id WHERE ${table.deleted_at} IS NULL`
}

/** Each row that changes gets its own revision (docs/decisions/0002). */
function change({ table }: Resource, rows: SQL, setting: SQL): SQL {
  return sql`UPDATE ${table} SET ${setting}, updated_at = ${NOW}, revision = changed.revision
    FROM (
      SELECT user_id, id, row_number() OVER (PARTITION BY user_id ORDER BY id) + max(
        (SELECT max(revision) FROM ${table} WHERE ${table.user_id} = pointing.user_id),
        ${NOW_MS}
      ) AS revision FROM (SELECT DISTINCT user_id, id FROM (${rows})) AS pointing
    ) AS changed
    WHERE ${table.user_id} = changed.user_id AND ${table.id} = changed.id
    RETURNING ${table.user_id}, ${table.revision}`
}
