import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { readConfig } from '../config.ts'
import { openDatabase, type Database, type Guard } from '../d1/database.ts'
import { d1Home } from '../d1/home.ts'
import type { App } from '../context.ts'
import { directoryHome } from '../homes/directory.ts'
import { objectHome } from '../homes/object.ts'
import { afterAnswer } from './after-answer.ts'

/** A bookmark as D1 writes them. */
const BOOKMARK = /^[\da-f]{8}-[\da-f]{8}-[\da-f]{8}-[\da-f]{32}$/

/**
 * Opens the database for the request; `c.var.guards` is decided in each of its batches. With `READ_REPLICAS` on it is a
 * D1 session, and the answer carries `x-d1-bookmark`: a client that sends it back reads what it wrote, on any replica.
 * Otherwise a session is opened only for a bookmark that was sent, since one costs time and the primary knows every write.
 */
export const bookmark = createMiddleware<App>(async function bookmark(c, next) {
  const { READ_REPLICAS: replicas, ROWS } = readConfig(c.env)
  if (ROWS === 'objects') {
    c.set('database', directoryOf(c))
    return next()
  }
  const start = startOf(c, replicas)
  const session = start === undefined ? undefined : c.env.DB.withSession(start)
  c.set('database', openDatabase(d1Home(session ?? c.env.DB, guardsOf(c)), c.get('cost')))
  await next()
  const reached = replicas && session?.getBookmark()
  if (reached) c.res.headers.set('x-d1-bookmark', reached)
})

/**
 * {@link bookmark} for requests on an owner's rows: with `ROWS` at `objects` they are in the object of the owner, which
 * knows the migrations up to the last of these.
 */
export function rowsFor(migrations: readonly string[]) {
  return createMiddleware<App>(async function rows(c, next) {
    const { ROWS, LIVE: live } = readConfig(c.env)
    if (ROWS !== 'objects') return bookmark(c, next)
    const { userId: caller, sessionId: session } = c.get('identity')
    const errand = { owner: c.get('owner'), caller, session, live, schema: migrations.at(-1) }
    const home = objectHome(c.env, { ...errand, guards: guardsOf(c, true) })
    c.set('database', openDatabase(home, c.get('cost')))
    return next()
  })
}

/** The accounts' database: the request's own, or D1 where rows are in objects. */
export function accountsOf(c: Context<App>): Database {
  return readConfig(c.env).ROWS === 'objects' ? directoryOf(c) : c.get('database')
}

function directoryOf(c: Context<App>): Database {
  const home = directoryHome(c.env, guardsOf(c), (work) => afterAnswer(c, work))
  const database = openDatabase(home, c.get('cost'))
  c.set('directory', database)
  return database
}

/** The guards of the request: by default in the form that D1 decides them in, a read's as queries, so that any replica can answer. */
export function guardsOf(
  c: Context<App>,
  selects = c.req.method === 'GET' || c.req.method === 'HEAD',
): Guard[] {
  return (c.get('guards') ?? []).flatMap((guards) => guards(selects))
}

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
