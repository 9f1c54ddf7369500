import type { Clock } from './clock.ts'
import { collections, type Collections } from './collections.ts'
import { indexedDbStore } from './indexed-db.ts'
import { keepUp, type Upkeep, type Word } from './keep-up.ts'
import type { Live, LiveEvent } from './live.ts'
import { recordsOf } from './migrate.ts'
import {
  fold,
  same,
  type Change,
  type Collection,
  type Operation,
  type Refusal,
  type RowFields,
} from './outbox.ts'
import type { Call } from './pages.ts'
import { segment } from './paths.ts'
import { OtherUserError, ProblemError, StorageError } from './problems.ts'
import type { Query } from './queries.ts'
import { batchOf, refusal, sendBulk, sendOne, type Outcome } from './push.ts'
import { changeKey, namesOf, newRows, rowKey, type Entry, type Progress } from './rows.ts'
import { mutex, platform, type Channel, type KeyValueStorage } from './storage.ts'
import { isPrivate, keyValueStore, memoryStore, type CopyStore, type StoredRecord } from './store.ts'

export type { Change, Collection, Refusal } from './outbox.ts'

/** A row of a collection. One that the server has not seen yet has `revision` 0. */
export type Row<Name extends Collection> = Collections[Name]['row']

/** A local change that the server refused: it is undone in the copy, and kept until it is discarded or applied again. */
export interface Conflict {
  /** Of an update, with the fields that were refused alone: the others are saved. */
  change: Change
  /** Why: `stale_revision` when somebody else changed the same fields first. */
  problem: Refusal
  /** The row as it was when the change was made, as the change would have made it, and as the server has it. */
  base: object | undefined
  mine: object | undefined
  theirs: object | undefined
}

/** How a copy is doing: `opening` while only its newest rows are read. */
export type Status = 'opening' | 'first-sync' | 'ready' | 'offline' | 'stopped'

/** How a copy is kept. */
export interface SyncOptions {
  /** Where; by default in IndexedDB, or in memory where there is none. Tabs that share it share the copy. */
  storage?: CopyStore | KeyValueStorage
  /** Whose copy it is: by default who the token says, which with cookies takes a request. */
  user?: string
  /** Told of each local change that the server refused. */
  onConflict?: (conflict: Conflict) => void
}

/** What the rows of a collection can be asked for. */
export type QueryOf<Name extends Collection> = Collections[Name]['query']

type CreateOf<Name extends Collection> = Collections[Name]['create']

/** A copy of everything a user has. Reads answer at once, writes show at once and are sent in order when possible. */
export interface LocalCopy {
  /**
   * The live rows of a collection that pass a query, which is one of the API's own lists, newest first unless it sorts;
   * the same array until one of them changes. `task_id` and the like ask for the children of one parent.
   */
  rows<Name extends Collection>(collection: Name, query?: QueryOf<Name>): readonly Row<Name>[]
  /** One row, unless it is deleted; the same object until it changes. */
  row<Name extends Collection>(collection: Name, id: string): Row<Name> | undefined
  /** The changes of one row that wait; the same array until that changes. */
  waiting(collection: Collection, id: string): readonly Change[]
  /** Creates a row with an id of its own; a child's `data` has its parent's id (`task_id`). Resolves to the id, once stored. */
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
  /**
   * Keeps in step: syncs now, hears of changes at once, sends each local write, and asks when the page is looked at, when
   * the network is back and every five minutes; or every `interval` ms (5000) while nothing can be heard.
   */
  start(interval?: number): void
  stop(): void
  /**
   * Calls back after every change of the copy, made here, in another tab or by the server, or only of one collection's
   * rows. Returns what ends that.
   */
  subscribe(listener: () => void, collection?: Collection): () => void
  /** The changes that wait. */
  readonly pending: readonly Change[]
  /** The changes that the server refused, until each is discarded or applied again. */
  readonly refused: readonly Conflict[]
  /** Forgets a refused change, by its key. */
  discard(key: string): Promise<void>
  /** Queues a refused change again, by its key, on top of what the server has now; `data` replaces fields of it. */
  applyAgain(key: string, data?: object): Promise<void>
  /** Who writes, and whose rows they are. */
  readonly user: string
  readonly owner: string
  /** A new id for a row: a UUIDv7, later than those before. */
  newId(): string
  readonly status: Status
  /** Resolves when all of it is read; until then `rows` has the newest ones. */
  readonly opened: Promise<void>
  /** Whether changes elsewhere are heard of at once, by this tab or another. */
  readonly live: boolean
  /** How many rows a sync that has not ended yet has fetched; undefined when there is none. */
  readonly fetched: number | undefined
  /** When the copy last knew everything, in milliseconds since 1970. */
  readonly lastSyncedAt: number | undefined
  /** What stopped the last sync: an `OfflineError`, `OtherUserError`, `StorageError`…; undefined when all is well. */
  readonly error: unknown
  /** Forgets everything, also what waits, in every tab: for signing out on a shared device. */
  clear(): Promise<void>
}

