import { sql, type SQL } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import type { TeamRole } from '../context.ts'
import { assertion, raise } from '../d1/assertion.ts'
import type { Guard } from '../d1/database.ts'
import { bind, compileOwned, OWNER, slot, type Statement } from '../d1/statement.ts'
import { teamMembers } from './schema.ts'

/** The roles of a team, from the least to all. */
const LADDER = 'viewer editor admin owner'

/** How high a role is: the higher, the more it may. */
export function rankOf(role: TeamRole): number {
  return LADDER.indexOf(role) + 1
}

/** {@link rankOf} of a column; 0 for a former member's. */
export function rankIn(column: SQLiteColumn): SQL {
  return sql`instr(${sql.raw(`'${LADDER}'`)}, ${column})`
}

/** How high a member is. */
export const RANK = rankIn(teamMembers.role)

const caller = sql`${teamMembers.team_id} = ${slot(OWNER)} AND ${teamMembers.user_id} = ${slot('caller')}`

/** The view raises which of the two problems it is, so that one look at the member is enough. */
const roleAssertion = compileOwned(
  sql`INSERT INTO role_assertion VALUES (coalesce((SELECT ${RANK} FROM ${teamMembers} WHERE ${caller}), 0), ${slot('least')})`,
)
const roleStatement = compileOwned(
  sql`SELECT 1 FROM ${teamMembers} WHERE ${caller} AND ${RANK} >= ${slot('least')}`,
)

const existing = sql`SELECT 1 FROM ${teamMembers} WHERE ${teamMembers.team_id} = ${slot(OWNER)} LIMIT 1`
const existsStatement = compileOwned(existing)
const existsAssertion = compileOwned(assertion(sql`EXISTS (${existing})`))

/**
 * What must hold for every batch of a request on a team's path: the caller is a member now, with at least this role. Else
 * `not_your_path`, as for any foreign path, or `insufficient_role`.
 */
export function roleGuards(team: string, userId: string, least: TeamRole, reads: boolean): Guard[] {
  const values = { [OWNER]: team, caller: userId }
  if (!reads) return [{ statement: bind(roleAssertion, { ...values, least: rankOf(least) }), selects: false }]
  const selecting = (role: TeamRole, problem: 'not_your_path' | 'insufficient_role'): Guard => ({
    statement: bind(roleStatement, { ...values, least: rankOf(role) }),
    problem,
    selects: true,
  })
  const member = selecting('viewer', 'not_your_path')
  return least === 'viewer' ? [member] : [member, selecting(least, 'insufficient_role')]
}

/** What must hold for every batch of an administrator's request on a team's path: there is such a team. */
export function teamGuard(team: string, reads: boolean): Guard {
  const values = { [OWNER]: team, problem: raise('row_not_found') }
  const statement: Statement = reads ? existsStatement : existsAssertion
  return { statement: bind(statement, values), problem: 'row_not_found', selects: reads }
}
