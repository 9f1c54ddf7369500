import { sql, type SQL } from 'drizzle-orm'
import type { Context } from 'hono'
import { circumstancesOf, NEW_ID, type ActivityEvent } from '../auth/activity.ts'
import { activity, users } from '../auth/schema.ts'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
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
import { addressKey, rateLimited } from '../http/rate-limit.ts'
import { sha256 } from '../sha256.ts'
import { guesses } from './schema.ts'

/** How many wrong passwords cost no wait; each further one doubles it, from a second up to this many seconds. */
const FREE = 5
const LONGEST_WAIT = 900
/** How long after the last wrong password the count starts again, in seconds. */
const FORGOTTEN = 24 * 60 * 60

/**
 * Wrong passwords of one account from one client address, so that guesses from one address never lock out the owner at
 * another. An e-mail without an account leaves the same rows, under a digest, so that the database does not tell which
 * e-mails have one.
 */
export interface Guesser {
  /** Before the password is verified: a query for what {@link refuseBlocked} refuses. */
  isBlocked: BoundStatement
  /** After a wrong password. */
  failed: readonly BoundStatement[]
  /** After a right one, in the batch that it opens. */
  forgiven: BoundStatement
}

/** A caller who logs in with this normalised e-mail. */
export async function guesserByEmail(c: Context<App>, email: string): Promise<Guesser> {
  return guesser(c, byEmail, {
    email,
    nobody: await nobodyWith(email),
    event: 'login_failed',
    address: addressKey(c.req.header('CF-Connecting-IP') ?? ''),
  })
}

/** The signed-in user who confirms a password: wherever the requests come from, as they need that user's token. */
export function guesserByUser(c: Context<App>, userId: string): Guesser {
  return guesser(c, byUser, { [OWNER]: userId, event: 'password_refused', address: 'signed in' })
}

/** Throws `rate_limited` when {@link Guesser.isBlocked} found that it is too early for another guess. */
export function refuseBlocked(c: Context<App>, [row]: readonly Row[]): void {
  if (!row || !readConfig(c.env).RATE_LIMITS) return
  throw rateLimited({ name: 'guesses', quota: FREE, window: Math.max(1, Number(row.seconds)) })
}

/** What stands for the account of an e-mail that has none: no user's id begins so. */
export async function nobodyWith(email: string): Promise<string> {
  return `?${await sha256(new TextEncoder().encode(email))}`
}

/** The account with the placeholder `email`, or the placeholder `nobody`: one row is read for either. */
export const whoHas = sql`coalesce((SELECT id FROM ${users} WHERE email = ${slot('email')}),
  (SELECT ${slot('nobody')} FROM ${users} LIMIT 1), ${slot('nobody')})`

function statementsFor(who: SQL, compile: typeof compileUnscoped) {
  const mine = sql`user_id = ${who} AND address = ${slot('address')}`
  const count = sql`CASE WHEN ${guesses.ends_at} > ${NOW} THEN ${guesses.failures} + 1 ELSE 1 END`
  const wait = sql`CASE WHEN ${count} < ${sql.raw(String(FREE))} THEN 0
    ELSE min(${sql.raw(String(LONGEST_WAIT))}, 1 << min(20, ${count} - ${sql.raw(String(FREE))})) END`
  return {
    isBlocked: compile(sql`SELECT CAST(unixepoch(blocked_until) - unixepoch('now') AS INTEGER) AS seconds
      FROM ${guesses} WHERE ${mine} AND blocked_until > ${NOW}`),
    count: compile(sql`INSERT INTO ${guesses} (user_id, address, failures, blocked_until, ends_at)
      VALUES (${who}, ${slot('address')}, 1, ${NOW}, ${inSeconds('forgotten')})
      ON CONFLICT DO UPDATE SET failures = ${count}, ends_at = excluded.ends_at,
        blocked_until = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+' || ${wait} || ' seconds')`),
    note: compile(sql`INSERT INTO ${activity} (user_id, id, at, event, user_agent, address)
      VALUES (${who}, ${NEW_ID}, ${NOW}, ${slot('event')}, ${slot('agent')}, ${slot('from')})`),
    forgive: compile(sql`DELETE FROM ${guesses} WHERE ${mine}`),
  }
}

const byEmail = statementsFor(whoHas, compileUnscoped)
const byUser = statementsFor(sql`${slot(OWNER)}`, compileOwned)

function guesser(
  c: Context<App>,
  statements: typeof byEmail,
  who: Values & { event: ActivityEvent; address: string },
): Guesser {
  const { agent, address } = circumstancesOf(c)
  const values = { ...who, forgotten: FORGOTTEN, agent, from: address }
  return {
    isBlocked: bind(statements.isBlocked, values),
    failed: [bind(statements.count, values), bind(statements.note, values)],
    forgiven: bind(statements.forgive, values),
  }
}

/** How many counts one step of the purge deletes. */
const PURGED = 10_000

/** Deletes the counts that have ended. */
export const purgeGuessesStatement = compileUnscoped(sql`DELETE FROM ${guesses} WHERE (user_id, address) IN (
    SELECT user_id, address FROM ${guesses} WHERE ends_at <= ${NOW} ORDER BY ends_at LIMIT ${sql.raw(String(PURGED))}) RETURNING 1 AS purged`)

/** Deletes what was noted of e-mails without an account. */
export const purgeNobodyStatement = compileUnscoped(sql`DELETE FROM ${activity} WHERE (user_id, id) IN (
    SELECT user_id, id FROM ${activity} WHERE user_id >= char(63) AND user_id < '@' LIMIT ${sql.raw(String(PURGED))}) RETURNING 1 AS purged`)
