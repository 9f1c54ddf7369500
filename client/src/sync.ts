import { collections, type Collections } from './collections.ts'
import type { Call } from './pages.ts'
import { segment } from './paths.ts'
import { ProblemError } from './problems.ts'
import { holds } from './retry.ts'
import { memory, mutex, parse, platform, type Channel, type KeyValueStorage } from './storage.ts'

/** The name of a collection. */
export type Collection = keyof Collections

/** A row of a collection. One that the server has not seen yet has `revision` 0. */
export type Row<Name extends Collection> = Collections[Name]['row']

/** A write that waits for the server. */
export interface Change {
  /** Its Idempotency-Key. */
  key: string
  op: 'create' | 'update' | 'delete' | 'restore'
  collection: Collection
  id: string
  /** Of the collection. */
  path: string
  data?: object
  /** The revision it was made on; 0 for one that an earlier change of the queue will make. */
  revision: number
}

/** A local change that the server refused: it is undone in the copy. */
export interface Conflict {
  change: Change
  /** Why: `stale_revision` when somebody else changed the row first. */
  problem: ProblemError
  /** The server's row, when it is there. */
  row: object | undefined
}

/** How a copy is kept. */
export interface SyncOptions {
  /** Where; by default in memory. Tabs that share it share the copy. */
  storage?: KeyValueStorage
  /** Whose copy it is: by default who the token says, which with cookies takes a request. */
  user?: string
  /** Told of each local change that the server refused. */
  onConflict?: (conflict: Conflict) => void
}

type CreateOf<Name extends Collection> = Collections[Name]['create']

/** A copy of everything a user has. Reads answer at once, writes show at once and are sent in order when possible. */
export interface LocalCopy {
  /** The live rows of a collection, newest first; the same array until something changes. */
  rows<Name extends Collection>(collection: Name): readonly Row<Name>[]
  /** One row, unless it is deleted. */
  row<Name extends Collection>(collection: Name, id: string): Row<Name> | undefined
  /** Creates a row with an id of its own; a child's `data` has its parent's id (`task_id`). Resolves to the id. */
  create<Name extends Collection>(collection: Name, data: CreateOf<Name>): Promise<string>
  update<Name extends Collection>(
    collection: Name,
    id: string,
    data: Collections[Name]['update'],
  ): Promise<void>
  delete(collection: Collection, id: string): Promise<void>
  /** Takes a row out of the trash. */
  restore(collection: Collection, id: string): Promise<void>
  /** Sends what waits, then fetches what changed. Throws what stopped it; what was not sent still waits. */
  sync(): Promise<void>
  /** Keeps in step: syncs now, after each local write, when the network is back, and every `interval` ms (5000). */
  start(interval?: number): void
  stop(): void
  /** Calls back after every change of the copy, made here, in another tab or by the server. Returns what ends that. */
  subscribe(listener: () => void): () => void
  /** The changes that wait. */
  readonly pending: readonly Change[]
  /** What stopped the last sync, such as an `OfflineError`; undefined when all is well. */
  readonly error: unknown
  /** Forgets everything, also what waits, in every tab: for signing out on a shared device. */
  clear(): Promise<void>
}

interface Entry {
  collection: Collection
  id: string
  revision: number
  deleted: boolean
  /** Kept of a deleted row too, when it was known, so that a restore shows at once. */
  data?: RowData
}
/** What says where a row is. */
interface Placed {
  collection: Collection
  data?: RowFields
}
type RowFields = Record<string, unknown>
type RowData = RowFields & { id: string; revision: number }
/** One that is there. */
type Live = Entry & { data: RowData }
type Entries = Record<string, Entry>
interface State {
  cursor?: string | undefined
  rows: Entries
  outbox: Change[]
}
interface ChangesPage {
  changes: Entry[]
  cursor: string
  has_more: boolean
}
/** What came of sending a change. */
interface Outcome {
  problem?: ProblemError
  /** The server's row, when it is there. */
  now: RowData | undefined
}

/** How many changes a page asks for. */
const PAGE = 500

