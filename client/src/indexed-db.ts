import { createStore, promisifyRequest, type UseStore } from 'idb-keyval'
import type { CopyStore } from './store.ts'

/** Of the browser; Workers' types do not know it. */
declare const IDBKeyRange: { bound(lower: string[], upper: string[]): Range }
type Range = Parameters<Parameters<Parameters<UseStore>[1]>[0]['delete']>[0]

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
    clear: (copy) =>
      use('readwrite', (store) => {
        store.delete(within(copy))
        return promisifyRequest(store.transaction)
      }),
    // It is closed with the page.
    close() {},
  }
}

function within(copy: string, prefix = ''): Range {
  return IDBKeyRange.bound([copy, prefix], [copy, prefix + LAST])
}
