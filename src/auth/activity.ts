import { sql, type SQL } from 'drizzle-orm'
import type { Context } from 'hono'
import type { App } from '../context.ts'
import { NOW, NOW_MS } from '../d1/clock.ts'
import { bind, compileOwned, OWNER, slot, type BoundStatement } from '../d1/statement.ts'
import { activity, sessions, teamMembers, users } from './schema.ts'

/** What an account's owner is told of: each is written in the batch that it reports. */
export type ActivityEvent =
  | 'login_password'
  | 'login_passkey'
  | 'login_provider'
  | 'login_guest'
  | 'login_failed'
  | 'refresh_token_reused'
  | 'password_refused'
  | 'password_changed'
  | 'password_reset'
  | 'email_verified'
  | 'email_change_requested'
  | 'email_changed'
  | 'passkey_added'
  | 'passkey_removed'
  | 'identity_added'
  | 'identity_removed'
  | 'session_ended'
  | 'exported'
  | 'team_deleted'
  | 'admin_access'

/** What a team's administrators are told of. */
export type TeamEvent =
  | 'team_created'
  | 'team_renamed'
  | 'invited'
  | 'invitation_withdrawn'
  | 'joined'
  | 'left'
  | 'removed'
  | 'role_changed'
  | 'exported'
  | 'admin_access'

/** By which device and from where a request came; null where it does not say. */
export interface Circumstances {
  agent: string | null
  address: string | null
}

const USER_AGENT_LENGTH = 255
/** As long as an IPv6 address can be written. */
const ADDRESS_LENGTH = 45

/** What a request says of where it comes from. */
export function circumstancesOf(c: Context<App>): Circumstances {
  return {
    agent: c.req.header('User-Agent')?.slice(0, USER_AGENT_LENGTH) || null,
    address: c.req.header('CF-Connecting-IP')?.slice(0, ADDRESS_LENGTH) || null,
  }
}

const MS = sql`printf('%012x', ${NOW_MS})`
/** A UUIDv7 (RFC 9562 §5.7) for each row that a statement inserts: SQLite would evaluate a subquery once for all. */
export const NEW_ID = sql`substr(${MS}, 1, 8) || '-' || substr(${MS}, 9) || '-7' || substr(lower(hex(randomblob(2))), 2) || '-'
  || substr('89ab', 1 + (random() & 3), 1) || substr(lower(hex(randomblob(2))), 2) || '-' || lower(hex(randomblob(6)))`

const INTO = sql`INSERT INTO ${activity} (user_id, id, at, event, session_id, user_agent, address)`

const recordStatement = compileOwned(sql`${INTO}
  VALUES (${slot(OWNER)}, ${NEW_ID}, ${NOW}, ${slot('event')}, ${slot('session')}, ${slot('agent')}, ${slot('address')})`)

const recordIfAccountStatement = compileOwned(sql`${INTO}
  SELECT id, ${NEW_ID}, ${NOW}, ${slot('event')}, ${slot('session')}, ${slot('agent')}, ${slot('address')}
  FROM ${users} WHERE id = ${slot(OWNER)}`)

/** How often the visits of administrators are noted, in minutes: one visit is many requests. */
const VISIT = 60

const visitStatement = compileOwned(sql`${INTO}
  SELECT ${slot(OWNER)}, ${NEW_ID}, ${NOW}, 'admin_access', NULL, NULL, NULL
  WHERE (EXISTS (SELECT 1 FROM ${users} WHERE id = ${slot(OWNER)})
    OR EXISTS (SELECT 1 FROM ${teamMembers} WHERE team_id = ${slot(OWNER)}))
  AND NOT EXISTS (SELECT 1 FROM ${activity} WHERE user_id = ${slot(OWNER)} AND event = 'admin_access'
    AND id > substr(printf('%012x', ${NOW_MS} - ${sql.raw(String(VISIT * 60_000))}), 1, 8))`)

/** The SQL that notes what `event` selects of the owner: placeholders `agent` and `address`. */
export function recordingSelected(event: SQL): SQL {
  return sql`${INTO} VALUES (${slot(OWNER)}, ${NEW_ID}, ${NOW}, ${event}, NULL, ${slot('agent')}, ${slot('address')})`
}

/** Notes an event of an account that the batch itself proves, by this request. */
export function record(
  c: Context<App>,
  event: ActivityEvent,
  userId: string,
  sessionId?: string,
): BoundStatement {
  const values = { [OWNER]: userId, event, session: sessionId ?? null, ...circumstancesOf(c) }
  return bind(recordStatement, values)
}

/** {@link record} where the user may have no account here: then nothing is noted. */
export function recordIfAccount(
  c: Context<App>,
  event: ActivityEvent,
  userId: string,
  sessionId?: string,
): BoundStatement {
  const values = { [OWNER]: userId, event, session: sessionId ?? null, ...circumstancesOf(c) }
  return bind(recordIfAccountStatement, values)
}

/** Notes that an administrator used the owner's paths, once an hour. It does not say who: the log does. */
export function recordVisit(userId: string): BoundStatement {
  return bind(visitStatement, { [OWNER]: userId })
}

/** The SQL that notes an event for each of the sessions that `which` selects: placeholders `agent` and `address`. */
export function recordingOf(event: ActivityEvent, which: SQL): SQL {
  return sql`${INTO} SELECT user_id, ${NEW_ID}, ${NOW}, ${sql.raw(`'${event}'`)}, id, ${slot('agent')}, ${slot('address')}
    FROM ${sessions} WHERE ${which}`
}
