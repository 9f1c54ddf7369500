import type { Context, Next } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { App, TeamRole } from '../context.ts'
import { isTeamId, isUserId } from '../ids.ts'
import { Problem } from '../problems.ts'
import { recordVisit } from './activity.ts'
import { addGuards, isSafe } from './authenticate.ts'
import { roleGuards, teamGuard } from './role-guard.ts'

/**
 * Proves that the `{user_id}` of the path is the caller (or `me`), a team whose member the caller is, or that the caller is
 * an administrator, which the log then says, and that owner's activity. Puts it into `c.var.owner`, the only owner whose
 * rows the rest of the request can reach. Anybody else's path throws `not_your_path`, whether or not there is such an owner.
 */
export const requireOwner = createMiddleware<App>(async function requireOwner(c, next) {
  const { userId, role } = c.get('identity')
  const named = c.req.param('user_id') ?? ''
  if (isTeamId(named)) {
    return enterTeam(c, next, named, c.get('least') ?? (isSafe(c.req.method) ? 'viewer' : 'editor'))
  }
  const owner = named === 'me' ? userId : named
  if (!isUserId(owner) || (owner !== userId && role !== 'admin')) throw new Problem('not_your_path')
  if (owner !== userId) noteVisit(c, owner)
  c.set('owner', owner)
  return next()
})

/** Raises what the rest of the request needs of a team's member. Goes before {@link requireOwner}; the last one counts. */
export function demandRole(write: TeamRole) {
  return createMiddleware<App>(async function demandsRole(c, next) {
    if (!isSafe(c.req.method)) c.set('least', write)
    await next()
  })
}

/**
 * Makes a team the owner of the request, whose every batch then checks that the caller has at least this role in it, or is
 * an administrator. Throws `not_your_path`, `insufficient_role`.
 */
export async function enterTeam(c: Context<App>, next: Next, team: string, least: TeamRole): Promise<void> {
  const { userId, role } = c.get('identity')
  if (role === 'admin') noteVisit(c, team)
  addGuards(c, (selects) =>
    role === 'admin' ? [teamGuard(team, selects)] : roleGuards(team, userId, least, selects),
  )
  c.set('owner', team)
  await next()
  // What ended without a look at the database (a body that is not valid) is no answer for whoever is not a member.
  const database = c.get('database')
  if (database && !c.get('cost').batches) await database.batch([], { repeatable: true })
}

function noteVisit(c: Context<App>, owner: string): void {
  c.set('security', 'admin_access')
  addGuards(c, () => [{ statement: recordVisit(owner), selects: false }])
}
