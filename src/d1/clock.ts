import { sql, type SQL } from 'drizzle-orm'

/** The database's clock as RFC 3339 in UTC with milliseconds; one value for the whole statement. */
export const NOW = sql`strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`

/** The database's clock in milliseconds since 1970. */
export const NOW_MS = sql`CAST(unixepoch('subsec') * 1000 AS INTEGER)`

/** The database's clock so many days ago, in the form of {@link NOW}. */
export function daysAgo(days: number): SQL {
  return sql`strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ${sql.raw(`'-${days} days'`)})`
}

/** The database's clock so many seconds from now, the number in a placeholder. */
export function inSeconds(name: string): SQL {
  return sql`strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+' || ${sql.placeholder(name)} || ' seconds')`
}
