import type { Conflict, LocalCopy, SyncOptions } from '../../client/src/index.ts'
import { newClient, type FaultOf } from './network.ts'

/** A device of a user with a copy that has not synced yet, and the switch of its network. */
export async function newDevice(id?: string, options: SyncOptions = {}, faultOf?: FaultOf) {
  const air = { plane: false }
  const conflicts: Conflict[] = []
  const { client, user, sent } = await newClient(
    async (request, count) => (air.plane ? 'lost request' : faultOf?.(request, count)),
    { ...(id !== undefined && { id }), retries: 1 },
  )
  const copy = await client.sync({ onConflict: (conflict) => conflicts.push(conflict), ...options })
  return { air, client, user, sent, copy, conflicts }
}

/** The titles of a copy's tasks, newest first. */
export function titlesIn(copy: LocalCopy): string[] {
  return copy.rows('tasks').map((task) => task.title)
}
