import { collections } from './collections.ts'
import { placeOf, type Change, type Collection, type RowData, type RowFields } from './outbox.ts'
import { select, type Query } from './queries.ts'
import type { StoredRecord } from './store.ts'

/** A row as the server has it. */
export interface Entry {
  collection: Collection
  id: string
  revision: number
  deleted: boolean
  /** Kept of a deleted row too, when it was known, so that a restore shows at once. */
  data?: RowData
}

/** How far a copy has come. */
export interface Progress {
  cursor: string
  /** When it last knew everything, in milliseconds since 1970; undefined during the first sync. */
  at: number | undefined
}

/** The key of a row's record. */
export const rowKey = (row: { collection: string; id: string }) => `row/${placeOf(row)}`
/** The key of a waiting change's record. */
export const changeKey = ({ key }: { key: string }) => `out/${key}`

/** How many changes at once make it cheaper to sort a list anew than to put each row into its place. */
const MANY = 64

/** How many queries' rows are remembered. */
const REMEMBERED = 100

const NONE: readonly Change[] = []

/** All of a copy in memory: what the server has and what waits, and the rows as both make them. */
export function newRows() {
  const server = new Map<string, Entry>()
  const outbox = new Map<string, Change>()
  const waiting = new Map<string, readonly Change[]>()
  const view = new Map<Collection, Map<string, Entry>>()
  const lists = new Map<Collection, readonly RowData[]>()
  const found = new Map<string, { from: readonly RowData[]; rows: readonly RowData[] }>()
  let progress: Progress | undefined
  let queue: readonly Change[] | undefined

  /** Takes in records, from this tab or another. Resolves to the collections whose rows look different now. */
  function apply(records: readonly StoredRecord[]): Set<Collection> {
    const touched = new Map<string, { collection: Collection; id: string }>()
    for (const [key, value] of records) {
      const kind = key.slice(0, 4)
      if (kind === 'row/') {
        const entry = keep(server, key.slice(4), value)
        if (entry) touched.set(placeOf(entry), entry)
      } else if (kind === 'out/') {
        const change = keep(outbox, key, value)
        queue = undefined
        if (change) {
          const at = placeOf(change)
          waiting.delete(at)
          touched.set(at, change)
        }
      } else {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as it was written
        progress = value as Progress | undefined
      }
    }
    for (const change of queued()) {
      const at = placeOf(change)
      if (touched.has(at) && !change.refused) {
        waiting.set(at, [...(waiting.get(at) ?? NONE).filter(({ key }) => key !== change.key), change])
      }
    }
    const different = new Set<Collection>()
    for (const place of touched.values()) show(place, different, touched.size > MANY)
    return different
  }

  /** Every change that waits, also those that were refused, in their order. */
  function queued(): readonly Change[] {
    queue ??= [...outbox.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1))
    return queue
  }

  function of(collection: Collection): Map<string, Entry> {
    const known = view.get(collection) ?? new Map<string, Entry>()
    view.set(collection, known)
    return known
  }

  /** Puts a row as it is now into the lists that show it. */
  function show(
    { collection, id }: { collection: Collection; id: string },
    different: Set<Collection>,
    isOneOfMany: boolean,
  ): void {
    const at = placeOf({ collection, id })
    const before = of(collection).get(id)
    const after = overlay(server.get(at), waiting.get(at) ?? NONE)
    if (after) of(collection).set(id, after)
    else of(collection).delete(id)
    different.add(collection)
    const was = before && !before.deleted ? before.data : undefined
    const is = after && !after.deleted ? after.data : undefined
    const list = lists.get(collection)
    if (list && (isOneOfMany || collections[collection].parent)) lists.delete(collection)
    else if (list) lists.set(collection, moved(list, was, is))
    if (Boolean(was) !== Boolean(is)) showChildren(collection, isOneOfMany ? undefined : id, different)
  }

  /** What is under a row comes and goes with it; without an id, what is under any row of the collection. */
  function showChildren(above: Collection, id: string | undefined, different: Set<Collection>): void {
    for (const collection of namesOf(collections)) {
      const [name, field = ''] = collections[collection].parent ?? []
      const isUnder = ({ data }: Entry) => id === undefined || data?.[field] === id
      if (name !== above || !some(of(collection).values(), isUnder)) continue
      lists.delete(collection)
      different.add(collection)
      showChildren(collection, undefined, different)
    }
  }

  function parentOf(collection: Collection, data: RowFields): Entry | undefined {
    const { parent } = collections[collection]
    return parent && of(parent[0]).get(String(data[parent[1]]))
  }

  /** Whether a row, and what it is under, is there. */
  function isAlive(entry: Entry | undefined): entry is Entry & { data: RowData } {
    if (!entry?.data || entry.deleted) return false
    return !collections[entry.collection].parent || isAlive(parentOf(entry.collection, entry.data))
  }

  function newest(collection: Collection): readonly RowData[] {
    const known =
      lists.get(collection) ??
      Array.from(of(collection).values())
        .filter(isAlive)
        .map(({ data }) => data)
        .toSorted(newestFirst)
    lists.set(collection, known)
    return known
  }

  return {
    apply,
    queued,
    get progress() {
      return progress
    },
    /** The row that the server has, and the row as it is shown. */
    server: (collection: Collection, id: string) => server.get(placeOf({ collection, id })),
    shown: (collection: Collection, id: string) => of(collection).get(id),
    row(collection: Collection, id: string): RowData | undefined {
      const entry = of(collection).get(id)
      return isAlive(entry) ? entry.data : undefined
    },
    /** The live rows that pass a query, newest first unless it says otherwise: the same array until one of them changes. */
    rows(collection: Collection, query?: Query): readonly RowData[] {
      const from = newest(collection)
      if (!query) return from
      const key = `${collection} ${JSON.stringify(query)}`
      const known = found.get(key)
      if (known?.from === from) return known.rows
      const now = select(collection, from, query)
      const rows = known && isSameList(known.rows, now) ? known.rows : now
      found.delete(key)
      found.set(key, { from, rows })
      const [oldest = key] = found.keys()
      if (found.size > REMEMBERED) found.delete(oldest)
      return rows
    },
    waiting: (collection: Collection, id: string) => waiting.get(placeOf({ collection, id })) ?? NONE,
    parentOf,
    /** The row of a record, as the server has it. */
    entry: (key: string) => server.get(key.slice(4)),
    /** The waiting change of a record. */
    change: (key: string) => outbox.get(key),
    /** The keys of all records. */
    keys: (): string[] => [
      ...Array.from(server.keys(), (at) => `row/${at}`),
      ...outbox.keys(),
      ...(progress ? ['meta'] : []),
    ],
  }
}

