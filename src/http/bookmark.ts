import { createMiddleware } from 'hono/factory'
import { openDatabase } from '../d1/database.ts'
import type { App } from '../context.ts'

const BOOKMARK = /^[\da-f]{8}-[\da-f]{8}-[\da-f]{8}-[\da-f]{32}$/

/**
 * Opens the request's D1 session. `x-d1-bookmark` continues an earlier one, so a client reads what it wrote on any
 * replica; without one a read may go to the nearest replica and a write goes to the primary, and so does everything
 * whose bookmark is malformed. The answer carries the bookmark to send next time. What guards the request
 * (`c.var.guards`) is decided in each of its batches.
 */
export const bookmark = createMiddleware<App>(async function bookmark(c, next) {
  const sent = c.req.header('x-d1-bookmark')
  const reads = c.req.method === 'GET' || c.req.method === 'HEAD'
  const fresh = reads && sent === undefined ? 'first-unconstrained' : 'first-primary'
  const start = sent && BOOKMARK.test(sent) ? sent : fresh
  const database = openDatabase(c.env.DB, start, c.get('cost'), c.get('guards'))
  c.set('database', database)
  await next()
  const reached = database.bookmark()
  if (reached) c.res.headers.set('x-d1-bookmark', reached)
})
