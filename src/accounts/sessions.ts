import { sql, type SQL } from 'drizzle-orm'
import type { Context } from 'hono'
import type { App } from '../context.ts'
import { circumstancesOf, recordingOf } from '../auth/activity.ts'
import { sessions, users } from '../auth/schema.ts'
import { isLiveSession } from '../auth/session-guard.ts'
import { inSeconds, NOW } from '../d1/clock.ts'
import type { Row } from '../d1/database.ts'
import {
  bind,
  compileOwned,
  compileUnscoped,
  OWNER,
  slot,
  type BoundStatement,
  type Values,
} from '../d1/statement.ts'

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
const GRACE = 10

const mine = sql`${sessions.user_id} = ${slot(OWNER)}`
/** What every statement that ends sessions returns of each, so that its live connections end too. */
export const ended = sql`user_id, id`

/** Starts a session: placeholders `session`, `family`, `token`, `agent`, and `ttl` and `idle` in seconds. */
export const startStatement =
  compileOwned(sql`INSERT INTO ${sessions} (user_id, id, family_hash, token_hash, user_agent, created_at, last_used_at, expires_at, ends_at)
    VALUES (${slot(OWNER)}, ${slot('session')}, ${slot('family')}, ${slot('token')}, ${slot('agent')}, ${NOW}, ${NOW},
      ${inSeconds('ttl')}, min(${inSeconds('ttl')}, ${inSeconds('idle')}))`)

/** Exchanges the placeholder `token` for `next` if it is the current one: the compare-and-set that every refresh goes through. */
export const rotateStatement =
  compileOwned(sql`UPDATE ${sessions} SET previous_hash = token_hash, token_hash = ${slot('next')}, last_used_at = ${NOW},
    ends_at = min(expires_at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+' || coalesce(idle_ttl, ${slot('idle')}) || ' seconds')) WHERE ${isLiveSession} AND token_hash = ${slot('token')}`)

/**
 * Gives a session its first token anew, the placeholders `family` and `token`: no earlier one means anything any more.
 * Returns the `seconds_left` of the session.
 */
export const renewStatement =
  compileOwned(sql`UPDATE ${sessions} SET family_hash = ${slot('family')}, token_hash = ${slot('token')}, previous_hash = NULL,
    last_used_at = ${NOW}, ends_at = min(expires_at, ${inSeconds('idle')}) WHERE ${isLiveSession}
    RETURNING CAST(unixepoch(expires_at) - unixepoch('now') AS INTEGER) AS seconds_left`)

/** The token was exchanged for `next`, just now, or a moment ago by another tab with the same token. */
const exchanged = sql`previous_hash = ${slot('token')} AND token_hash = ${slot('next')}
  AND last_used_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ${sql.raw(`'-${GRACE} seconds'`)})`

const reused = sql`${isLiveSession} AND family_hash = ${slot('family')} AND (${exchanged}) IS NOT 1`

/** Notes what {@link reuseStatement} is about to end, with the placeholders `agent` and `address`. */
export const recordReuseStatement = compileOwned(recordingOf('refresh_token_reused', reused))

/**
 * Ends the session whose token was used again. A forged token that merely names the session has no effect, nor does a token
 * of an expired session.
 */
export const reuseStatement = compileOwned(sql`DELETE FROM ${sessions} WHERE ${reused} RETURNING ${ended}`)

/** The account behind an exchanged token; none when it was refused. */
export const refreshedStatement =
  compileOwned(sql`SELECT ${users.role}, CAST(unixepoch(${sessions.expires_at}) - unixepoch('now') AS INTEGER) AS seconds_left
    FROM ${sessions} JOIN ${users} ON ${users.id} = ${sessions.user_id} WHERE ${isLiveSession} AND ${exchanged}`)

const byToken = sql`${mine} AND id = ${slot('session')} AND family_hash = ${slot('family')}`

/** Statements that end the sessions which `which` selects and note each. */
function ending(which: SQL) {
  return {
    recording: compileOwned(recordingOf('session_ended', which)),
    removal: compileOwned(sql`DELETE FROM ${sessions} WHERE ${which} RETURNING ${ended}`),
  }
}

const endings = {
  /** The owner's `session`. */
  one: ending(isLiveSession),
  /** All of the owner's. */
  all: ending(mine),
  /** All of the owner's but `session`. */
  others: ending(sql`${mine} AND id <> ${slot('session')}`),
  /** The `session` of a refresh token, current or not, by its `family`. */
  byToken: ending(byToken),
  /** All of a refresh token's user. */
  allByToken: ending(sql`${mine} AND EXISTS (SELECT 1 FROM ${sessions} WHERE ${byToken})`),
}

/** Ends sessions and notes each: two statements, of which the second returns the `user_id` and `id` of those ended. */
export function end(c: Context<App>, which: keyof typeof endings, values: Values): BoundStatement[] {
  const { recording, removal } = endings[which]
  const concerns = [{ owner: String(values[OWNER]) }]
  return [bind(recording, { ...values, ...circumstancesOf(c) }), { ...bind(removal, values), concerns }]
}

/** The owner's sessions, newest first, from after the placeholder `after`; one more than a page. */
export const sessionsStatement =
  compileOwned(sql`SELECT id, created_at, last_used_at, expires_at, user_agent FROM ${sessions}
    WHERE ${mine} AND ${sessions.ends_at} > ${NOW} AND id < ${slot('after')} ORDER BY id DESC LIMIT ${slot('limit')}`)

/** How many dead sessions one statement deletes. */
const PURGED = 1_000

/** Deletes sessions, of every user, that have expired. Returns something for each of them. */
export const purgeSessionsStatement = compileUnscoped(sql`DELETE FROM ${sessions} WHERE (user_id, id) IN (
    SELECT user_id, id FROM ${sessions} WHERE ends_at <= ${NOW} ORDER BY ends_at LIMIT ${sql.raw(String(PURGED))}) RETURNING 1 AS purged`)

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
