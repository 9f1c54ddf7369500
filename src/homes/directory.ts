import type { Bindings } from '../config.ts'
import type { Guard, Home, Ran } from '../d1/database.ts'
import { d1Home } from '../d1/home.ts'
import type { Concern } from '../d1/statement.ts'
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
