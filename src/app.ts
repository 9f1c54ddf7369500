import { onError, notFound } from './http/on-error.ts'
import type { Hono } from 'hono'
import { admin } from './accounts/admin.ts'
import { authenticate } from './auth/authenticate.ts'
import { jwks } from './auth/jwks.ts'
import { requireRecentLogin } from './auth/recent-login.ts'
import { demandRole, requireOwner } from './auth/require-owner.ts'
import { auth } from './accounts/routes.ts'
import { changesFor } from './user/changes.ts'
import type { App } from './context.ts'
import { invitations } from './teams/invitation-routes.ts'
import { teamsFor } from './teams/routes.ts'
import { eraseFor, eraseTeamFor } from './user/erase.ts'
import { exportFor } from './user/export.ts'
import { healthFor } from './http/health.ts'
import { bodyLimit } from './http/body-limit.ts'
import { rowsFor } from './http/bookmark.ts'
import { cors } from './http/cors.ts'
import { cost } from './http/cost.ts'
import { noStore } from './http/no-store.ts'
import { limitUser } from './http/rate-limit.ts'
import { pages, readOnlyPages } from './http/pages.ts'
import { requestId } from './http/request-id.ts'
import { routedPath } from './http/routed-path.ts'
import { reserveIds } from './ids.ts'
import { requestLog } from './http/request-log.ts'
import { securityHeaders } from './http/security-headers.ts'
import { Routes } from './http/routes.ts'
import { announce } from './live/announce.ts'
import { events } from './live/events.ts'
import type { Resource } from './engine/resource.ts'
import { collectionsFor, type Verb } from './engine/routes.ts'

/** The whole pipeline, in the order a request meets it. It is ready once these migrations are applied. */
export function createApp(
  resources: readonly Resource[],
  verbs: readonly Verb[],
  migrations: readonly string[] = [],
): Hono<App> {
  const collections = resources.map(({ name }) => name)
  reserveIds(collections)
  const app = new Routes({ getPath: routedPath(collections) })
  app.onError(onError)
  app.notFound(notFound)

  app.route('/', pages)
  app.use(requestId, requestLog, cost, securityHeaders, noStore, cors)
  app.route('/', readOnlyPages)
  app.route('/', healthFor(migrations))
  app.route('/', jwks)

  app.use('/api/*', bodyLimit, announce)
  app.route('/api/auth', auth)
  app.route('/api/admin', admin)
  app.route('/api/teams', teamsFor(eraseTeamFor(resources)))
  app.route('/api/invitations', invitations)
  app.use('/api/*', authenticate)
  app.delete('/api/:user_id', demandRole('owner'))
  for (const { path, write } of resources) if (write) app.use(`/api/:user_id${path}/*`, demandRole(write))
  app.use('/api/:user_id/*', requireOwner)
  app.delete('/api/:user_id', requireRecentLogin)
  app.get('/api/:user_id/export', requireRecentLogin)
  app.use('/api/:user_id/*', limitUser, rowsFor(migrations))
  app.route('/api/:user_id', eraseFor(resources))
  app.route('/api/:user_id/export', exportFor(resources))
  app.route('/api/:user_id/changes', changesFor(resources))
  app.route('/api/:user_id/events', events)
  for (const { resource, routes } of verbs) app.route(`/api/:user_id${resource.path}`, routes)
  app.route('/api/:user_id', collectionsFor(resources))

  return app
}