interface ChangesPage {
  changes: Entry[]
  cursor: string
  has_more: boolean
}

/** Where to go on reading a collection: below a key. */
interface Way {
  collection: Collection
  below: string
}

/** What the tabs tell each other. */
type Message = readonly StoredRecord[] | 'cleared' | Word

/** What a copy is made of. */
export interface Sources {
  /** Throws `OtherUserError` for anybody but the user whose copy it is, as `connect` does not connect. */
  call: Call
  connect: (listener: (event: LiveEvent) => void) => Live
  clock: Clock
  /** What it is kept under. */
  name: string
  /** Who writes, and whose rows they are. */
  user: string
  owner: string
  options: SyncOptions
}

/** How many changes a page asks for. */
const PAGE = 500
/** How many rows of each collection are read before a copy opens, and how many at a time are after it. */
const FIRST = 100
const PAGE_OF_STORE = 1000
/** How often a cursor is stored though nothing has changed, in milliseconds: it moves when the trash is emptied. */
const CURSOR_EVERY = 60_000

/** Opens the copy of an owner's rows that is kept under `name`, or a new one. */
export async function localCopy({
  call,
  connect,
  clock,
  name,
  user,
  owner,
  options,
}: Sources): Promise<LocalCopy> {
  const { storage, onConflict } = options
  // What is in memory is this tab's own.
  const isShared = storage ? !isPrivate(storage) : platform.indexedDB !== undefined
  const syncing = mutex(isShared ? `${name}:sync` : undefined)
  const all = newRows()
  const store = storeOf(storage, clock)
  const listeners = new Set<{ listener: () => void; collection: Collection | undefined }>()
  let failure: unknown
  let running: Promise<void> | undefined
  let isWhole = false
  let upkeep: Upkeep | undefined
  let channel: Channel | undefined
  let fetched: number | undefined
  let lastSyncedAt: number | undefined
  let halted = false
  let cleared = false
  let pending: readonly Change[] | undefined
  let refused: readonly Conflict[] | undefined
  /** The newest revision of each collection that was fetched, and those that came otherwise since. */
  const fetchedTo = new Map<string, number>()
  const recognized = new Set<string>()
  /** While it is opened: the records that were written meanwhile, which are not read any more. */
  let meanwhile: Set<string> | undefined

  // ── What is kept ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Shows records at once and stores them, in one transaction. Throws `StorageError`, and shows what was before again. */
  async function keep(records: readonly StoredRecord[], undo: readonly StoredRecord[] = []): Promise<void> {
    if (cleared || !records.length) return
    show(records)
    note(records)
    try {
      await store.write(name, records)
    } catch (error) {
      show(undo)
      throw unstored(error)
    }
    tellTabs(records)
    recognize(records)
  }

  /** A storage that is full or forbidden ends the syncing: it would fetch the same again and again. */
  function unstored(cause: unknown): StorageError {
    const error = new StorageError(`The copy cannot be stored: ${String(cause)}`, { cause })
    failure = error
    stop()
    return error
  }

  async function load(prefix = ''): Promise<StoredRecord[]> {
    try {
      return await store.load(name, prefix)
    } catch (error) {
      throw unstored(error)
    }
  }

  function tellTabs(message: Message): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has no other origins
    channel?.postMessage(message)
  }

  function hear(message: Message): void {
    if (message === 'cleared') void clear()
    else if (isRecords(message)) {
      show(message)
      note(message)
      recognize(message)
    } else upkeep?.hear(message)
  }

  function note(records: readonly StoredRecord[]): void {
    for (const [key] of records) meanwhile?.add(key)
  }

  /** Remembers which revisions are here: a hint of one is an echo. */
  function recognize(records: readonly StoredRecord[]): void {
    for (const [key] of records) {
      const entry = key.startsWith('row/') && all.entry(key)
      if (entry) recognized.add(`${entry.collection} ${entry.revision}`)
    }
  }

  /**
   * Whether a hint tells of something that is not here. Each echo is dropped once: a second hint of the same revision
   * stands for an earlier write, which was announced after it.
   */
  function isNews(revisions: object): boolean {
    const news = Object.entries(revisions).filter(
      ([collection, revision]) =>
        !((fetchedTo.get(collection) ?? 0) >= revision || recognized.delete(`${collection} ${revision}`)),
    )
    return news.length > 0
  }

  /** Takes in the revisions of a hint; those of its own writes may come before their answers. */
  async function hint(revisions: object): Promise<void> {
    if (running) {
      await running.catch(ignore)
      // Others may have waited for the same, and gone on first.
      return hint(revisions)
    }
    if (isNews(revisions)) kick()
  }

  function show(records: readonly StoredRecord[]): void {
    if (!records.length) return
    const before = statusNow()
    const different = all.apply(records)
    pending = undefined
    refused = undefined
    // The first sync of somebody who has nothing yet changes only how far it has come.
    if (records.some(([key]) => key !== 'meta') || statusNow() !== before) tell(different)
  }

  /** Tells each listener once: those of a collection if its rows are different, the others always. */
  function tell(different: ReadonlySet<Collection> = new Set()): void {
    for (const { listener, collection } of listeners) {
      if (!collection || different.has(collection)) listener()
    }
  }

  /** Takes in what other tabs have stored and this one has not heard of: it may have been stopped. */
  async function catchUp(): Promise<void> {
    const [meta] = await load('meta')
    if (!same(meta?.[1], all.progress)) {
      const stored = await load()
      const kept = new Set(stored.map(([key]) => key))
      show([
        ...all
          .keys()
          .filter((key) => !kept.has(key))
          .map(removed),
        ...stored,
      ])
      return
    }
    const waiting = new Map(await load('out/'))
    const sent = all
      .queued()
      .map(changeKey)
      .filter((key) => !waiting.has(key))
    show([...sent.map(removed), ...[...waiting].filter(([key, change]) => !same(change, all.change(key)))])
  }

  // ── What is written ─────────────────────────────────────────────────────────────────────────────────────────────

  function pathOf(collection: Collection, data: RowFields): string {
    const above = all.parentOf(collection, data)
    const parent = above ? `${pathOf(above.collection, above.data ?? {})}/${segment(above.id)}` : ''
    return `${parent}/${collection}`
  }

  async function queue(
    op: Change['op'],
    collection: Collection,
    id: string,
    data?: RowFields,
    instead?: Change,
  ): Promise<void> {
    if (meanwhile && op !== 'create' && !all.shown(collection, id)) await opened
    const base = all.shown(collection, id)?.data
    const known = all.server(collection, id)
    // A row that never got to the server is created by being restored.
    const isNew = op === 'restore' && known?.deleted && known.data?.revision === 0 && known.data
    const change: Change = {
      key: clock.id(),
      op: isNew ? 'create' : op,
      collection,
      id,
      path: pathOf(collection, { ...base, ...data }),
      revision: known?.revision ?? 0,
      ...(data && { data }),
      ...(isNew && { data: isNew }),
      ...(base && { base }),
    }
    const before: StoredRecord[] = instead ? [[changeKey(instead), undefined]] : []
    const undo: StoredRecord[] = instead ? [[changeKey(instead), instead]] : []
    await keep([...before, [changeKey(change), change]], [...undo, removed(changeKey(change))])
    if (upkeep) kick(false)
  }

  // ── What is sent ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends what waits, in order, until it is known what came of each change. */
  async function push(): Promise<void> {
    let alone: string | undefined
    for (;;) {
      const operations = fold(all.queued().filter((change) => !change.refused))
      const batch = batchOf(
        operations.filter(({ op }) => op !== 'none'),
        alone,
      )
      const [first] = batch
      if (!first) {
        await done(
          operations,
          operations.map(() => ({ now: undefined })),
        )
        return
      }
      if (batch.length === 1) await done(batch, [await sendOne(call, first)])
      else {
        const outcomes = await sendBulk(call, batch).catch((error: unknown) => {
          // Whatever it is, one by one it can be settled; those before it are good together.
          alone = batch[refusal(error).index ?? 0]?.changes[0]?.key
        })
        if (outcomes) await done(batch, outcomes)
      }
    }
  }

  /** Puts what came of operations in the place of the changes they stood for. */
  async function done(batch: readonly Operation[], outcomes: readonly Outcome[]): Promise<void> {
    const conflicts: Conflict[] = []
    const records = batch.flatMap((operation, at): StoredRecord[] => {
      const { collection, id, op, changes, base, data } = operation
      const { now, problem, refused: fields } = outcomes[at] ?? { now: undefined }
      const [change] = changes
      const known = all.server(collection, id)
      const gone = changes.map((each) => removed(changeKey(each)))
      const entry: Entry | undefined = now
        ? { collection, id, revision: now.revision, deleted: false, data: now }
        : entryWithout(operation, known, problem !== undefined)
      const row: StoredRecord[] = entry ? [[rowKey(entry), entry]] : []
      // What the user did to the row next was done on top of this.
      const next = all
        .queued()
        .filter(
          (each) =>
            each.id === id && each.collection === collection && !each.refused && !changes.includes(each),
        )
        .map((each): StoredRecord => [changeKey(each), { ...each, revision: now?.revision ?? 0 }])
      if (!problem || !change || op === 'none') return [...gone, ...row, ...next]
      const { type, status, message, detail, errors } = problem
      const kept = {
        ...change,
        op,
        base,
        ...((fields ?? change.data) && { data: fields ?? data }),
        refused: { type, status, message, detail, errors },
      }
      conflicts.push(conflictOf(kept, now))
      return [...gone, ...row, ...next, [changeKey(change), kept]]
    })
    await keep([...new Map(records)])
    for (const conflict of conflicts) onConflict?.(conflict)
  }

  // ── What is fetched ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Fetches what changed since the last time, page by page. After too long it starts again, and shows that as a whole. */
  async function pull(): Promise<void> {
    let { cursor, at } = all.progress ?? {}
    let anew: Entry[] | undefined
    for (let more = true; more;) {
      const page = await call<ChangesPage>('get', '/changes', {
        params: { query: { cursor, limit: PAGE } },
      }).catch((error: unknown) => {
        if (!cursor || anew || refusal(error).status !== 410) throw error
      })
      if (!page) {
        // Too old, or of another schema of the resources.
        cursor = undefined
        anew = []
        continue
      }
      cursor = page.cursor
      more = page.has_more
      fetched = (fetched ?? 0) + page.changes.length
      for (const { collection, revision } of page.changes) {
        fetchedTo.set(collection, Math.max(revision, fetchedTo.get(collection) ?? 0))
      }
      if (!more) at = clock.now()
      anew?.push(...page.changes)
      if (anew && more) tell()
      else await takeIn(anew ?? page.changes, { cursor, at }, anew !== undefined)
    }
    lastSyncedAt = at
    recognized.clear()
  }

  async function takeIn(changes: readonly Entry[], progress: Progress, isAll: boolean): Promise<void> {
    const news = changes.filter(
      ({ collection, id, revision }) => isAll || revision > (all.server(collection, id)?.revision ?? 0),
    )
    const records = news.map((change): StoredRecord => {
      const data = change.data ?? all.server(change.collection, change.id)?.data
      return [rowKey(change), { ...change, ...(data && { data }) }]
    })
    const present = new Set(changes.map(rowKey))
    const isLeft = (key: string) => isAll && key.startsWith('row/') && !present.has(key)
    const left = all.keys().filter(isLeft).map(removed)
    const isOld = (all.progress?.at ?? 0) + CURSOR_EVERY < (progress.at ?? Number.POSITIVE_INFINITY)
    if (changes.length || left.length || isOld || !all.progress) {
      await keep([...left, ...records, ['meta', progress]])
    }
  }

  function sync(): Promise<void> {
    return running && !isWhole ? running.catch(ignore).then(sync) : run(true)
  }

  /** Sends what waits and, on the whole, fetches what changed. */
  function run(whole: boolean): Promise<void> {
    if (running) return running
    isWhole = whole
    running = syncing(async () => {
      await opened
      if (cleared) return
      await catchUp()
      await push()
      if (whole) await pull()
    })
      .then(ignore, (error: unknown) => error)
      .then(ended)
      .finally(() => (running = undefined))
    return running
  }

  function ended(error: unknown): void {
    const before = [statusNow(), failure]
    fetched = undefined
    if (error || !(failure instanceof StorageError)) failure = error
    const after = [statusNow(), failure]
    if (before.some((value, at) => value !== after[at])) tell()
    if (error) throw error
    upkeep?.synced()
  }

  function statusNow(): Status {
    if (meanwhile) return 'opening'
    if (halted || failure instanceof OtherUserError || isForeign(failure)) return 'stopped'
    if (failure) return 'offline'
    return all.progress?.at === undefined ? 'first-sync' : 'ready'
  }

  /** Syncs once more, after a sync that may have missed the latest change. What is written here needs no fetching while others are heard. */
  function kick(whole = true): void {
    const isEnough = !whole && upkeep?.isLive && all.progress?.at !== undefined
    Promise.resolve(running)
      .catch(ignore)
      .then(() => (isEnough ? run(false) : sync()))
      .catch(ignore)
  }

  async function clear(): Promise<void> {
    if (cleared) return
    cleared = true
    tellTabs('cleared')
    stop()
    show(all.keys().map(removed))
    await store.clear(name)
    store.close()
  }

  function listen(): void {
    if (channel || !isShared) return
    channel = platform.BroadcastChannel && new platform.BroadcastChannel(name)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as another tab of this version told it
    channel?.addEventListener('message', ({ data }) => hear(data as Message))
    channel?.unref?.()
  }

  function stop(): void {
    release()
    halted = true
    tell()
  }

  function release(): void {
    upkeep?.stop()
    upkeep = undefined
    channel?.close()
    channel = undefined
  }

  function refusedOf(key: string): Change | undefined {
    return all.queued().find((change) => change.key === key && change.refused)
  }

  listen()
  await moveOver()
  const { whole: opened } = await open()
  // Whoever waits for it hears of a failure, and `error` has it.
  opened.catch(ignore)
  lastSyncedAt = all.progress?.at

  /** A copy that was one JSON text moves over with what waits in it. */
  async function moveOver(): Promise<void> {
    const text = isInBrowser(storage) && (await platform.localStorage?.getItem(name))
    if (!text || (await load()).length) return
    await store.write(name, recordsOf(text, clock)).catch((error: unknown) => {
      throw unstored(error)
    })
    platform.localStorage?.removeItem(name)
  }

  /** Reads what is kept: all of it or, if the store can, the newest rows first. Resolves to what resolves after the others. */
  async function open(): Promise<{ whole: Promise<void> }> {
    if (!store.last) {
      show(await load())
      return { whole: Promise.resolve() }
    }
    meanwhile = new Set()
    show([...(await load('meta')), ...(await load('out/'))])
    const ways = await Promise.all(
      namesOf(collections).map((collection) => read(collection, undefined, FIRST)),
    )
    const further = ways.filter((way) => way !== undefined)
    if (!further.length) meanwhile = undefined
    return { whole: further.length ? readOn(further) : Promise.resolve() }
  }

  /** Reads the newest rows of a collection below a key. Resolves to where it is to go on, if there are more. */
  async function read(
    collection: Collection,
    below: string | undefined,
    count: number,
  ): Promise<Way | undefined> {
    const page = await lastOf(`row/${collection}/`, below, count)
    if (cleared) return undefined
    all.apply(page.filter(([key]) => !meanwhile?.has(key)))
    const [first] = page
    return first && page.length === count ? { collection, below: first[0] } : undefined
  }

  async function lastOf(
    prefix: string,
    below: string | undefined,
    count: number,
  ): Promise<readonly StoredRecord[]> {
    try {
      return (await store.last?.(name, prefix, below, count)) ?? []
    } catch (error) {
      throw unstored(error)
    }
  }

  /** Reads the other rows, a page at a time, so that the page can be used meanwhile; then tells everybody. */
  async function readOn(ways: readonly Way[]): Promise<void> {
    try {
      for (const each of ways) {
        let way: Way | undefined = each
        while (way) way = await read(way.collection, way.below, PAGE_OF_STORE)
      }
    } finally {
      meanwhile = undefined
      tell(new Set(namesOf(collections)))
    }
  }

  function rows<Name extends Collection>(collection: Name, query?: QueryOf<Name>): readonly Row<Name>[]
  function rows(collection: Collection, query?: Query): unknown {
    return all.rows(collection, query)
  }

  function row<Name extends Collection>(collection: Name, id: string): Row<Name> | undefined
  function row(collection: Collection, id: string): unknown {
    return all.row(collection, id)
  }

  return {
    rows,
    row,
    waiting: all.waiting,
    async create(collection, data) {
      const { id = clock.id() } = data
      const created_at = new Date(clock.now()).toISOString()
      // The API leaves out what is read-only.
      const fields = {
        user_id: owner,
        created_at,
        updated_at: created_at,
        created_by: user,
        updated_by: user,
      }
      await queue('create', collection, id, { ...data, ...fields, id })
      return id
    },
    update: (collection, id, data) => queue('update', collection, id, { ...data }),
    delete: (collection, id) => queue('delete', collection, id),
    restore: (collection, id) => queue('restore', collection, id),
    sync,
    start(interval = 5000) {
      if (cleared) return
      release()
      halted = false
      failure = undefined
      listen()
      upkeep = keepUp({
        interval,
        lock: isShared ? `${name}:live` : undefined,
        connect,
        sync: kick,
        hint: (revisions) => void hint(revisions),
        tellTabs,
        changed: tell,
      })
      kick()
    },
    stop,
    subscribe(listener, collection) {
      const each = { listener, collection }
      listeners.add(each)
      return () => listeners.delete(each)
    },
    get pending() {
      pending ??= all.queued().filter((change) => !change.refused)
      return pending
    },
    get refused() {
      refused ??= all
        .queued()
        .filter((change) => change.refused)
        .map((change) => conflictOf(change, all.server(change.collection, change.id)?.data))
      return refused
    },
    async discard(key) {
      const change = refusedOf(key)
      if (change) await keep([removed(changeKey(change))], [[changeKey(change), change]])
    },
    async applyAgain(key, data) {
      const change = refusedOf(key)
      if (!change) return
      const { op, collection, id } = change
      await queue(op, collection, id, (change.data ?? data) && { ...change.data, ...data }, change)
    },
    user,
    owner,
    newId: () => clock.id(),
    opened,
    get status() {
      return statusNow()
    },
    get live() {
      return upkeep?.isLive ?? false
    },
    get fetched() {
      return fetched
    },
    get lastSyncedAt() {
      return lastSyncedAt
    },
    get error() {
      return failure
    },
    clear,
  }
}

