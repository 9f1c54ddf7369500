import { sql } from 'drizzle-orm'
import { NOW } from '../d1/clock.ts'
import type { Guard } from '../d1/database.ts'
import { raise } from '../d1/assertion.ts'
import { assertionAtHome, HOME, withHome } from '../d1/fence.ts'
import { bind, compileOwned, OWNER, slot, type BoundStatement } from '../d1/statement.ts'
import { sessions } from './schema.ts'

/** The session of the placeholder `session` is one of the owner's that has not ended. */
export const isLiveSession = sql`${sessions.user_id} = ${slot(OWNER)} AND ${sessions.id} = ${slot('session')}
  AND ${sessions.ends_at} > ${NOW}`

const liveStatement = compileOwned(
  sql`SELECT ${withHome(sql`ends_at`)} FROM ${sessions} WHERE ${isLiveSession}`,
)
const liveAssertion = compileOwned(
  assertionAtHome(sql`EXISTS (SELECT 1 FROM ${sessions} WHERE ${isLiveSession})`),
)

/**
 * What must hold for every batch of a request with a token of this session. A write asserts it, so nothing of its
 * batch is stored otherwise; a read selects it, so that any replica can answer (docs/decisions/0017). With `home`, an owner,
 * it also tells whether the rows of that owner have left D1.
 */
export function sessionGuard(userId: string, session: string, reads: boolean, home = ''): Guard {
  const values = { [OWNER]: userId, session, [HOME]: home, problem: raise('session_ended') }
  const statement = bind(reads ? liveStatement : liveAssertion, values)
  return { statement, problem: 'session_ended', selects: reads }
}

/** A query for the `ends_at` of a session; no row when it has ended. */
export function sessionEnd(userId: string, session: string): BoundStatement {
  return bind(liveStatement, { [OWNER]: userId, session, [HOME]: '' })
}
