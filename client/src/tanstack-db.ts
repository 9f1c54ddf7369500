import { collections } from './collections.ts'
import type { Collection, Collections, LocalCopy, Row } from './index.ts'

/** What TanStack DB has a collection write into. */
interface Sink<Value> {
  begin: () => void
  write: (message: { type: 'insert' | 'update'; value: Value } | { type: 'delete'; key: string }) => void
  commit: () => unknown
  markReady: () => void
}

/** What TanStack DB tells of a transaction. */
interface Given<Mutation> {
  transaction: { mutations: readonly Mutation[] }
}

type CreateOf<Name extends Collection> = Collections[Name]['create']

/** A copy, for what was checked before it comes here. */
interface Writable {
  create(name: Collection, data: object): Promise<string>
}

/** The options of a TanStack DB collection over a local copy. */
export interface CopyCollectionOptions<Name extends Collection> {
  id: string
  getKey: (row: Row<Name>) => string
  /** What is inserted needs no more than what creates a row (Standard Schema 1). */
  schema: {
    '~standard': {
      version: 1
      vendor: string
      validate: (value: unknown) => { value: Row<Name> }
      types?: { input: CreateOf<Name>; output: Row<Name> }
    }
  }
  sync: { rowUpdateMode: 'full'; sync: (sink: Sink<Row<Name>>) => () => void }
  onInsert: (given: Given<{ modified: Row<Name> }>) => Promise<void>
  onUpdate: (given: Given<{ key: string; changes: object }>) => Promise<void>
  onDelete: (given: Given<{ key: string }>) => Promise<void>
}

/**
 * What `createCollection` of TanStack DB takes for a collection of a copy. Its rows are the copy's, with what waits; what is
 * inserted, updated or deleted is stored in the copy, which sends it. A change that the server refuses goes back, and is in
 * `copy.refused`.
 */
export function copyCollectionOptions<Name extends Collection>(
  copy: LocalCopy,
  name: Name,
): CopyCollectionOptions<Name>
export function copyCollectionOptions(copy: LocalCopy, name: Collection): unknown {
  const { defaults } = collections[name]
  const into: Writable = copy
  /** A row as it will be, of what creates one. A row stays as it is. */
  function rowOf(data: object): object {
    const now = new Date().toISOString()
    const by = { user_id: copy.owner, created_by: copy.user, updated_by: copy.user }
    const made = { ...by, revision: 0, created_at: now, updated_at: now }
    return { ...made, ...defaults, id: copy.newId(), ...data }
  }
  /** What has to be sent of a new row: the API has the same defaults, and fields that follow from others. */
  function sentOf(row: object): object {
    const known = new Map<string, unknown>(Object.entries(defaults))
    const isKnown = (field: string, value: unknown) =>
      JSON.stringify(known.get(field)) === JSON.stringify(value)
    return Object.fromEntries(
      Object.entries(row).filter(([field, value]) => field !== 'revision' && !isKnown(field, value)),
    )
  }

  function sync({ begin, write, commit, markReady }: Sink<object>): () => void {
    let shown = new Map<string, object>()
    let isReady = false

    function show(): void {
      const rows = new Map(copy.rows(name).map((row) => [row.id, row]))
      begin()
      for (const [id, value] of rows) {
        const before = shown.get(id)
        if (before !== value) write({ type: before ? 'update' : 'insert', value })
      }
      for (const key of shown.keys()) if (!rows.has(key)) write({ type: 'delete', key })
      commit()
      shown = rows
    }
    /** A query may wait until everything is there, if it can come. */
    function look(): void {
      if (isReady || copy.status === 'opening' || copy.status === 'first-sync') return
      isReady = true
      markReady()
    }
    show()
    look()
    const ends = [copy.subscribe(show, name), copy.subscribe(look)]
    return () => {
      for (const end of ends) end()
    }
  }

  return {
    id: `freehold:${name}`,
    getKey: (row: { id: string }) => row.id,
    schema: {
      '~standard': { version: 1, vendor: 'freehold', validate: (data: object) => ({ value: rowOf(data) }) },
    },
    sync: { rowUpdateMode: 'full', sync },
    async onInsert({ transaction }: Given<{ modified: object }>) {
      for (const { modified } of transaction.mutations) await into.create(name, sentOf(modified))
    },
    async onUpdate({ transaction }: Given<{ key: string; changes: object }>) {
      for (const { key, changes } of transaction.mutations) await copy.update(name, key, changes)
    },
    async onDelete({ transaction }: Given<{ key: string }>) {
      for (const { key } of transaction.mutations) await copy.delete(name, key)
    },
  }
}
