import { goneGuestAssertion, goneGuestsStatement } from '../accounts/guests.ts'
import { raise } from '../d1/assertion.ts'
import type { Database, Row } from '../d1/database.ts'
import { bind, OWNER } from '../d1/statement.ts'
import type { Resource } from '../engine/resource.ts'
import { eraseStatements } from './erase.ts'

/** Erases the guests who have stayed away for 30 days, one a step, each with every row of theirs in one batch. */
export function guestSweep(resources: readonly Resource[]) {
  const erasure = eraseStatements(resources)
  let gone: Row[] = []
  return {
    name: 'guests',
    async step(database: Database): Promise<boolean> {
      if (!gone.length)
        [gone = []] = await database.batch([bind(goneGuestsStatement, {})], { repeatable: true })
      const guest = gone.pop()
      if (!guest) return false
      const owner = { [OWNER]: guest.id }
      await database.batch([
        // One who has come back meanwhile stays.
        bind(goneGuestAssertion, { ...owner, problem: raise('session_ended') }),
        ...erasure.map((statement) => bind(statement, owner)),
      ])
      return true
    },
  }
}
