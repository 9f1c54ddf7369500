import { sql, type SQL } from 'drizzle-orm'
import { NEW_ID, type TeamEvent } from '../auth/activity.ts'
import { RANK } from '../auth/role-guard.ts'
import { activity, teamMembers } from '../auth/schema.ts'
import type { TeamRole } from '../context.ts'
import { NOW } from '../d1/clock.ts'
import type { Row } from '../d1/database.ts'
import { compileOwned, OWNER, slot } from '../d1/statement.ts'
import { isKept } from '../accounts/activity.ts'
import { INVITED_ROLE, isWithdrawable } from './invitations.ts'
import { teamInvitations, teams } from './schema.ts'
import { isAtMatch } from './teams.ts'

/** What a team's administrators see of an event. */
export interface TeamActivity {
  id: string
  at: string
  /** One of `TeamEvent`; a client passes over those that it does not know. */
  event: string
  /** Who did it; null when that account was erased, or for an administrator of the deployment. */
  user_id: string | null
  /** To whom, where that is somebody. */
  member_id: string | null
  /** The role that it was about. */
  role: TeamRole | null
}

function recording(
  event: TeamEvent | SQL,
  member: SQL = sql`NULL`,
  role: SQL = sql`NULL`,
  where: SQL = sql``,
) {
  const name = typeof event === 'string' ? sql.raw(`'${event}'`) : event
  return compileOwned(sql`INSERT INTO ${activity} (user_id, id, at, event, actor_id, member_id, role)
    SELECT ${slot(OWNER)}, ${NEW_ID}, ${NOW}, ${name}, ${slot('caller')}, ${member}, ${role}${where}`)
}

/** Notes what the placeholder `caller` did in the team; some of it to the placeholder `member`, or about the `role`. */
export const noting = {
  created: recording('team_created'),
  /** Before a rename, if it is going to succeed. */
  renamed: recording('team_renamed', sql`NULL`, sql`NULL`, sql` FROM ${teams} WHERE ${isAtMatch}`),
  invited: recording('invited', sql`NULL`, sql`${slot('role')}`),
  /** Before an invitation is withdrawn, if there is one. */
  withdrawn: recording(
    'invitation_withdrawn',
    sql`NULL`,
    sql`NULL`,
    sql` FROM ${teamInvitations} WHERE ${isWithdrawable}`,
  ),
  joined: recording('joined', sql`NULL`, INVITED_ROLE),
  left: recording('left'),
  removed: recording('removed', sql`${slot('member')}`),
  roleChanged: recording('role_changed', sql`${slot('member')}`, sql`${slot('role')}`),
  /** Unless the caller may not: a read is not stopped by its guards before they have answered. */
  exported: recording(
    'exported',
    sql`NULL`,
    sql`NULL`,
    sql` WHERE ${slot('floor')} > 0 OR EXISTS (SELECT 1 FROM ${teamMembers}
      WHERE ${teamMembers.team_id} = ${slot(OWNER)} AND ${teamMembers.user_id} = ${slot('caller')} AND ${RANK} > 0)`,
  ),
}

/** The team's events, newest first, from after the placeholder `after`; one more than a page. */
export const teamActivityStatement = compileOwned(
  sql`SELECT id, at, event, actor_id, member_id, role FROM ${activity}
    WHERE user_id = ${slot(OWNER)} AND id < ${slot('after')} AND ${isKept} ORDER BY id DESC LIMIT ${slot('limit')}`,
)

/** A row of {@link teamActivityStatement} as an administrator sees it. */
export function teamActivityOf({ id, at, event, actor_id, member_id, role }: Row) {
  return { id, at, event, user_id: actor_id, member_id, role }
}
