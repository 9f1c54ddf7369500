import { sql } from 'drizzle-orm'
import { movedOwners } from '../auth/schema.ts'
import { readConfig, type Bindings } from '../config.ts'
import { noCost, openDatabase, type Database } from '../d1/database.ts'
import { d1Home } from '../d1/home.ts'
import { bind, compileUnscoped, slot, type Statement } from '../d1/statement.ts'
import { hubOf } from '../homes/hubs.ts'
import { log } from '../log.ts'
import { Problem } from '../problems.ts'
import { errandOf } from './owner.ts'
import { whatIsServed } from './served.ts'
import { movingTables } from './tables.ts'

/** How long one run begins moves, in milliseconds, and how many at most. The next run continues. */
const BUDGET = 60_000
const MOST = 500
/** How many owners move at once. */
const AT_ONCE = 10

const goingBack = compileUnscoped(sql`SELECT user_id FROM ${movedOwners} WHERE back = 1
  AND user_id > ${slot('after')} ORDER BY user_id LIMIT ${sql.raw(String(AT_ONCE))}`)

/**
 * Moves owners to where `ROWS` says: into objects all who have rows in D1, back to D1 those for whom `npm run objects -- back`
 * has asked. Each is moved as by a request. Run by the cron trigger.
 */
export async function relocate(env: Bindings, budget = BUDGET): Promise<void> {
  if (!env.HUB) return
  const to = readConfig(env).ROWS === 'objects' ? 'objects' : 'd1'
  const until = Date.now() + budget
  const count = { moved: 0, failed: 0 }
  try {
    for await (const owners of pagesOf(
      openDatabase(d1Home(env.DB), noCost()),
      to === 'objects' ? ownersStatements() : [goingBack],
    )) {
      const moves = owners.map(async (owner) => hubOf(env, owner)?.relocate(errandOf(owner), to))
      const results = await Promise.allSettled(moves)
      const moved = results.filter(({ status }) => status === 'fulfilled').length
      count.moved += moved
      count.failed += owners.length - moved
      if (Date.now() > until || count.moved + count.failed >= MOST) break
    }
  } catch (error) {
    // The next run continues.
    log('error', { event: 'relocation_failed', error: error instanceof Problem ? error.type : 'unknown' })
  }
  if (count.moved + count.failed) log('info', { event: 'relocation', to, ...count })
}

/** For each table of owners a query for them: one seek an owner, however many rows they have. */
function ownersStatements(): Statement[] {
  return movingTables(whatIsServed().resources).map(({ name }) => {
    const table = sql.identifier(name)
    return compileUnscoped(sql`WITH RECURSIVE owners (user_id) AS (
      SELECT min(user_id) FROM ${table} WHERE user_id > ${slot('after')}
      UNION ALL SELECT (SELECT min(user_id) FROM ${table} WHERE user_id > owners.user_id) FROM owners
      WHERE owners.user_id IS NOT NULL LIMIT ${sql.raw(String(AT_ONCE))})
      SELECT user_id FROM owners WHERE user_id IS NOT NULL`)
  })
}

async function* pagesOf(
  database: Database,
  statements: readonly Statement[],
): AsyncGenerator<string[], void> {
  for (const statement of statements) {
    for (let after: string | undefined = ''; after !== undefined;) {
      const [rows = []] = await database.batch([bind(statement, { after })], { repeatable: true })
      const owners = rows.map(({ user_id }) => String(user_id))
      if (owners.length) yield owners
      after = owners.at(-1)
    }
  }
}
