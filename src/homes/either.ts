import { isFence } from '../d1/fence.ts'
import type { Home } from '../d1/database.ts'

/**
 * D1 as the home of an owner's rows for a Worker with `ROWS` at `d1`, and their object once they have moved there: by a newer
 * or an older deployment, during whose roll-out both serve (docs/decisions/0038).
 */
export function whereverMoved(d1: Home, object: Home): Home {
  return {
    guards: d1.guards,
    async run(statements) {
      try {
        const ran = await d1.run(statements)
        if (ran.broken || !ran.moved) return ran
      } catch (error) {
        if (!isFence(error)) throw error
      }
      return object.run(statements)
    },
  }
}
