import { readConfig } from '../config.ts'
import { noCost, openDatabase, type Guard, type Home, type Ran, type Written } from '../d1/database.ts'
import { brokenOf, d1Home, writtenBy } from '../d1/home.ts'
import type { Concern } from '../d1/statement.ts'
import { hubOf } from '../homes/hubs.ts'
import type { Errand, Reply, Work } from '../homes/object.ts'
import { revisionsIn } from '../live/announce.ts'
import { Hub } from '../live/hub.ts'
import { Problem } from '../problems.ts'
import { purgeOwned } from '../user/purge.ts'
import { Admissions, DOUBT } from './admissions.ts'
import { forgetMember, isGone, nextPurge } from './leaving.ts'
import { begin, isHere, placeOf, step, type Ground } from './moving.ts'
import { migrate } from './schema.ts'
import { whatIsServed } from './served.ts'
import { movingTables } from './tables.ts'

/**
 * What a row read or written is charged as, in milliseconds: an object's clock stands still while it works. A search reads
 * some 200 rows in a millisecond.
 */
const MS_READ = 0.005
const MS_WRITTEN = 0.1
/** How often D1 is asked again whether the guards hold because something changed meanwhile. */
const TURNS = 10
/** How long after the first write of an object that nothing is planned for its trash is looked at, in milliseconds. */
const DAY = 86_400_000
/** How long one run of the purge works, in milliseconds. */
const PURGE_BUDGET = 20_000
/** What a token begins with elsewhere: that owner may have been told of the same change on its own account. */
const ABROAD = 'abroad '
/** How long a request waits for its owner's rows to arrive, in milliseconds: less than its Worker waits for an answer. */
const PATIENCE = 4_000
/** How soon a move that did not get to its end is continued, in milliseconds. */
const MOVE_AGAIN = 10_000
/** The key of the owner's id, which an alarm is not told. */
const OWNER_KEY = 'owner'
/** The key of when the trash is to be looked at, in milliseconds since 1970. */
const PURGE_AT = 'purge at'

/**
 * The object of one owner: their live connections and, with `ROWS` at `objects`, their rows, keys and quotas (contract §11).
 * Each batch is one transaction of its SQLite. Whether a caller is let in D1 says, and the object remembers it until a
 * change of that is about to be committed (docs/decisions/0036, 0037). Rows in D1 are moved here first, or back (0038).
 */
export class Owner extends Hub {
  #admissions: Admissions | undefined
  #isMigrated: string | undefined | false = false
  #moving: Promise<void> | undefined
  #clearing: Promise<void> | undefined
  /** Whether the rows are here, as far as is known without a look. */
  #isHere = false

  /** Runs a batch of the owner's if the guards hold. Never throws for what the database says. */
  async run(work: Work): Promise<Reply> {
    try {
      await this.#admit(work)
      while (!this.#hasArrived()) {
        await this.#arrive(work)
        await this.#admit(work)
      }
      // Nothing may come between the guards and the batch: no await from here on.
      this.#prepare(work)
      return this.#commit(work)
    } catch (error) {
      if (error instanceof Problem) return { problem: error.type }
      return { fault: error instanceof Error ? error.message : '' }
    }
  }

