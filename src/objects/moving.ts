import { sql } from 'drizzle-orm'
import { erasedUsers, movedOwners } from '../auth/schema.ts'
import { tombstoneOf } from '../auth/tombstone.ts'
import { assertion, raise } from '../d1/assertion.ts'
import { NOW } from '../d1/clock.ts'
import type { Database, Row } from '../d1/database.ts'
import { fenceTrigger } from '../d1/fence.ts'
import { bind, compileOwned, OWNER, slot, type BoundStatement } from '../d1/statement.ts'
import { isTeamId } from '../ids.ts'
import { log } from '../log.ts'
import { Problem } from '../problems.ts'
import { teams } from '../teams/schema.ts'
import { PAGE, type MovingTable } from './tables.ts'

/** The key of where the owner's rows are, as the object knows it. */
const PLACE = 'place'

/**
 * Where the rows of an owner are, if not in D1: on the way to their object, without a fence in D1 or with one (`copied` says
 * how far); there, with a copy left in D1 or without one; or on the way back, with the fence up or perhaps down.
 */
interface Place {
  at: 'arriving' | 'copying' | 'clearing' | 'here' | 'leaving' | 'opening'
  /** The name of this move in D1, and of the one before. */
  move: string
  before?: string | undefined
  copied?: { tables: number; after: readonly unknown[] | undefined }
}

/** An owner's object, and D1, between which rows move. */
export interface Ground {
  owner: string
  storage: DurableObjectStorage
  d1: Database
  tables: readonly MovingTable[]
}

/** Where the object knows the rows to be; undefined for D1. */
export function placeOf({ kv }: DurableObjectStorage): Place | undefined {
  return kv.get<Place>(PLACE)
}

/** Begins the way to the object or, from there, back to D1. Nothing else changes yet. */
export function begin(storage: DurableObjectStorage, at: 'arriving' | 'leaving'): void {
  put(storage, { at, move: crypto.randomUUID(), before: placeOf(storage)?.move })
}

/** Whether all rows are in the object, and the owner is served there. */
export function isHere(place: Place | undefined): boolean {
  return place?.at === 'here' || place?.at === 'clearing'
}

/**
 * Does the next step of a move. Each can be done again, so that a move which was killed is continued by calling this.
 * Throws `database_unavailable` when D1 does, when the owner is no more and when the copy is not what was copied, and
 * `misconfigured` when D1 is not what the object left.
 */
export async function step(ground: Ground): Promise<void> {
  const place = placeOf(ground.storage)
  if (place) await steps[place.at](ground, place)
}

const steps = {
  /** The fence is up before the first row is read. */
  async arriving(ground: Ground, place: Place) {
    const { storage, d1 } = ground
    const [fence] = (await d1.batch(fencing(ground, place), { repeatable: true })).at(-1) ?? []
    if (!isAt(storage, place)) return
    raised.add(ground.tables)
    if (!fence) {
      // The owner is erased, and nothing is kept of them.
      storage.kv.delete(PLACE)
      throw new Problem('database_unavailable')
    }
    put(storage, { at: fence.moved_at === null ? 'copying' : 'here', move: place.move })
  },

  async copying(ground: Ground, place: Place) {
    const { owner, storage } = ground
    await copyHere(ground, place)
    await compare(ground, place, () => {
      log('error', { event: 'move_failed', user: owner, to: 'objects' })
      empty(ground)
      put(storage, { at: 'arriving', move: place.move })
    })
    // From here on the object serves.
    if (isAt(storage, place)) put(storage, { at: 'clearing', move: place.move })
  },

  /** Deletes in D1 what the object has. */
  async clearing({ owner, storage, d1, tables }: Ground, place: Place) {
    const removals = tables.toReversed().map(({ remove }) => bind(remove, { [OWNER]: owner }))
    const cleared = bind(clearedStatement, { [OWNER]: owner })
    for (let more = true; more;) {
      const done = await d1.batch(passing(owner, place, [...removals, cleared]), { repeatable: true })
      if (!isAt(storage, place)) return
      more = done.some(({ length }) => length === PAGE)
    }
    put(storage, { at: 'here', move: place.move })
  },

  async here() {},

  async leaving(ground: Ground, place: Place) {
    const { owner, storage, d1 } = ground
    const values = { [OWNER]: owner, move: place.move, before: place.before ?? '' }
    const [, [fence] = []] = await d1.batch([bind(renameStatement, values), bind(fenceStatement, values)], {
      repeatable: true,
    })
    if (!isAt(storage, place)) return
    if (!fence) {
      log('error', { event: 'misconfigured', faults: ['D1 does not know of a move: was it restored?'] })
      throw new Problem('misconfigured')
    }
    await copyBack(ground, place)
    await compare(ground, place, () => log('error', { event: 'move_failed', user: owner, to: 'd1' }))
    // Whether the fence is down may never be told: from here on the copy is not made again.
    if (isAt(storage, place)) put(storage, { ...place, at: 'opening' })
  },

  /** D1 serves once the fence is down, and only then is anything deleted in the object. */
  async opening(ground: Ground, place: Place) {
    const { owner, storage, d1 } = ground
    await d1.batch([bind(openStatement, { [OWNER]: owner, move: place.move })], { repeatable: true })
    if (!isAt(storage, place)) return
    storage.transactionSync(() => {
      empty(ground)
      storage.kv.delete(PLACE)
    })
  },
} satisfies Record<Place['at'], (ground: Ground, place: Place) => Promise<void>>