/** Sets or deletes what is kept under a key. Resolves to what is there now, or was there. */
function keep<Value>(map: Map<string, Value>, key: string, value: unknown): Value | undefined {
  const before = map.get(key)
  if (value === undefined) {
    map.delete(key)
    return before
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as it was written
  const now = value as Value
  map.set(key, now)
  return now
}

/** A row as it is with what waits: the server's own entry when nothing does. */
function overlay(entry: Entry | undefined, changes: readonly Change[]): Entry | undefined {
  let shown = entry
  for (const { op, collection, id, data } of changes) {
    if (op === 'create') {
      const { defaults } = collections[collection]
      shown = {
        collection,
        id,
        revision: 0,
        deleted: false,
        data: { ...defaults, ...data, id, revision: 0 },
      }
    } else if (op !== 'update') shown = shown && { ...shown, deleted: op === 'delete' }
    else if (shown?.data) shown = { ...shown, data: { ...shown.data, ...data } }
  }
  return shown
}

/** A list with one row as it is now in its place. */
function moved(
  list: readonly RowData[],
  was: RowData | undefined,
  is: RowData | undefined,
): readonly RowData[] {
  if (!was && !is) return list
  const at = placeIn(list, (is ?? was)?.id ?? '')
  const isThere = list[at]?.id === (is ?? was)?.id
  return list.toSpliced(at, isThere ? 1 : 0, ...(is ? [is] : []))
}

/** Where an id is in a list that is sorted newest first, or would be. */
function placeIn(list: readonly RowData[], id: string): number {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle]?.id ?? '') > id) low = middle + 1
    else high = middle
  }
  return low
}

function isSameList(one: readonly RowData[], other: readonly RowData[]): boolean {
  return one.length === other.length && one.every((row, at) => row === other[at])
}

function newestFirst(a: RowData, b: RowData): number {
  return a.id < b.id ? 1 : -1
}

function some<Value>(values: Iterable<Value>, passes: (value: Value) => boolean): boolean {
  for (const value of values) if (passes(value)) return true
  return false
}

/** The keys of an object that has no others. */
export function namesOf<Key extends string>(record: Record<Key, unknown>): Key[]
export function namesOf(record: object): string[] {
  return Object.keys(record)
}
