import { goneGuestAssertion, goneGuestsStatement } from '../accounts/guests.ts'
import { raise } from '../d1/assertion.ts'
import type { Database } from '../d1/database.ts'
import { bind, OWNER } from '../d1/statement.ts'
import type { Resource } from '../engine/resource.ts'
import { eraseStatements } from './erase.ts'

/** Erases the guests who have stayed away for 30 days, each with every row of theirs in one batch. */
export function guestSweep(resources: readonly Resource[]) {
  const erasure = eraseStatements(resources)
  return {
    name: 'guests',
    async step(database: Database): Promise<boolean> {
      const [guests = []] = await database.batch([bind(goneGuestsStatement, {})], { repeatable: true })
      for (const { id } of guests) {
        const owner = { [OWNER]: id }
        await database.batch([
          // One who has come back meanwhile stays.
          bind(goneGuestAssertion, { ...owner, problem: raise('session_ended') }),
          ...erasure.map((statement) => bind(statement, owner)),
        ])
      }
      return guests.length > 0
    },
  }
}