/** Opens the copy of a user's rows that is kept under `name`, or a new one. `call` throws `OtherUserError` for anybody else. */
export async function localCopy(
  call: Call,
  name: string,
  user: string,
  { storage = memory(), onConflict }: SyncOptions,
): Promise<LocalCopy> {
  const writing = mutex(name)
  const syncing = mutex(`${name}:sync`)
  const listeners = new Set<() => void>()
  let pending: readonly Change[] = []
  let view: Entries = {}
  let lists = new Map<Collection, RowData[]>()
  let failure: unknown
  let running: Promise<void> | undefined
  let timer: ReturnType<typeof setInterval> | undefined
  let channel: Channel | undefined
  let cleared = false

  // ── What is kept ────────────────────────────────────────────────────────────────────────────────────────────────

  async function load(): Promise<State> {
    return parse((await storage.getItem(name)) ?? '{"rows":{},"outbox":[]}')
  }

  /** Changes what is kept, one tab at a time. */
  async function keep(change: (state: State) => void): Promise<void> {
    await writing(async () => {
      if (cleared) return
      const state = await load()
      change(state)
      await storage.setItem(name, JSON.stringify(state))
      show(state)
    })
    tellTabs()
  }

  function tellTabs(): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has no other origins
    channel?.postMessage(cleared)
  }

  function show(state: State): void {
    pending = state.outbox
    view = viewOf(state)
    lists = new Map()
    tell()
  }

  function tell(): void {
    for (const listener of listeners) listener()
  }

  // ── What is seen ────────────────────────────────────────────────────────────────────────────────────────────────

  function parentOf({ collection, data }: Placed): Entry | undefined {
    const { parent } = collections[collection]
    return parent && view[`${parent[0]}/${String(data?.[parent[1]])}`]
  }

  /** Whether a row, and what it is under, is there. */
  function alive(entry: Entry | undefined): entry is Live {
    if (!entry?.data || entry.deleted) return false
    return !collections[entry.collection].parent || alive(parentOf(entry))
  }

  function pathOf(entry: Placed): string {
    const above = parentOf(entry)
    return `${above ? `${pathOf(above)}/${segment(above.id)}` : ''}/${entry.collection}`
  }

  function rows<Name extends Collection>(collection: Name): readonly Row<Name>[]
  function rows(collection: Collection): unknown {
    const known =
      lists.get(collection) ??
      Object.values(view)
        .filter((entry) => entry.collection === collection)
        .filter(alive)
        .map(({ data }) => data)
        .toSorted((a, b) => (a.id < b.id ? 1 : -1))
    lists.set(collection, known)
    return known
  }

  function row<Name extends Collection>(collection: Name, id: string): Row<Name> | undefined
  function row(collection: Collection, id: string): unknown {
    const entry = view[`${collection}/${id}`]
    return alive(entry) ? entry.data : undefined
  }

  // ── What is sent ────────────────────────────────────────────────────────────────────────────────────────────────

  async function queue(
    op: Change['op'],
    collection: Collection,
    id: string,
    data?: RowFields,
  ): Promise<void> {
    const at = `${collection}/${id}` as const
    const path = pathOf({ collection, data: { ...view[at]?.data, ...data } })
    await keep(({ rows: known, outbox }) => {
      const revision = outbox.some((change) => change.id === id) ? 0 : (known[at]?.revision ?? 0)
      outbox.push({ key: crypto.randomUUID(), op, collection, id, path, revision, ...(data && { data }) })
    })
    if (timer !== undefined) kick()
  }

  /** Sends what waits, in order, each change until it is known what came of it. */
  async function push(): Promise<void> {
    for (;;) {
      const [change] = (await load()).outbox
      if (!change) return
      const { problem, now } = await perform(change)
      await keep((state) => {
        const { collection, id, op } = change
        const at = `${collection}/${id}` as const
        const entry = state.rows[at]
        state.outbox = state.outbox.filter(({ key }) => key !== change.key)
        if (now) state.rows[at] = { collection, id, revision: now.revision, deleted: false, data: now }
        // The revision of what is in the trash comes with the next changes.
        else if (entry && op === 'delete' && !problem)
          state.rows[at] = { ...entry, deleted: true, revision: 0 }
        // What the user did to the row next was done on top of this.
        for (const next of state.outbox) if (next.id === id) next.revision = now?.revision ?? 0
      })
      if (problem) onConflict?.({ change, problem, row: now })
    }
  }

  async function perform({ op, path, key, id, data, revision }: Change): Promise<Outcome> {
    const place = `${path}/${segment(id)}`
    const [method, target] = {
      create: ['post', path] as const,
      update: ['patch', place] as const,
      delete: ['delete', place] as const,
      restore: ['post', `${place}/restore`] as const,
    }[op]
    const headers = {
      'Idempotency-Key': key,
      ...(op !== 'create' && { 'If-Match': revision ? `"${revision}"` : '*' }),
    }
    try {
      return { now: await call(method, target, { headers, body: data }) }
    } catch (error) {
      const { status } = refusal(error)
      const now = await call<RowData>('get', place).catch((reason: unknown) => {
        if (refusal(reason).status === 404) return undefined
        throw reason
      })
      // An answer was lost, or others did the same: it is as the user wants it.
      const done = {
        create: status === 410 || (status === 409 && now),
        update: status === 412 && now && holds(now, data ?? {}),
        delete: status === 404,
        restore: false,
      }
      return done[op] ? { now } : { now, problem: refusal(error) }
    }
  }

  // ── What is fetched ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Fetches what changed since the last time and shows it as a whole. After too long it starts again from nothing. */
  async function pull(): Promise<void> {
    let { cursor } = await load()
    let anew = !cursor
    let found: Entry[] = []
    for (let more = true; more;) {
      try {
        const query = { cursor, limit: PAGE }
        const page = await call<ChangesPage>('get', '/changes', { params: { query } })
        found.push(...page.changes)
        cursor = page.cursor
        more = page.has_more
      } catch (error) {
        if (anew || refusal(error).status !== 410) throw error
        cursor = undefined
        anew = true
        found = []
      }
    }
    if (!anew && !found.length) return
    await keep((state) => {
      if (anew) state.rows = {}
      merge(state.rows, found)
      state.cursor = cursor
    })
  }

  async function catchUp(): Promise<void> {
    await push()
    await pull()
  }

  function sync(): Promise<void> {
    running ??= syncing(catchUp)
      .then(ignore, (error: unknown) => error)
      .then(ended)
      .finally(() => (running = undefined))
    return running
  }

  function ended(error: unknown): void {
    if (error !== failure) {
      failure = error
      tell()
    }
    if (error) throw error
  }

  /** Syncs once more, after a sync that may have missed the latest change. */
  function kick(): void {
    Promise.resolve(running).catch(ignore).then(sync).catch(ignore)
  }

  async function clear(): Promise<void> {
    cleared = true
    tellTabs()
    stop()
    await writing(async () => storage.removeItem(name))
    show(await load())
  }

  function stop(): void {
    clearInterval(timer)
    timer = undefined
    channel?.close()
    channel = undefined
    platform.removeEventListener?.('online', kick)
  }

  show(await load())
  return {
    rows,
    row,
    async create(collection, data) {
      const { id = uuidv7() } = data
      const created_at = new Date().toISOString()
      // The API leaves out what is read-only.
      const fields = { user_id: user, created_at, updated_at: created_at }
      await queue('create', collection, id, { ...data, ...fields, id })
      return id
    },
    update: (collection, id, data) => queue('update', collection, id, data),
    delete: (collection, id) => queue('delete', collection, id),
    restore: (collection, id) => queue('restore', collection, id),
    sync,
    start(interval = 5000) {
      stop()
      timer = setInterval(kick, interval)
      platform.addEventListener?.('online', kick)
      channel = platform.BroadcastChannel && new platform.BroadcastChannel(name)
      channel?.addEventListener('message', ({ data }) => void (data ? clear() : load().then(show)))
      kick()
    },
    stop,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    get pending() {
      return pending
    },
    get error() {
      return failure
    },
    clear,
  }
}