/** The sets of tables whose triggers this isolate has made. */
const raised = new WeakSet<readonly MovingTable[]>()

/**
 * Puts up the fence, and asks whether D1 has anything of the owner: `moved_at` is null then. No row comes when the owner is
 * erased. The triggers are made by the first move, so that a database without objects has none.
 */
function fencing({ owner, tables }: Ground, { move }: Place): BoundStatement[] {
  const verbs = ['INSERT', 'UPDATE', 'DELETE'] as const
  const triggers = raised.has(tables)
    ? []
    : tables.flatMap(({ name }) => verbs.map((verb) => ({ sql: fenceTrigger(name, verb), parameters: [] })))
  const values = { [OWNER]: owner, move, ...(!isTeamId(owner) && { tombstone: tombstoneOf(owner) }) }
  return [
    ...triggers,
    bind(isTeamId(owner) ? fenceTeamStatement : fenceUserStatement, values),
    ...tables.map(({ isHeld }) => bind(isHeld, { [OWNER]: owner })),
    bind(fenceStatement, values),
  ]
}

const own = sql`${movedOwners.user_id} = ${slot(OWNER)}`
const isThisMove = sql`${own} AND ${movedOwners.move} = ${slot('move')}`
const fence = sql`INSERT INTO ${movedOwners} (user_id, move, fenced, moved_at) SELECT ${slot(OWNER)}, ${slot('move')}, 1, ${NOW}`
const fenceUserStatement = compileOwned(sql`${fence}
  WHERE NOT EXISTS (SELECT 1 FROM ${erasedUsers} WHERE user_hash = ${slot('tombstone')})
  ON CONFLICT (user_id) DO UPDATE SET move = excluded.move, fenced = 1, moved_at = excluded.moved_at`)
const fenceTeamStatement =
  compileOwned(sql`${fence} WHERE EXISTS (SELECT 1 FROM ${teams} WHERE id = ${slot(OWNER)})
  ON CONFLICT (user_id) DO UPDATE SET move = excluded.move, fenced = 1, moved_at = excluded.moved_at`)
const fenceStatement = compileOwned(sql`SELECT moved_at FROM ${movedOwners} WHERE ${isThisMove}`)
const renameStatement = compileOwned(
  sql`UPDATE ${movedOwners} SET move = ${slot('move')} WHERE ${own} AND move = ${slot('before')}`,
)
const clearedStatement = compileOwned(sql`UPDATE ${movedOwners} SET moved_at = ${NOW} WHERE ${own}`)
const openStatement = compileOwned(sql`DELETE FROM ${movedOwners} WHERE ${isThisMove}`)
const moveAssertion = compileOwned(assertion(sql`EXISTS (SELECT 1 FROM ${movedOwners} WHERE ${isThisMove})`))
const passStatement = compileOwned(sql`UPDATE ${movedOwners} SET fenced = 0 WHERE ${own}`)
const closeStatement = compileOwned(sql`UPDATE ${movedOwners} SET fenced = 1 WHERE ${own}`)

/** The statements with a way through the fence, which no other batch sees. They do nothing once the move is over. */
function passing(owner: string, { move }: Place, statements: readonly BoundStatement[]): BoundStatement[] {
  const values = { [OWNER]: owner, move, problem: raise('database_unavailable') }
  const [still, pass, close] = [moveAssertion, passStatement, closeStatement].map((each) =>
    bind(each, values),
  )
  return [still, pass, ...statements, close].filter((each) => each !== undefined)
}

