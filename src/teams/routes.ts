import type { Hono, MiddlewareHandler } from 'hono'
import { authenticate } from '../auth/authenticate.ts'
import { requireRecentLogin } from '../auth/recent-login.ts'
import type { App } from '../context.ts'
import { OWNER } from '../d1/statement.ts'
import { ifMatch } from '../engine/conditional.ts'
import { idempotencyKey } from '../engine/idempotency-key.ts'
import { pageQuery } from '../engine/page.ts'
import { answer } from '../engine/routes.ts'
import { staleRevision } from '../engine/store.ts'
import { bookmark } from '../http/bookmark.ts'
import { otherMethods } from '../http/methods.ts'
import { limitUser } from '../http/rate-limit.ts'
import { Routes } from '../http/routes.ts'
import { validJson, validQuery } from '../http/validators.ts'
import { noting, teamActivityOf, teamActivityStatement } from './activity.ts'
import { teamBody } from './bodies.ts'
import { addInvitations } from './invitation-routes.ts'
import { addMembers } from './member-routes.ts'
import { makeTeam } from './make.ts'
import { ask, found, listed, requireRole } from './request.ts'
import { renameStatement, teamOf, teamsStatement, teamStatement } from './teams.ts'

/** `/api/teams`: teams, who is in them, who is invited, and what happened. `erase` deletes the team and all it owns. */
export function teamsFor(erase: MiddlewareHandler<App>): Hono<App> {
  const routes = new Routes()

  routes.post('/', authenticate, limitUser, bookmark, validJson(teamBody), async (c) => {
    const { userId: caller } = c.get('identity')
    const key = await idempotencyKey(c, ['create', 'teams'])
    const { team, replayed } = await makeTeam(c.get('database'), caller, c.req.valid('json').name, key)
    if (replayed) c.header('Idempotent-Replayed', 'true')
    c.header('Location', `${new URL(c.req.url).pathname.replace(/\/$/, '')}/${String(team.id)}`)
    return answer(c, team, 201)
  })

  routes.get('/', authenticate, limitUser, bookmark, validQuery(pageQuery), (c) =>
    listed(c, 'teams', teamsStatement, teamOf, { [OWNER]: c.get('identity').userId }),
  )

  routes.get('/:team_id', authenticate, requireRole('viewer'), limitUser, bookmark, async (c) => {
    const [[team] = []] = await ask(c, [teamStatement])
    return answer(c, found(team))
  })

  routes.patch(
    '/:team_id',
    authenticate,
    requireRole('admin'),
    limitUser,
    bookmark,
    validJson(teamBody),

    async (c) => {
      const match = ifMatch(c)
      const values = { ...c.req.valid('json'), match: JSON.stringify(match ?? null) }
      const [, [renamed] = [], [team] = []] = await ask(
        c,
        [noting.renamed, renameStatement, teamStatement],
        values,
      )
      if (renamed) return answer(c, renamed)
      throw staleRevision(found(team))
    },
  )

  routes.delete(
    '/:team_id',
    authenticate,
    requireRole('owner'),
    requireRecentLogin,
    limitUser,
    bookmark,
    erase,
  )

  addMembers(routes)
  addInvitations(routes)

  routes.get(
    '/:team_id/activity',
    authenticate,
    requireRole('admin'),
    limitUser,
    bookmark,
    validQuery(pageQuery),

    (c) => listed(c, 'activity', teamActivityStatement, teamActivityOf),
  )

  for (const path of new Set(routes.routes.map((route) => route.path))) otherMethods(routes, path)
  return routes
}
