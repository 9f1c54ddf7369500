import { createStore, promisifyRequest, type UseStore } from 'idb-keyval'
import type { CopyStore, StoredRecord } from './store.ts'

/** Of the browser; Workers' types do not know it. */
declare const IDBKeyRange: {
  bound(lower: unknown, upper: unknown, lowerOpen?: boolean, upperOpen?: boolean): Range
}
type Store = Parameters<Parameters<UseStore>[1]>[0]
type Range = Parameters<Store['delete']>[0]

/** After every other text with the same beginning. */
const LAST = '\uffff'

/** Keeps copies in the browser's IndexedDB, a record a row, in one database whose keys begin with the copy's name. */
export function indexedDbStore(database = 'freehold'): CopyStore {
  const use = createStore(database, 'records')
  return {
    // Each record holds its key, too: reading all keys would take as long again as reading all records.
    load: (copy, prefix) => use('readonly', (store) => promisifyRequest(store.getAll(within(copy, prefix)))),
    write: (copy, records) =>
      use('readwrite', (store) => {
        for (const [key, value] of records) {
          if (value === undefined) store.delete([copy, key])
          else store.put([key, value], [copy, key])
        }
        return promisifyRequest(store.transaction)
      }),
    last: (copy, prefix, below, count) =>
      use('readonly', (store) => lastOf(store, [copy, prefix], [copy, below ?? prefix + LAST], count)),
    clear: (copy) =>
      use('readwrite', (store) => {
        store.delete(within(copy))
        return promisifyRequest(store.transaction)
      }),
    // It is closed with the page.
    close() {},
  }
}

/** The last so many records from a key up to another, in the order of their keys. */
function lastOf(store: Store, from: string[], below: string[], count: number): Promise<StoredRecord[]> {
  const between = (first: unknown) => IDBKeyRange.bound(first, below, false, true)
  return new Promise((resolve, reject) => {
    const cursor = store.openKeyCursor(between(from), 'prev')
    let isThere = false
    cursor.addEventListener('error', () => reject(cursor.error))
    cursor.addEventListener('success', () => {
      const { result: at } = cursor
      if (at && !isThere) {
        isThere = true
        at.advance(count - 1)
        return
      }
      promisifyRequest<StoredRecord[]>(store.getAll(between(at?.key ?? from))).then(resolve, reject)
    })
  })
}

function within(copy: string, prefix = ''): Range {
  return IDBKeyRange.bound([copy, prefix], [copy, prefix + LAST])
}
