import { sql } from 'drizzle-orm'
import { RANK, rankIn } from '../auth/role-guard.ts'
import { teamMembers, users } from '../auth/schema.ts'
import type { TeamRole } from '../context.ts'
import { assertion } from '../d1/assertion.ts'
import type { Row } from '../d1/database.ts'
import { compileOwned, OWNER, slot } from '../d1/statement.ts'
import { teamInvitations } from './schema.ts'

/** What a member sees of another one. */
export interface Member {
  user_id: string
  /** Only a verified one: anybody can write any address into an account. */
  email?: string | undefined
  role: TeamRole
  joined_at: string
}

const inTeam = sql`${teamMembers.team_id} = ${slot(OWNER)}`
const isMember = sql`${inTeam} AND ${teamMembers.user_id} = ${slot('member')}`

/** How high a member is; 0 for whoever is none. */
function rankOfMember(who: string) {
  return sql`coalesce((SELECT ${RANK} FROM ${teamMembers} WHERE ${inTeam} AND ${teamMembers.user_id} = ${slot(who)}), 0)`
}

/** How high the caller is: at least the placeholder `floor`, which is an owner's for an administrator of the deployment. */
const rankOfCaller = sql`max(${slot('floor')}, ${rankOfMember('caller')})`

/** Asserts that the caller may give the role of the placeholder `rank`. */
export const mayGiveAssertion = compileOwned(assertion(sql`${rankOfCaller} >= ${slot('rank')}`))

/** Asserts that the placeholder `member` is one. */
export const memberAssertion = compileOwned(assertion(sql`${rankOfMember('member')} > 0`))

/** Asserts that the member is not above the caller. */
export const notAboveAssertion = compileOwned(assertion(sql`${rankOfCaller} >= ${rankOfMember('member')}`))

/** Asserts that there is an owner once the member has the placeholder `role`. */
export const ownerStaysAssertion = compileOwned(
  assertion(sql`${slot('role')} = 'owner' OR EXISTS (
    SELECT 1 FROM ${teamMembers} WHERE ${inTeam} AND ${teamMembers.user_id} <> ${slot('member')} AND role = 'owner')
    OR NOT EXISTS (SELECT 1 FROM ${teamMembers} WHERE ${isMember} AND role = 'owner')`),
)

/** Gives the member the placeholder `role`. What it returns closes the member's connections to the team. */
export const setRoleStatement = compileOwned(
  sql`UPDATE ${teamMembers} SET role = ${slot('role')} WHERE ${isMember} AND role <> ${slot('role')} RETURNING team_id, user_id`,
)

/** Withdraws the member's invitations into roles above the placeholder `rank`, so that nobody keeps a way up or back. */
export const withdrawAboveStatement = compileOwned(
  sql`DELETE FROM ${teamInvitations} WHERE team_id = ${slot(OWNER)} AND invited_by = ${slot('member')} AND ${rankIn(teamInvitations.role)} > ${slot('rank')}`,
)

const VISIBLE = sql`${teamMembers.user_id} AS id, ${users.email}, ${teamMembers.role}, ${teamMembers.joined_at}
  FROM ${teamMembers} LEFT JOIN ${users} ON ${users.id} = ${teamMembers.user_id} AND ${users.email_verified_at} IS NOT NULL`

/** The team's members by id, newest accounts first, from after the placeholder `after`; one more than a page. */
export const membersStatement = compileOwned(
  sql`SELECT ${VISIBLE} WHERE ${inTeam} AND ${RANK} > 0 AND ${teamMembers.user_id} < ${slot('after')}
    ORDER BY ${teamMembers.user_id} DESC LIMIT ${slot('limit')}`,
)

/** The placeholder `member` of the team. */
export const memberStatement = compileOwned(sql`SELECT ${VISIBLE} WHERE ${isMember}`)

/** A row of {@link membersStatement} as a member sees it. */
export function memberOf({ id, email, role, joined_at }: Row) {
  return { user_id: id, ...(typeof email === 'string' && { email }), role, joined_at }
}
