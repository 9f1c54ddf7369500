import type { Hono } from 'hono'
import { noCost, openDatabase, type Cost } from '../d1/database.ts'
import { d1Home } from '../d1/home.ts'
import { readConfig, type Bindings } from '../config.ts'
import type { App } from '../context.ts'
import { objectHome } from '../homes/object.ts'
import { memo } from '../memo.ts'
import { otherMethods } from './methods.ts'
import { Problem } from '../problems.ts'
import { Routes } from './routes.ts'

/** What was found last, and when, in milliseconds since 1970. */
interface Check {
  began: number
  ended: number
  problem?: Problem | undefined
}

/** How long what was found holds, how long one waits for it, and how often one looks, in milliseconds. */
const FRESH = 1_000
const PATIENCE = 6_000
const POLL = 10

/**
 * `/health`: the Worker runs; no I/O. `/ready`: D1 answers and these migrations, which this version needs, are applied, and with `ROWS` at `objects` one takes them;
 * otherwise `not_ready`, as found within the last second.
 */
export function healthFor(migrations: readonly string[]): Hono<App> {
  const health = new Routes()
  const checkOf = memo((_database: D1Database): Check => ({ began: 0, ended: 0 }))

  health.get('/health', (c) => c.json({ status: 'healthy' }))

  health.get('/ready', async (c) => {
    const { DB } = c.env
    const inObjects = readConfig(c.env).ROWS === 'objects'
    const last = checkOf(DB)
    // One request asks, however many come at once; the others poll, because a Worker may not await another one's promise.
    while (last.began > last.ended && Date.now() - last.began < PATIENCE) await scheduler.wait(POLL)
    if (Date.now() - last.ended >= FRESH) {
      last.began = Date.now()
      last.problem = await problemOf(DB, migrations, c.get('cost'))
      if (inObjects) last.problem ??= await objectsProblem(c.env, migrations)
      last.ended = Date.now()
    }
    if (last.problem) throw last.problem
    return c.json({ status: 'ready' })
  })

  otherMethods(health, '/health')
  otherMethods(health, '/ready')
  return health
}

/** Why the database is not ready; undefined when it is. */
async function problemOf(
  DB: D1Database,
  migrations: readonly string[],
  cost: Cost,
): Promise<Problem | undefined> {
  try {
    const names = [{ sql: 'SELECT name FROM d1_migrations', parameters: [] }]
    const [rows = []] = await openDatabase(d1Home(DB), cost).batch(names)
    const applied = new Set(rows.map(({ name }) => name))
    const missing = migrations.filter((name) => !applied.has(name))
    if (!missing.length) return undefined
    return notReady(`The database schema lacks ${missing.join(', ')}: run the migrations.`)
  } catch (error) {
    const empty = error instanceof Problem && error.type === 'misconfigured'
    return notReady(
      empty ? 'The database has no schema yet: run the migrations.' : 'The database does not answer.',
    )
  }
}

/** Whose object only shows that objects answer and take the migrations: no owner has such an id. */
const PROBE = ' '

async function objectsProblem(env: Bindings, migrations: readonly string[]): Promise<Problem | undefined> {
  const errand = {
    owner: PROBE,
    caller: PROBE,
    session: undefined,
    guards: [],
    live: false,
    schema: migrations.at(-1),
  }
  try {
    await openDatabase(objectHome(env, errand), noCost()).batch([{ sql: 'SELECT 1', parameters: [] }])
    return undefined
  } catch {
    return notReady('The objects of owners do not answer, or not with this schema: see the log.')
  }
}

function notReady(detail: string): Problem {
  return new Problem('not_ready', { detail })
}
