import { sql } from 'drizzle-orm'
import { activity } from '../auth/schema.ts'
import { daysAgo } from '../d1/clock.ts'
import type { Row } from '../d1/database.ts'
import { compileOwned, compileUnscoped, OWNER, slot } from '../d1/statement.ts'

/** What a client sees of an event. */
export interface Activity {
  id: string
  at: string
  /** One of `ActivityEvent`; a client passes over those that it does not know. */
  event: string
  session_id: string | null
  user_agent: string | null
  address: string | null
}

/** How long events are kept, in days. */
const KEPT = 90

/** An event that is still kept. */
export const isKept = sql`at > ${daysAgo(KEPT)}`

/** The owner's events, newest first, from after the placeholder `after`; one more than a page. */
export const activityStatement =
  compileOwned(sql`SELECT id, at, event, session_id, user_agent, address FROM ${activity}
    WHERE user_id = ${slot(OWNER)} AND id < ${slot('after')} AND ${isKept}
    ORDER BY id DESC LIMIT ${slot('limit')}`)

/** How many events one step of the purge deletes. */
const PURGED = 10_000

/** Deletes the events of every user that are too old. */
export const purgeActivityStatement = compileUnscoped(sql`DELETE FROM ${activity} WHERE (user_id, id) IN (
    SELECT user_id, id FROM ${activity} WHERE at <= ${daysAgo(KEPT)} ORDER BY at LIMIT ${sql.raw(String(PURGED))}) RETURNING 1 AS purged`)

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** A row of {@link activity} as a client sees it. */
export function activityOf(row: Row): Activity {
  return {
    id: String(row.id),
    at: String(row.at),
    event: String(row.event),
    session_id: textOf(row.session_id),
    user_agent: textOf(row.user_agent),
    address: textOf(row.address),
  }
}
