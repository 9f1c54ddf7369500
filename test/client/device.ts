import { expect, onTestFinished } from 'vitest'
import type { Conflict, LocalCopy, SyncOptions } from '../../client/src/index.ts'
import { lines, newClient, type FaultOf } from './network.ts'

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

/**
 * A device that hears at once what is written, and asks by itself only when it connects: it is started, and connected.
 * `passes` says which messages its line lets through.
 */
export async function newLiveDevice(id?: string, passes?: (message: string) => boolean, faultOf?: FaultOf) {
  const line = lines(passes)
  const { client, user, sent } = await newClient(faultOf, {
    ...(id !== undefined && { id }),
    webSocket: line.webSocket,
  })
  const copy = await client.sync()
  onTestFinished(() => copy.stop())
  copy.start(1e9)
  await expect.poll(() => copy.live).toBe(true)
  await copy.sync()
  return { client, user, sent, copy, line }
}

/** The titles of a copy's tasks, newest first. */
export function titlesIn(copy: LocalCopy): string[] {
  return copy.rows('tasks').map((task) => task.title)
}