function conflictOf(change: Change, theirs: object | undefined): Conflict {
  const { base, data, refused: problem } = change
  if (!problem) throw new Error('a change that was not refused')
  const mine = change.op === 'delete' ? undefined : { ...base, ...data }
  return { change, problem, base, mine, theirs }
}

/** What the copy has of a row that an operation was not answered with. */
function entryWithout(
  { op, collection, id, data, changes }: Operation,
  known: Entry | undefined,
  isRefused: boolean,
): Entry | undefined {
  // The revision of what is in the trash comes with the next changes.
  if (op === 'delete' && !isRefused) return known && { ...known, deleted: true, revision: 0 }
  // One that the server has never had: to be created, should it be restored.
  if (op === 'none' && changes[0]?.op === 'create') {
    const row = { ...data, id, revision: 0 }
    return { collection, id, revision: 0, deleted: true, data: row }
  }
  return undefined
}

/** Whether a copy is kept in IndexedDB: where there is one, unless another store was given; localStorage is none. */
function isInBrowser(storage: SyncOptions['storage']): boolean {
  return platform.indexedDB !== undefined && (!storage || storage === platform.localStorage)
}

function storeOf(storage: SyncOptions['storage'], clock: Clock): CopyStore {
  if (isInBrowser(storage)) return indexedDbStore()
  if (!storage) return memoryStore()
  return 'load' in storage ? storage : keyValueStore(storage, (text) => recordsOf(text, clock))
}

/** Whether an owner's rows are not, or no more, this user's to read. */
function isForeign(error: unknown): boolean {
  return error instanceof ProblemError && error.type === 'not_your_path'
}

function isRecords(message: Message): message is readonly StoredRecord[] {
  return Array.isArray(message)
}

function removed(key: string): StoredRecord {
  return [key, undefined]
}

function ignore(): void {}
