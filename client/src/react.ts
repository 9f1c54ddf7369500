import { useCallback, useSyncExternalStore } from 'react'
import type { Collection, Conflict, LocalCopy, OwnerClient, QueryOf, Row, Status } from './index.ts'
import { shared } from './shared-copy.ts'

/**
 * What a hook looks at: a copy that is open, or whose rows: `client.owner(team)`, or the client itself for the user's own.
 * The copy of an owner is opened and started by the first hook that looks at it, and stopped after the last one.
 */
export type Source = LocalCopy | OwnerClient

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

/**
 * The live rows of a collection that pass a query, as `copy.rows` has them: rendered anew when one of them changes. None
 * while the copy of an owner is opened.
 */
export function useRows<Name extends Collection>(
  source: Source,
  collection: Name,
  query?: QueryOf<Name>,
): readonly Row<Name>[] {
  return useCopy(source, collection, (copy) => copy.rows(collection, query)) ?? NONE
}

/** One row, unless it is deleted: rendered anew when it changes, or what waits of it does. */
export function useRow<Name extends Collection>(
  source: Source,
  collection: Name,
  id: string,
): Row<Name> | undefined {
  useCopy(source, collection, (copy) => copy.waiting(collection, id))
  return useCopy(source, collection, (copy) => copy.row(collection, id))
}

/** How a copy is doing: rendered anew when that changes. */
export function useStatus(source: Source): CopyStatus {
  return useCopy(source, undefined, statusOf) ?? OPENING
}

/** The copy that the other hooks look at, to write to; undefined while that of an owner is opened. */
export function useCopyOf(source: Source): LocalCopy | undefined {
  return useCopy(source, undefined, (copy) => copy)
}

function useCopy<Value>(
  source: Source,
  collection: Collection | undefined,
  now: (copy: LocalCopy) => Value,
): Value | undefined {
  const subscribe = useCallback(
    (listener: () => void) =>
      isCopy(source)
        ? source.subscribe(listener, collection)
        : shared(source).subscribe(listener, collection),
    [source, collection],
  )
  const snapshot = () => {
    const copy = isCopy(source) ? source : shared(source).copy
    return copy && now(copy)
  }
  return useSyncExternalStore(subscribe, snapshot, snapshot)
}

function isCopy(source: Source): source is LocalCopy {
  return 'rows' in source
}

const NONE: readonly never[] = []
const OPENING: CopyStatus = {
  status: 'opening',
  live: false,
  pending: 0,
  refused: [],
  fetched: undefined,
  error: undefined,
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
