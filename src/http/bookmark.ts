import { createMiddleware } from 'hono/factory'
import { sessionGuard } from '../auth/sessions.ts'
import { openDatabase, type Guard } from '../database.ts'
import type { App, Identity } from '../env.ts'

const BOOKMARK = /^[\da-f]{8}-[\da-f]{8}-[\da-f]{8}-[\da-f]{32}$/

/**
 * Opens the request's D1 session. `x-d1-bookmark` continues an earlier one, so a client reads what it wrote on any
 * replica; without one a read may go to the nearest replica and a write goes to the primary, and so does everything
 * whose bookmark is malformed. The answer carries the bookmark to send next time. Every batch of a request whose token
 * names a session checks, in the same round trip, that it has not ended: `session_ended`.
 */
export const bookmark = createMiddleware<App>(async function bookmark(c, next) {
  const sent = c.req.header('x-d1-bookmark')
  const reads = c.req.method === 'GET' || c.req.method === 'HEAD'
  const fresh = reads && sent === undefined ? 'first-unconstrained' : 'first-primary'
  const start = sent && BOOKMARK.test(sent) ? sent : fresh
  const database = openDatabase(c.env.DB, start, c.get('cost'), guardOf(c.get('identity'), reads))
  c.set('database', database)
  await next()
  const reached = database.bookmark()
  if (reached) c.res.headers.set('x-d1-bookmark', reached)
})

function guardOf(identity: Identity | undefined, reads: boolean): Guard | undefined {
  if (!identity?.sessionId) return undefined
  const statement = sessionGuard(identity.userId, identity.sessionId, reads)
  return { statement, problem: 'session_ended', selects: reads }
}
