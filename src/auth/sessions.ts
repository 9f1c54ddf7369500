import { sql, type SQL } from 'drizzle-orm'
import { foreignKey, index, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { Row } from '../database.ts'
import { lazily } from '../lazily.ts'
import { NOW } from '../resource.ts'
import { slot } from '../sql/scope.ts'
import { assertion, bind, compile, compileOwned, OWNER, type BoundStatement } from '../sql/statement.ts'
import { users } from './users.ts'

/** One login on one device, until it ends: its row is deleted then. Its `id` is the `sid` of its access tokens. */
export const sessions = sqliteTable(
  'sessions',
  {
    user_id: text().notNull(),
    id: text().notNull(),
    /** Hashes of what {@link RefreshToken} holds; the tokens themselves are nowhere. */
    family_hash: text().notNull(),
    token_hash: text().notNull(),
    /** The token before, for two tabs that refresh at once; null until the first refresh. */
    previous_hash: text(),
    user_agent: text(),
    created_at: text().notNull(),
    /** When its tokens were made: at login, or by the last refresh. */
    last_used_at: text().notNull(),
    /** The end that no refresh moves. */
    expires_at: text().notNull(),
    /** `expires_at`, or earlier when nobody refreshes until then. */
    ends_at: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.user_id, table.id] }),
    foreignKey({ columns: [table.user_id], foreignColumns: [users.id] }),
    index('sessions_ends_at').on(table.ends_at),
  ],
)

/** What a client sees of a session. */
export interface Session {
  id: string
  /** Whether it is the session of the token that asks. */
  current: boolean
  created_at: string
  last_used_at: string
  expires_at: string
  user_agent: string | null
}

/** How long the token before the last refresh still gets the result of that refresh, in seconds. */
export const GRACE = 10

const lives = sql`${sessions.ends_at} > ${NOW}`
const mine = sql`${sessions.user_id} = ${slot(OWNER)}`
const isIt = sql`${mine} AND ${sessions.id} = ${slot('session')} AND ${lives}`
const live = sql`SELECT 1 FROM ${sessions} WHERE ${isIt}`

/** The database's clock in so many seconds, those of a placeholder. */
function inSeconds(name: string): SQL {
  return sql`strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+' || ${slot(name)} || ' seconds')`
}

const liveStatement = lazily(() => compileOwned(live))
const liveAssertion = lazily(() => compileOwned(assertion(sql`EXISTS (${live})`)))

/**
 * What must hold for every batch of a request with a token of this session. A write asserts it, so nothing of its
 * batch is stored otherwise; a read selects it, so that any replica can answer (docs/decisions/0017).
 */
export function sessionGuard(userId: string, session: string, reads: boolean): BoundStatement {
  const values = { [OWNER]: userId, session, problem: 'session_ended' }
  return bind(reads ? liveStatement() : liveAssertion(), values)
}

/** Starts a session: placeholders `session`, `family`, `token`, `agent`, and `ttl` and `idle` in seconds. */
export const startStatement = lazily(() =>
  compileOwned(sql`INSERT INTO ${sessions} (user_id, id, family_hash, token_hash, user_agent, created_at, last_used_at, expires_at, ends_at)
    VALUES (${slot(OWNER)}, ${slot('session')}, ${slot('family')}, ${slot('token')}, ${slot('agent')}, ${NOW}, ${NOW},
      ${inSeconds('ttl')}, min(${inSeconds('ttl')}, ${inSeconds('idle')}))`),
)

/** Exchanges the placeholder `token` for `next` if it is the current one: the compare-and-set that every refresh goes through. */
export const rotateStatement = lazily(() =>
  compileOwned(sql`UPDATE ${sessions} SET previous_hash = token_hash, token_hash = ${slot('next')}, last_used_at = ${NOW},
    ends_at = min(expires_at, ${inSeconds('idle')}) WHERE ${isIt} AND token_hash = ${slot('token')}`),
)

/** The token was exchanged for `next`, just now or a moment ago by somebody who has the same token. */
const exchanged = sql`previous_hash = ${slot('token')} AND token_hash = ${slot('next')}
  AND last_used_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ${sql.raw(`'-${GRACE} seconds'`)})`

/**
 * Ends the session whose token was used again. One that was never its token, though it names it, does nothing; nor does
 * any token of a session that has expired, whose owner may have been away for too long.
 */
export const reuseStatement = lazily(() =>
  compileOwned(
    sql`DELETE FROM ${sessions} WHERE ${isIt} AND family_hash = ${slot('family')} AND (${exchanged}) IS NOT 1 RETURNING id`,
  ),
)

/** The account behind an exchanged token; none when it was refused. */
export const refreshedStatement = lazily(() =>
  compileOwned(sql`SELECT ${users.role}, CAST(unixepoch(${sessions.expires_at}) - unixepoch('now') AS INTEGER) AS seconds_left
    FROM ${sessions} JOIN ${users} ON ${users.id} = ${sessions.user_id} WHERE ${isIt} AND ${exchanged}`),
)

/** Ends the session of a refresh token, current or not. */
export const endByTokenStatement = lazily(() =>
  compileOwned(
    sql`DELETE FROM ${sessions} WHERE ${mine} AND id = ${slot('session')} AND family_hash = ${slot('family')}`,
  ),
)

/** Ends every session of a refresh token's user. */
export const endAllByTokenStatement = lazily(() =>
  compileOwned(sql`DELETE FROM ${sessions} WHERE ${mine} AND EXISTS (SELECT 1 FROM ${sessions}
    WHERE ${mine} AND id = ${slot('session')} AND family_hash = ${slot('family')})`),
)

/** Ends one session. */
export const endStatement = lazily(() =>
  compileOwned(sql`DELETE FROM ${sessions} WHERE ${isIt} RETURNING id`),
)

/** Ends all of the owner's sessions. */
export const endAllStatement = lazily(() => compileOwned(sql`DELETE FROM ${sessions} WHERE ${mine}`))

/** Ends all sessions but one. */
export const endOthersStatement = lazily(() =>
  compileOwned(sql`DELETE FROM ${sessions} WHERE ${mine} AND id <> ${slot('session')}`),
)

/** The owner's sessions, newest first, from after the placeholder `after`; one more than a page. */
export const sessionsStatement = lazily(() =>
  compileOwned(sql`SELECT id, created_at, last_used_at, expires_at, user_agent FROM ${sessions}
    WHERE ${mine} AND ${lives} AND id < ${slot('after')} ORDER BY id DESC LIMIT ${slot('limit')}`),
)

/** How many dead sessions one run of the cron trigger deletes; the next run goes on. */
const PURGED = 10_000

/** Deletes the rows of sessions, of every user, that have expired. */
export const purgeSessionsStatement = lazily(() =>
  compile(sql`DELETE FROM ${sessions} WHERE (user_id, id) IN (
    SELECT user_id, id FROM ${sessions} WHERE ends_at <= ${NOW} ORDER BY ends_at LIMIT ${sql.raw(String(PURGED))})`),
)

/** A row of {@link sessions} as a client sees it, whose own session is `current`. */
export function sessionOf(row: Row, current: string | undefined): Session {
  return {
    id: String(row.id),
    current: row.id === current,
    created_at: String(row.created_at),
    last_used_at: String(row.last_used_at),
    expires_at: String(row.expires_at),
    user_agent: typeof row.user_agent === 'string' ? row.user_agent : null,
  }
}
