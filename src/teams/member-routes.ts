import type { Context, Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { authenticate } from '../auth/authenticate.ts'
import { enterTeam } from '../auth/require-owner.ts'
import { rankOf } from '../auth/role-guard.ts'
import type { App } from '../context.ts'
import type { BoundStatement, Statement, Values } from '../d1/statement.ts'
import { pageQuery } from '../engine/page.ts'
import { bookmark } from '../http/bookmark.ts'
import { limitUser } from '../http/rate-limit.ts'
import { validJson, validQuery } from '../http/validators.ts'
import { isUserId } from '../ids.ts'
import { Problem } from '../problems.ts'
import { noting } from './activity.ts'
import { memberBody } from './bodies.ts'
import { assertedIn, bindIn } from './bound.ts'
import {
  mayGiveAssertion,
  memberAssertion,
  memberOf,
  membersStatement,
  memberStatement,
  notAboveAssertion,
  ownerStaysAssertion,
  setRoleStatement,
  withdrawAboveStatement,
} from './members.ts'
import { found, listed, requireRole, teamIn } from './request.ts'

/** Adds `/{team_id}/members`: who is in a team, as what, and how they leave it. */
export function addMembers(routes: Hono<App>): void {
  routes.get(
    '/:team_id/members',
    authenticate,
    requireRole('viewer'),
    limitUser,
    bookmark,
    validQuery(pageQuery),

    (c) => listed(c, 'members', membersStatement, memberOf),
  )

  routes.patch(
    '/:team_id/members/:user_id',
    authenticate,
    requireRole('admin'),
    limitUser,
    bookmark,
    validJson(memberBody),

    async (c) => {
      const { role } = c.req.valid('json')
      const rank = rankOf(role)
      const values = { role, rank, member: memberIn(c) }
      const results = await c
        .get('database')
        .batch([
          assertedIn(c, memberAssertion, 'row_not_found', values),
          assertedIn(c, notAboveAssertion, 'insufficient_role', values),
          assertedIn(c, mayGiveAssertion, 'insufficient_role', values),
          ...standingOf(c, values, noting.roleChanged),
          bindIn(c, memberStatement, values),
        ])
      return c.json(memberOf(found(results.at(-1)?.[0])))
    },
  )

  routes.delete(
    '/:team_id/members/:user_id',
    authenticate,
    createMiddleware<App>((c, next) =>
      enterTeam(c, next, teamIn(c), memberIn(c) === c.get('identity').userId ? 'viewer' : 'admin'),
    ),
    limitUser,
    bookmark,
    async (c) => {
      const member = memberIn(c)
      const values = { role: 'former', rank: 0, member }
      await c
        .get('database')
        .batch([
          assertedIn(c, memberAssertion, 'row_not_found', values),
          assertedIn(c, notAboveAssertion, 'insufficient_role', values),
          ...standingOf(c, values, member === c.get('identity').userId ? noting.left : noting.removed),
        ])
      return c.body(null, 204)
    },
  )
}

/** The member that the path names, or `me`. Throws `row_not_found` for one that cannot be. */
function memberIn(c: Context<App>): string {
  const named = c.req.param('user_id') ?? ''
  if (named === 'me') return c.get('identity').userId
  if (!isUserId(named)) throw new Problem('row_not_found')
  return named
}

/** The statements that give a member another standing: an owner stays, and no invitation outlives what it was given by. */
function standingOf(c: Context<App>, values: Values, note: Statement): BoundStatement[] {
  return [
    assertedIn(c, ownerStaysAssertion, 'last_owner', values),
    { ...bindIn(c, setRoleStatement, values), concerns: [{ owner: c.get('owner') }] },
    ...[withdrawAboveStatement, note].map((each) => bindIn(c, each, values)),
  ]
}
