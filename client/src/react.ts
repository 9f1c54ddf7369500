import { useCallback, useSyncExternalStore } from 'react'
import type { Collection, Conflict, LocalCopy, QueryOf, Row, Status } from './index.ts'

/** How a copy is doing, as {@link useStatus} has it; each is the copy's own. */
export interface CopyStatus {
  status: Status
  live: boolean
  /** How many changes wait. */
  pending: number
  refused: readonly Conflict[]
  fetched: number | undefined
  error: unknown
}

/** The live rows of a collection that pass a query, as `copy.rows` has them: rendered anew when one of them changes. */
export function useRows<Name extends Collection>(
  copy: LocalCopy,
  collection: Name,
  query?: QueryOf<Name>,
): readonly Row<Name>[] {
  return useCopy(copy, collection, () => copy.rows(collection, query))
}

/** One row, unless it is deleted: rendered anew when it changes, or what waits of it does. */
export function useRow<Name extends Collection>(
  copy: LocalCopy,
  collection: Name,
  id: string,
): Row<Name> | undefined {
  useCopy(copy, collection, () => copy.waiting(collection, id))
  return useCopy(copy, collection, () => copy.row(collection, id))
}

/** How a copy is doing: rendered anew when that changes. */
export function useStatus(copy: LocalCopy): CopyStatus {
  return useCopy(copy, undefined, () => statusOf(copy))
}

function useCopy<Value>(copy: LocalCopy, collection: Collection | undefined, now: () => Value): Value {
  const subscribe = useCallback(
    (listener: () => void) => copy.subscribe(listener, collection),
    [copy, collection],
  )
  return useSyncExternalStore(subscribe, now, now)
}

const latest = new WeakMap<LocalCopy, CopyStatus>()

/** The same object until one of its values changes. */
function statusOf(copy: LocalCopy): CopyStatus {
  const { status, live, pending, refused, fetched, error } = copy
  const now = { status, live, pending: pending.length, refused, fetched, error }
  const before = latest.get(copy)
  if (before && isSame(before, now)) return before
  latest.set(copy, now)
  return now
}

function isSame(one: CopyStatus, other: CopyStatus): boolean {
  const values = Object.values(other)
  return Object.values(one).every((value, at) => value === values[at])
}
