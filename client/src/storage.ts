import type { Socket } from './live.ts'

/** Where things are kept: `localStorage`, `sessionStorage`, or anything with these three over IndexedDB or a file. */
export interface KeyValueStorage {
  getItem(key: string): string | null | Promise<string | null>
  setItem(key: string, value: string): unknown
  removeItem(key: string): unknown
}

/** What a browser has and another runtime may not. */
interface Platform {
  location?: { origin: string }
  document?: { visibilityState: string }
  navigator?: { userAgent?: string; locks?: Locks }
  BroadcastChannel?: new (name: string) => Channel
  indexedDB?: object
  localStorage?: KeyValueStorage
  WebSocket?: new (url: string, protocols: string[]) => Socket
  addEventListener?(type: string, listener: () => void): void
  removeEventListener?(type: string, listener: () => void): void
}
interface Locks {
  request<Result>(name: string, run: () => Promise<Result>): Promise<Result>
  request<Result>(name: string, options: { signal: AbortSignal }, run: () => Promise<Result>): Promise<Result>
}
/** What tells the other tabs. */
export interface Channel {
  addEventListener(type: string, listener: (event: { data: unknown }) => void): void
  postMessage(message: unknown): void
  close(): void
  /** Node's: it does not keep the process alive. */
  unref?(): void
}

/** Where this runs. */
export const platform: Platform = globalThis

/** Keeps things for as long as the page lives. */
export function memory(): KeyValueStorage {
  const items = new Map<string, string>()
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
  }
}

/** Runs one thing at a time under a name: over all tabs where there are Web Locks, else, or without a name, in this client. */
export function mutex(name: string | undefined): <Result>(run: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve()
  return (run) => {
    const locks = platform.navigator?.locks
    if (locks && name !== undefined) return locks.request(name, run)
    const mine = last.then(run, run)
    last = mine
    return mine
  }
}

/** JSON of a shape that its writer vouches for. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says which
export const parse: <Value>(json: string) => Value = JSON.parse
