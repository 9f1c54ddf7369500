import type { Context, Next } from 'hono'
import { createMiddleware } from 'hono/factory'
import { readConfig } from '../config.ts'
import { openDatabase, type Database, type Guard, type Home } from '../d1/database.ts'
import { d1Home } from '../d1/home.ts'
import type { App } from '../context.ts'
import { directoryBeside, directoryHome } from '../homes/directory.ts'
import { whereverMoved } from '../homes/either.ts'
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
  if (readConfig(c.env).ROWS === 'objects') {
    c.set('database', accountsOf(c))
    return next()
  }
  return inD1(c, next, (d1) => directoryBeside(c.env, d1Home(d1, guardsOf(c))))
})

/** The rest of the request with D1, or a session of it, in a home. */
async function inD1(c: Context<App>, next: Next, home: (d1: D1Database | D1DatabaseSession) => Home) {
  const { READ_REPLICAS: replicas } = readConfig(c.env)
  const start = startOf(c, replicas)
  const session = start === undefined ? undefined : c.env.DB.withSession(start)
  c.set('database', openDatabase(home(session ?? c.env.DB), c.get('cost')))
  await next()
  const reached = replicas && session?.getBookmark()
  if (reached) c.res.headers.set('x-d1-bookmark', reached)
}

/**
 * {@link bookmark} for requests on an owner's rows: with `ROWS` at `objects` they are in the object of the owner, which
 * knows the migrations up to the last of these.
 */
export function rowsFor(migrations: readonly string[]) {
  return createMiddleware<App>(async function rows(c, next) {
    const { ROWS, LIVE: live } = readConfig(c.env)
    const { userId: caller, sessionId: session } = c.get('identity')
    const owner = c.get('owner')
    const errand = { owner, caller, session, live, schema: migrations.at(-1), guards: guardsOf(c, true) }
    if (ROWS !== 'objects') {
      const object = objectHome(c.env, { ...errand, stays: true })
      return inD1(c, next, (d1) => whereverMoved(d1Home(d1, guardsOf(c, undefined, owner)), object))
    }
    c.set('database', openDatabase(objectHome(c.env, errand), c.get('cost')))
    return next()
  })
}

/** The accounts' database: D1, also where the request's own is the rows'. */
export function accountsOf(c: Context<App>): Database {
  const inObjects = readConfig(c.env).ROWS === 'objects'
  const home = inObjects
    ? directoryHome(c.env, guardsOf(c), (work) => afterAnswer(c, work))
    : directoryBeside(c.env, d1Home(c.env.DB, guardsOf(c)))
  const database = openDatabase(home, c.get('cost'))
  c.set('directory', database)
  return database
}

/** The guards of the request: by default in the form that D1 decides them in, a read's as queries, so that any replica can answer. */
export function guardsOf(
  c: Context<App>,
  selects = c.req.method === 'GET' || c.req.method === 'HEAD',
  home?: string,
): Guard[] {
  return (c.get('guards') ?? []).flatMap((guards) => guards(selects, home))
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
