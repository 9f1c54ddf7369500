import { sql } from 'drizzle-orm'
import { erasedUsers } from '../auth/schema.ts'
import { tombstoneOf } from '../auth/tombstone.ts'
import { openDatabase, noCost, type Database, type Home } from '../d1/database.ts'
import { bind, compileOwned, compileUnscoped, OWNER, slot } from '../d1/statement.ts'
import { KEY_HOURS, idempotencyKeys } from '../engine/idempotency.ts'
import { TRASH_DAYS, type Resource } from '../engine/resource.ts'
import { isTeamId } from '../ids.ts'
import { memo } from '../memo.ts'
import { teams } from '../teams/schema.ts'
import { forgetMemberStatements } from '../user/part.ts'

const tombstoneStatement = compileUnscoped(
  sql`SELECT 1 FROM ${erasedUsers} WHERE user_hash = ${slot('tombstone')}`,
)
const teamStatement = compileOwned(sql`SELECT 1 FROM ${teams} WHERE id = ${slot(OWNER)}`)

/** Whether an owner is no more, by the accounts in D1. */
export async function isGone(accounts: Database, owner: string): Promise<boolean> {
  const look = isTeamId(owner)
    ? bind(teamStatement, { [OWNER]: owner })
    : bind(tombstoneStatement, { tombstone: tombstoneOf(owner) })
  const [rows = []] = await accounts.batch([look], { repeatable: true })
  return isTeamId(owner) ? !rows.length : rows.length > 0
}

const forgetting = memo((resources: readonly Resource[]) => forgetMemberStatements(resources))

/** Takes an erased member out of the rows of the owner, a team. */
export async function forgetMember(
  resources: readonly Resource[],
  rows: Database,
  owner: string,
  member: string,
): Promise<void> {
  const values = { [OWNER]: owner, member }
  await rows.batch(forgetting(resources).map((statement) => bind(statement, values)))
}

const HOUR = 3_600_000

/** When something of an object's rows and keys can be purged next, in milliseconds since 1970; undefined for never. */
export async function nextPurge(resources: readonly Resource[], home: Home): Promise<number | undefined> {
  const oldest = [
    ...resources.map(({ table }) => ({
      query: sql`SELECT min(deleted_at) AS since FROM ${table} WHERE deleted_at IS NOT NULL`,
      kept: TRASH_DAYS * 24 * HOUR,
    })),
    { query: sql`SELECT min(created_at) AS since FROM ${idempotencyKeys}`, kept: KEY_HOURS * HOUR },
  ]
  const rows = await openDatabase(home, noCost()).batch(
    oldest.map(({ query }) => bind(compileUnscoped(query), {})),
  )
  const due = oldest.flatMap(({ kept }, at) => {
    const since = rows[at]?.[0]?.since
    return typeof since === 'string' ? [Date.parse(since) + kept] : []
  })
  return due.length ? Math.max(Math.min(...due), Date.now() + HOUR) : undefined
}