/** The copy as the user wants it: the server's rows and, on top, what waits. */
function viewOf(state: State): Entries {
  const view = { ...state.rows }
  for (const { op, collection, id, data, revision } of state.outbox) {
    const at = `${collection}/${id}` as const
    const entry = view[at]
    if (op === 'create') {
      const { defaults } = collections[collection]
      view[at] = { collection, id, revision, deleted: false, data: { ...defaults, ...data, id, revision } }
    } else if (op !== 'update') {
      if (entry) view[at] = { ...entry, deleted: op === 'delete' }
    } else if (entry?.data) view[at] = { ...entry, data: { ...entry.data, ...data } }
  }
  return view
}

function merge(rows: Entries, changes: readonly Entry[]): void {
  for (const change of changes) {
    const at = `${change.collection}/${change.id}` as const
    rows[at] = { ...rows[at], ...change }
  }
}

function ignore(): void {}

/** Problems of the caller or the way to the server: the change itself was not looked at. */
const NOT_THE_CHANGE = new Set(['about:blank', 'foreign_origin', 'not_your_path'])

/** What the server said no to a change with; throws again what may pass. */
function refusal(error: unknown): ProblemError {
  if (!(error instanceof ProblemError) || NOT_THE_CHANGE.has(error.type)) throw error
  if ([401, 429].includes(error.status) || error.status >= 500) throw error
  return error
}

/** A new id (RFC 9562 §5.7): 48 bits of time, then random. */
function uuidv7(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`
}
