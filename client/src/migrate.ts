import type { Clock } from './clock.ts'
import type { Change } from './outbox.ts'
import { changeKey, rowKey, type Entry } from './rows.ts'
import { parse } from './storage.ts'
import type { StoredRecord } from './store.ts'

/** A copy as it was kept before: one JSON text. */
interface Whole {
  rows: Record<string, Entry>
  outbox: Change[]
}

/**
 * The records of a copy that was one JSON text, with what waits in it, in its order. The next sync fetches all rows
 * again: its cursor may be of another schema of the resources.
 */
export function recordsOf(text: string, clock: Clock): StoredRecord[] {
  const { rows, outbox } = parse<Whole>(text)
  const changes = outbox.map((change) => {
    const base = rows[`${change.collection}/${change.id}`]?.data
    return { ...change, key: clock.id(), ...(base && { base }) }
  })
  return [
    ...Object.values(rows).map((entry) => [rowKey(entry), entry] as const),
    ...changes.map((change) => [changeKey(change), change] as const),
  ]
}