  /** Moves the owner's rows here, or back to D1, and resolves when they are there. Throws what stands in the way. */
  async relocate(errand: Errand, to: 'objects' | 'd1'): Promise<void> {
    if (to === 'objects') {
      while (!this.#hasArrived()) await this.#arrive(errand)
      return
    }
    const { storage } = this.ctx
    await this.#move(errand)
    await this.#clear(errand.owner)
    if (placeOf(storage)?.at !== 'here') return
    begin(storage, 'leaving')
    this.#isHere = false
    await this.#move(errand)
  }

  /**
   * Doubts what D1 said of this owner, or of its sessions wherever they are used, until {@link Owner.settle} with the same
   * token. To be awaited before D1 is asked to change it.
   */
  async doubt(token: string, { leaves }: Concern): Promise<void> {
    const told = this.watched()
    this.admissions.doubt(token, { since: Date.now(), told, leaves })
    await this.wakeAt(Date.now() + DOUBT)
    await Promise.all(told.map(async (owner) => hubOf(this.env, owner)?.doubt(ABROAD + token, { owner })))
  }

  /** Ends a doubt: what D1 says from now on holds. Whoever leaves is gone when it resolves, if D1 says so. */
  async settle(token: string): Promise<void> {
    const doubt = this.admissions.settle(token)
    if (!doubt) return
    await Promise.allSettled(doubt.told.map(async (owner) => hubOf(this.env, owner)?.settle(ABROAD + token)))
    if (doubt.leaves !== undefined) await this.#partWith(doubt.leaves)
  }

  /** Closes all connections, and nothing is kept of the owner. */
  override async erase(owner: string): Promise<void> {
    await super.erase(owner)
    this.#admissions = undefined
    this.#isMigrated = false
    this.#isHere = false
  }

  override async alarm(): Promise<void> {
    await super.alarm()
    for (const token of this.admissions.overdue()) await this.settle(token)
    const { kv } = this.ctx.storage
    const owner = kv.get<string>(OWNER_KEY)
    const place = placeOf(this.ctx.storage)
    if (owner !== undefined && place && place.at !== 'here') {
      await this.wakeAt(Date.now() + MOVE_AGAIN)
      await this.#move(errandOf(owner)).catch(() => {})
      await this.#clear(owner).catch(() => {})
    }
    const at = kv.get<number>(PURGE_AT)
    if (at === undefined || !this.#hasArrived()) return
    if (at <= Date.now()) await this.#purge()
    else await this.wakeAt(at)
  }

  /** Whether the rows are here, all of them, and nowhere else is written. */
  #hasArrived(): boolean {
    return (this.#isHere ||= isHere(placeOf(this.ctx.storage)))
  }

  /**
   * Has the rows brought here, or an unfinished move brought to its end first. Throws `database_unavailable` when that
   * takes too long or is not to be, and what stops the move.
   */
  async #arrive(errand: Errand): Promise<void> {
    if (!placeOf(this.ctx.storage)) {
      if (errand.stays) throw new Problem('database_unavailable')
      // An object that cannot take the rows leaves them where they are.
      this.#prepare(errand)
      begin(this.ctx.storage, 'arriving')
    }
    const late = scheduler.wait(PATIENCE).then(() => {
      throw new Problem('database_unavailable')
    })
    await Promise.race([this.#move(errand), late])
  }

  /** Continues a move, once for all who wait, until an owner can be served again, here or in D1. */
  #move(errand: Errand): Promise<void> {
    this.#moving ??= this.#steps(errand).finally(() => (this.#moving = undefined))
    return this.#moving
  }

  async #steps(errand: Errand): Promise<void> {
    this.#prepare(errand)
    const { storage } = this.ctx
    for (let place = placeOf(storage); place && !isHere(place); place = placeOf(storage)) {
      if (place.at !== 'arriving') await this.wakeAt(Date.now() + MOVE_AGAIN)
      try {
        await step(this.#ground(errand.owner))
      } catch (error) {
        // Refused: the owner is erased, and nothing is kept of them here either.
        if (!placeOf(storage)) await this.erase(errand.owner)
        throw error
      }
    }
    if (!this.#hasArrived()) return
    this.#planPurge(Date.now() + DAY)
    this.ctx.waitUntil(this.#clear(errand.owner).catch(() => {}))
  }

  /** Clears away what is left in D1 of rows that are here. The alarm tries again if that fails. */
  #clear(owner: string): Promise<void> {
    if (placeOf(this.ctx.storage)?.at !== 'clearing') return Promise.resolve()
    this.#clearing ??= step(this.#ground(owner)).finally(() => (this.#clearing = undefined))
    return this.#clearing
  }

  #ground(owner: string): Ground {
    const d1 = openDatabase(d1Home(this.env.DB), noCost())
    return { owner, storage: this.ctx.storage, d1, tables: movingTables(whatIsServed().resources) }
  }

  get admissions(): Admissions {
    return (this.#admissions ??= new Admissions(this.ctx.storage.kv))
  }

  /** Resolves once D1 has said that the guards hold, and nothing has changed since. Throws their problem. */
  async #admit({ owner, caller, session, guards }: Errand): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) {
      if (!guards.length || this.admissions.has(guards)) return
      const { epoch } = this.admissions
      const now = Date.now()
      // So that the end of the session, or of the caller, is told here, too.
      if (caller !== owner)
        await hubOf(this.env, caller)?.watches(owner, { session: session ?? '', until: now + DAY })
      const until = await this.#ask(guards)
      if (epoch !== this.admissions.epoch) continue
      this.admissions.add(guards, until)
      return
    }
    throw new Problem('database_unavailable')
  }

  /** Asks D1 whether the guards hold; resolves to when that may end by itself. Throws their problem. */
  async #ask(guards: readonly Guard[]): Promise<number> {
    const database = openDatabase(d1Home(this.env.DB), noCost())
    const rows = await database.batch(
      guards.map(({ statement }) => statement),
      { repeatable: true },
    )
    const broken = brokenOf(guards, rows)
    if (broken) throw new Problem(broken)
    const ends = rows.flatMap(([row]) => (typeof row?.ends_at === 'string' ? [Date.parse(row.ends_at)] : []))
    return Math.min(...ends, Number.MAX_SAFE_INTEGER)
  }

