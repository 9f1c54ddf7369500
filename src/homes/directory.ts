import type { Bindings } from '../config.ts'
import { sql } from 'drizzle-orm'
import type { Guard, Home, Ran, Written } from '../d1/database.ts'
import { d1Home } from '../d1/home.ts'
import { bind, compileUnscoped, type Concern } from '../d1/statement.ts'
import { hubOf } from './hubs.ts'

/**
 * D1 as the directory of a deployment whose rows are in objects: accounts, sessions and teams, whose guards the objects
 * remember. Before a batch changes what such a guard says of an owner, the object of that owner is told to doubt it, and
 * asks D1 for each request from then on; after the batch it may remember again (docs/decisions/0037). `later` keeps work
 * alive that nobody waits for.
 */
export function directoryHome(
  env: Bindings,
  guards: readonly Guard[],
  later: (work: Promise<void>) => void,
): Home {
  const home = d1Home(env.DB, guards)
  return {
    guards: guards.length,
    async run(statements) {
      const concerns = statements.flatMap((statement) => statement.concerns ?? [])
      if (!concerns.length) return withStrangers(env, await home.run(statements), new Set())
      const token = crypto.randomUUID()
      await Promise.all(concerns.map((concern) => doubt(env, token, concern)))
      let ran: Ran | undefined
      try {
        ran = await home.run(statements)
      } catch (error) {
        // It may be committed nevertheless: the doubts end by themselves, once D1 has answered or given up.
        if (isRefusal(error)) later(settle(env, token, concerns))
        throw error
      }
      const settled = settle(env, token, concerns)
      later(settled)
      // What is erased is gone by the time of the answer.
      if (concerns.some(({ leaves }) => leaves !== undefined)) await settled
      return withStrangers(env, ran, new Set(concerns.map(({ owner }) => owner)))
    },
  }
}

const anyMoved = compileUnscoped(sql`SELECT 1 FROM moved_owners LIMIT 1`)

/**
 * D1 as the directory of a deployment whose rows are in D1, where some owners' may have moved to their objects nevertheless,
 * which another version of the Worker did (docs/decisions/0038): those are told after the batch, before its answer.
 */
export function directoryBeside(env: Bindings, home: Home): Home {
  return {
    guards: home.guards,
    async run(statements) {
      const given = statements.flatMap((statement) => statement.concerns ?? [])
      const ran = await home.run(given.length ? [...statements, bind(anyMoved, {})] : statements)
      const asked = given.length ? ran.rows.pop() : undefined
      const concerns = [...given, ...othersIn(ran.written, given)]
      if (!concerns.length) return ran
      const [moved = []] = asked ? [asked] : (await home.run([bind(anyMoved, {})])).rows
      if (!moved.length) return ran
      const token = crypto.randomUUID()
      await Promise.all(concerns.map((concern) => doubt(env, token, concern)))
      await settle(env, token, concerns)
      return ran
    },
  }
}

/** Whom a batch has concerned beyond those it said: whose sessions it ended, and the teams that somebody erased was in. */
function othersIn(written: readonly Written[], given: readonly Concern[]): Concern[] {
  const known = new Set(given.map(({ owner }) => owner))
  const leaves = given.find((concern) => concern.leaves !== undefined)?.leaves
  const others = new Map<string, Concern>()
  for (const { verb, table, rows } of written) {
    if (verb !== 'DELETE') continue
    for (const { user_id, team_id } of rows) {
      const owner = table === 'sessions' ? user_id : table === 'team_members' ? team_id : undefined
      if (typeof owner !== 'string' || known.has(owner)) continue
      others.set(owner, table === 'team_members' && leaves !== undefined ? { owner, leaves } : { owner })
    }
  }
  return [...others.values()]
}

/** Tells the objects of users whose sessions a batch has ended although it did not begin with them. */
async function withStrangers(env: Bindings, ran: Ran, known: ReadonlySet<string>): Promise<Ran> {
  const strangers = new Set<string>()
  for (const { verb, table, rows } of ran.written) {
    if (verb !== 'DELETE' || table !== 'sessions') continue
    for (const { user_id } of rows)
      if (typeof user_id === 'string' && !known.has(user_id)) strangers.add(user_id)
  }
  if (!strangers.size) return ran
  const concerns = Array.from(strangers, (owner) => ({ owner }))
  const token = crypto.randomUUID()
  await Promise.all(concerns.map((concern) => doubt(env, token, concern)))
  await settle(env, token, concerns)
  return ran
}

/** Whether D1 has refused the batch, so that nothing of it is stored. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && /constraint|assertion/i.test(error.message)
}

async function doubt(env: Bindings, token: string, concern: Concern): Promise<void> {
  await hubOf(env, concern.owner)?.doubt(token, concern)
}

/** Never rejects: an object that was not told asks D1 until its doubt ends by itself. */
async function settle(env: Bindings, token: string, concerns: readonly Concern[]): Promise<void> {
  await Promise.allSettled(concerns.map(async ({ owner }) => hubOf(env, owner)?.settle(token)))
}
