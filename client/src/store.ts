import { mutex, parse, type KeyValueStorage } from './storage.ts'

/** A record of a copy, under its key; undefined for one that is removed. */
export type StoredRecord = readonly [key: string, value: unknown]

/** Where copies are kept: records by key, which are values that can be cloned, of each copy by its name. */
export interface CopyStore {
  /** The records whose keys begin so. */
  load(copy: string, prefix: string): Promise<StoredRecord[]>
  /**
   * The last `count` records, in the order of their keys, whose keys begin so and are smaller than `below`. With it the
   * newest rows show before the others are read; a store may do without.
   */
  last?(
    copy: string,
    prefix: string,
    below: string | undefined,
    count: number,
  ): Promise<readonly StoredRecord[]>
  /** Puts records, and removes those without a value: all or none. */
  write(copy: string, records: readonly StoredRecord[]): Promise<void>
  /** Removes every record of a copy. */
  clear(copy: string): Promise<void>
  /** Lets go of what is open; it opens again when it is used. */
  close(): void
}

/** Stores that no other tab shares. */
const privates = new WeakSet<object>()

/** Whether a store is this page's own. */
export function isPrivate(store: object): boolean {
  return privates.has(store)
}

/** Keeps copies for as long as the page lives; no other tab or copy hears of them. */
export function memoryStore(): CopyStore {
  const copies = new Map<string, Map<string, unknown>>()
  const of = (copy: string) => copies.get(copy) ?? new Map<string, unknown>()
  const store: CopyStore = {
    load: async (copy, prefix) => [...of(copy)].filter(([key]) => key.startsWith(prefix)),
    async write(copy, records) {
      copies.set(copy, changed(of(copy), records))
    },
    clear: async (copy) => void copies.delete(copy),
    close() {},
  }
  privates.add(store)
  return store
}

/** Keeps each copy as one JSON text, in a storage that knows no more; written whole at every change. */
export function keyValueStore(
  storage: KeyValueStorage,
  migrate: (text: string) => StoredRecord[],
): CopyStore {
  const writing = new Map<string, ReturnType<typeof mutex>>()

  /** Changes the text of a copy, one tab at a time. */
  function alone(copy: string, run: () => Promise<void>): Promise<void> {
    const one = writing.get(copy) ?? mutex(copy)
    writing.set(copy, one)
    return one(run)
  }

  async function load(copy: string): Promise<Map<string, unknown>> {
    const text = (await storage.getItem(copy)) ?? '[]'
    return new Map(text.startsWith('[') ? parse<StoredRecord[]>(text) : migrate(text))
  }
  return {
    load: async (copy, prefix) => [...(await load(copy))].filter(([key]) => key.startsWith(prefix)),
    write: (copy, records) =>
      alone(copy, async () => {
        const all = changed(await load(copy), records)
        await storage.setItem(copy, JSON.stringify([...all]))
      }),
    clear: (copy) => alone(copy, async () => void (await storage.removeItem(copy))),
    close() {},
  }
}

function changed(all: Map<string, unknown>, records: readonly StoredRecord[]): Map<string, unknown> {
  for (const [key, value] of records) {
    if (value === undefined) all.delete(key)
    else all.set(key, value)
  }
  return all
}