/** Copies from D1, all tables that fit into a page at once. How far it got is stored with each page. */
async function copyHere({ owner, storage, d1, tables }: Ground, place: Place): Promise<void> {
  let { tables: done, after } = place.copied ?? { tables: 0, after: undefined }
  while (done < tables.length) {
    // After a full page only that table: of the others too much would be read in vain.
    const asked = tables.slice(done, after ? done + 1 : undefined)
    const pages = await d1.batch(
      asked.map((table) => pageOf(table, owner, after)),
      { repeatable: true },
    )
    if (!isAt(storage, place)) return
    storage.transactionSync(() => {
      for (const [nth, table] of asked.entries()) {
        const rows = pages[nth] ?? []
        for (const part of partsOf(rows, table))
          run(storage, bind(table.store, { [OWNER]: owner, rows: part }))
        after = rows.length === PAGE ? keyOf(table, rows.at(-1)) : undefined
        if (after) break
        done += 1
      }
      put(storage, { ...place, copied: { tables: done, after } })
    })
  }
}

/** Copies to D1, from the beginning: what is there already is stored again. */
async function copyBack({ owner, storage, d1, tables }: Ground, place: Place): Promise<void> {
  for (const table of tables) {
    for (let after: readonly unknown[] | undefined = []; after;) {
      const rows = run(storage, pageOf(table, owner, after.length ? after : undefined))
      for (const part of partsOf(rows, table)) {
        const store = bind(table.store, { [OWNER]: owner, rows: part })
        await d1.batch(passing(owner, place, [store]), { repeatable: true })
        if (!isAt(storage, place)) return
      }
      after = rows.length === PAGE ? keyOf(table, rows.at(-1)) : undefined
    }
  }
}

/** Throws unless both homes have the same counts and sums. */
async function compare(
  { owner, storage, d1, tables }: Ground,
  place: Place,
  fail: () => void,
): Promise<void> {
  const asked = tables.map(({ sums }) => bind(sums, { [OWNER]: owner }))
  const there = await d1.batch(asked, { repeatable: true })
  if (!isAt(storage, place)) return
  if (JSON.stringify(there) === JSON.stringify(asked.map((each) => run(storage, each)))) return
  fail()
  throw new Problem('database_unavailable')
}

/** How many characters of JSON one statement takes: less than D1 takes of a parameter. */
const PART = 500_000

/** The rows as JSON, in parts: lists of values in the order of the columns. Throws `misconfigured` for an unknown column. */
function* partsOf(rows: readonly Row[], { name, columns, known }: MovingTable): Generator<string> {
  let [part, size]: [string[], number] = [[], 0]
  for (const row of rows) {
    const unknown = Object.keys(row).find((column) => !known.has(column))
    if (unknown !== undefined) {
      log('error', {
        event: 'misconfigured',
        faults: [`this version does not know the column ${name}.${unknown}`],
      })
      throw new Problem('misconfigured')
    }
    const values = JSON.stringify(columns.map((column) => row[column]))
    if (part.length && size + values.length > PART) {
      yield `[${part.join()}]`
      ;[part, size] = [[], 0]
    }
    size += part.push(values) && values.length
  }
  if (part.length) yield `[${part.join()}]`
}

function pageOf(table: MovingTable, owner: string, after: readonly unknown[] | undefined): BoundStatement {
  const slots = table.key.map((_, at) => [`after ${at}`, after?.[at] ?? ''])
  return bind(table.page, { [OWNER]: owner, ...Object.fromEntries(slots) })
}

function keyOf({ key }: MovingTable, row: Row | undefined): unknown[] {
  return key.map((column) => row?.[column])
}

function empty({ owner, storage, tables }: Ground): void {
  for (const { clear } of tables.toReversed()) run(storage, bind(clear, { [OWNER]: owner }))
}

function run({ sql: execute }: DurableObjectStorage, { sql: text, parameters }: BoundStatement): Row[] {
  return execute.exec(text, ...parameters).toArray()
}

function put({ kv }: DurableObjectStorage, place: Place): void {
  kv.put(PLACE, place)
}

/** Whether the object is still where a step began: an erasure ends every move. */
function isAt(storage: DurableObjectStorage, { at, move }: Place): boolean {
  const now = placeOf(storage)
  return now?.at === at && now.move === move
}
