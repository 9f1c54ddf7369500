import { goneGuestAssertion, goneGuestsStatement } from '../accounts/guests.ts'
import { tombstoneOf } from '../auth/tombstone.ts'
import type { Bindings } from '../config.ts'
import { raise } from '../d1/assertion.ts'
import type { Database, Row } from '../d1/database.ts'
import { bind, OWNER } from '../d1/statement.ts'
import type { Resource } from '../engine/resource.ts'
import { concernsOf, eraseStatements, tombstoneStatement } from './erase.ts'

/** Erases the guests who have stayed away for 30 days, one a step, each with every row of theirs in one batch. */
export function guestSweep(resources: readonly Resource[], env: Bindings) {
  const erasure = eraseStatements(resources)
  let gone: Row[] = []
  return {
    name: 'guests',
    async step(database: Database): Promise<boolean> {
      if (!gone.length)
        [gone = []] = await database.batch([bind(goneGuestsStatement, {})], { repeatable: true })
      const guest = gone.pop()
      if (!guest) return false
      const id = String(guest.id)
      const owner = { [OWNER]: id, tombstone: tombstoneOf(id) }
      const concerns = await concernsOf(env, database, id)
      await database.batch([
        // One who has come back meanwhile stays.
        { ...bind(goneGuestAssertion, { ...owner, problem: raise('session_ended') }), concerns },
        ...erasure.map((statement) => bind(statement, owner)),
        // By which the objects know.
        ...(concerns.length ? [bind(tombstoneStatement, owner)] : []),
      ])
      return true
    },
  }
}