  #prepare({ owner, schema }: Pick<Errand, 'owner' | 'schema'>): void {
    if (this.#isMigrated !== false && this.#isMigrated === schema) return
    migrate(this.ctx.storage, schema)
    this.ctx.storage.kv.put(OWNER_KEY, owner)
    this.#isMigrated = schema
  }

  #commit({ statements, live }: Pick<Work, 'statements' | 'live'>) {
    const { storage } = this.ctx
    let [rowsRead, rowsWritten] = [0, 0]
    const rows = storage.transactionSync(() =>
      statements.map(({ sql, parameters }) => {
        const cursor = storage.sql.exec(sql, ...parameters)
        const found = cursor.toArray()
        rowsRead += cursor.rowsRead
        rowsWritten += cursor.rowsWritten
        return found
      }),
    )
    if (rowsWritten) this.#tell(writtenBy(statements, rows), live)
    return { rows, rowsRead, rowsWritten, ms: rowsRead * MS_READ + rowsWritten * MS_WRITTEN }
  }

  /** Tells the connections, and has the trash looked at. */
  #tell(written: readonly Written[], live: boolean): void {
    const revisions = revisionsIn(written)
    if (live && Object.keys(revisions).length) this.announce({ bookmark: null, revisions })
    const { kv } = this.ctx.storage
    if (kv.get(PURGE_AT) !== undefined) return
    this.#planPurge(Date.now() + DAY)
  }

  #planPurge(at: number): void {
    this.ctx.storage.kv.put(PURGE_AT, at)
    this.ctx.waitUntil(this.wakeAt(at))
  }

  async #purge(): Promise<void> {
    this.ctx.storage.kv.delete(PURGE_AT)
    const { resources } = whatIsServed()
    const home = this.#home()
    await purgeOwned(resources, home, PURGE_BUDGET)
    const at = await nextPurge(resources, home)
    if (at !== undefined) this.#planPurge(at)
  }

  /** The object's own rows, for its own work. */
  #home(): Home {
    const owner = this.ctx.storage.kv.get<string>(OWNER_KEY) ?? ''
    this.#prepare({ owner, schema: undefined })
    const { LIVE: live } = readConfig(this.env)
    return {
      guards: 0,
      run: async (statements): Promise<Ran> => ({ ...this.#commit({ statements, live }), written: [] }),
    }
  }

  /** Removes what was of somebody who has left: the owner altogether, or a member's name from the rows of a team. */
  async #partWith(user: string): Promise<void> {
    const owner = this.ctx.storage.kv.get<string>(OWNER_KEY)
    // It has no rows.
    if (owner === undefined) return
    const accounts = openDatabase(d1Home(this.env.DB), noCost())
    if (await isGone(accounts, owner)) await this.erase(owner)
    else if (user !== owner && (await isGone(accounts, user))) {
      await forgetMember(whatIsServed().resources, openDatabase(this.#home(), noCost()), owner, user)
    }
  }
}

/** An errand of nobody's but the engine's own. */
export function errandOf(owner: string): Errand {
  return { owner, caller: owner, session: undefined, guards: [], live: false, schema: undefined }
}
