import { sql } from 'drizzle-orm'
import { decodeProof, encodeProof, newSecret } from '../accounts/proofs.ts'
import { RANK } from '../auth/role-guard.ts'
import { teamMembers, users } from '../auth/schema.ts'
import type { TeamRole } from '../context.ts'
import { assertion } from '../d1/assertion.ts'
import { inSeconds, NOW } from '../d1/clock.ts'
import type { Row } from '../d1/database.ts'
import { compileOwned, compileUnscoped, OWNER, slot } from '../d1/statement.ts'
import { isTeamId, UUID_V7 } from '../ids.ts'
import { teamInvitations } from './schema.ts'

/** What a team's administrators see of an invitation. */
export interface Invitation {
  id: string
  role: TeamRole
  /** Null for one that anybody with its link may use. */
  email: string | null
  invited_by: string
  created_at: string
  expires_at: string
}

/** How long an invitation can be accepted, in seconds. */
const LIFETIME = 7 * 24 * 60 * 60

const VISIBLE = sql`id, role, email, invited_by, created_at, expires_at`
const inTeam = sql`${teamInvitations.team_id} = ${slot(OWNER)}`
const isLive = sql`expires_at > ${NOW}`

/** Invites by the placeholders `id`, `role`, `email`, `token` and `caller`. */
export const inviteStatement = compileOwned(
  sql`INSERT INTO ${teamInvitations} (team_id, id, role, email, token_hash, invited_by, created_at, expires_at)
    VALUES (${slot(OWNER)}, ${slot('id')}, ${slot('role')}, ${slot('email')}, ${slot('token')}, ${slot('caller')}, ${NOW},
      ${inSeconds('lifetime')}) RETURNING ${VISIBLE}`,
)

/** The values of {@link inviteStatement} for a new token, and that token. */
export async function newInvitation(team: string, id: string) {
  const { secret, hash } = await newSecret()
  const whose = `${team}/${id}`
  return { secret, whose, token: encodeProof(secret, whose), values: { id, token: hash, lifetime: LIFETIME } }
}

/** The team's invitations that can still be accepted, newest first, from after the placeholder `after`; one more than a page. */
export const invitationsStatement = compileOwned(
  sql`SELECT ${VISIBLE} FROM ${teamInvitations} WHERE ${inTeam} AND id < ${slot('after')} AND ${isLive}
    ORDER BY id DESC LIMIT ${slot('limit')}`,
)

/** The invitation `id` can still be accepted. */
export const isWithdrawable = sql`${inTeam} AND ${teamInvitations.id} = ${slot('id')} AND ${isLive}`

/** Withdraws the invitation `id`, and returns it if it could still be accepted. */
export const withdrawStatement = compileOwned(
  sql`DELETE FROM ${teamInvitations} WHERE ${isWithdrawable} RETURNING id`,
)

/** The team, invitation and hashed secret of a token; undefined for any other text. */
export async function decodeInvitation(text: string) {
  const decoded = await decodeProof(text, (whose) => {
    const [team = '', id = '', ...more] = whose.split('/')
    return isTeamId(team) && UUID_V7.test(id) && !more.length
  })
  if (!decoded) return undefined
  const [team = '', id = ''] = decoded[OWNER].split('/')
  return { [OWNER]: team, id, token: decoded.token }
}

const theInvitation = sql`FROM ${teamInvitations} WHERE ${inTeam} AND id = ${slot('id')}`

/** Asserts that the token is that of an invitation which can still be accepted. */
export const acceptableAssertion = compileOwned(
  assertion(sql`EXISTS (SELECT 1 ${theInvitation} AND token_hash = ${slot('token')} AND ${isLive})`),
)

/** Asserts that the invitation is for anybody, or for an address that the placeholder `caller` has proved. */
export const addressedAssertion = compileOwned(
  assertion(sql`EXISTS (SELECT 1 ${theInvitation} AND (email IS NULL OR EXISTS (SELECT 1 FROM ${users}
    WHERE ${users.id} = ${slot('caller')} AND ${users.email} = ${teamInvitations.email} AND ${users.email_verified_at} IS NOT NULL)))`),
)

/** Asserts that the caller is not in the team yet: an invitation never changes a member's role. */
export const newcomerAssertion = compileOwned(
  assertion(sql`NOT EXISTS (SELECT 1 FROM ${teamMembers}
    WHERE ${teamMembers.team_id} = ${slot(OWNER)} AND ${teamMembers.user_id} = ${slot('caller')} AND ${RANK} > 0)`),
)

/** Makes the caller a member with the role of the invitation. */
export const joinStatement = compileOwned(
  sql`INSERT INTO ${teamMembers} (team_id, user_id, role, joined_at) SELECT team_id, ${slot('caller')}, role, ${NOW} ${theInvitation}
    ON CONFLICT DO UPDATE SET role = excluded.role, joined_at = excluded.joined_at`,
)

/** The role of the invitation. */
export const INVITED_ROLE = sql`(SELECT role ${theInvitation})`

/** Uses the invitation up. */
export const useUpStatement = compileOwned(sql`DELETE ${theInvitation}`)

/** How many invitations one step of the cron trigger deletes. */
const PURGED = 1_000

/** Deletes the invitations into every team that have expired. */
export const purgeInvitationsStatement = compileUnscoped(
  sql`DELETE FROM ${teamInvitations} WHERE (team_id, id) IN (SELECT team_id, id FROM ${teamInvitations}
    WHERE expires_at <= ${NOW} ORDER BY expires_at LIMIT ${sql.raw(String(PURGED))}) RETURNING 1 AS purged`,
)

/** A row of {@link teamInvitations} as an administrator sees it. */
export function invitationOf({ id, role, email, invited_by, created_at, expires_at }: Row) {
  return { id, role, email, invited_by, created_at, expires_at }
}
