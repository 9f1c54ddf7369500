import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { readConfig } from '../config.ts'
import { openDatabase } from '../d1/database.ts'
import type { App } from '../context.ts'

/** A bookmark as D1 writes them. */
const BOOKMARK = /^[\da-f]{8}-[\da-f]{8}-[\da-f]{8}-[\da-f]{32}$/

/**
 * Opens the database for the request; `c.var.guards` is decided in each of its batches. With `READ_REPLICAS` on it is a
 * D1 session, and the answer carries `x-d1-bookmark`: a client that sends it back reads what it wrote, on any replica.
 * Otherwise a session is opened only for a bookmark that was sent, since one costs time and the primary knows every write.
 */
export const bookmark = createMiddleware<App>(async function bookmark(c, next) {
  const replicas = readConfig(c.env).READ_REPLICAS
  const start = startOf(c, replicas)
  const session = start === undefined ? undefined : c.env.DB.withSession(start)
  c.set('database', openDatabase(session ?? c.env.DB, c.get('cost'), c.get('guards')))
  await next()
  const reached = replicas && session?.getBookmark()
  if (reached) c.res.headers.set('x-d1-bookmark', reached)
})

/**
 * Where the request's session starts: at the bookmark that was sent; else, with replicas, a read anywhere and a write at
 * the primary, as does everything with a malformed bookmark. Undefined when no session is needed.
 */
function startOf(c: Context<App>, replicas: boolean): D1SessionBookmark | undefined {
  const sent = c.req.header('x-d1-bookmark')
  if (sent && BOOKMARK.test(sent)) return sent
  if (!replicas) return undefined
  const reads = c.req.method === 'GET' || c.req.method === 'HEAD'
  return reads && sent === undefined ? 'first-unconstrained' : 'first-primary'
}
