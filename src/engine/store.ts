import { v7 as uuidv7 } from 'uuid'
import { raise } from '../d1/assertion.ts'
import type { Database, Row } from '../d1/database.ts'
import { outcomes, type IdempotencyKey, type Outcome } from './idempotency.ts'
import { Problem, type ProblemType } from '../problems.ts'
import type { ListQuery, Position, Sort } from './query.ts'
import { withinQuota } from './quota.ts'
import type { Resource } from './resource.ts'
import { IS_LIVE, listValues, SORT_KEY } from './sql/reads.ts'
import { decode } from './sql/rows.ts'
import { ACTOR_KEY, ancestorSlot, fieldKey } from './sql/scope.ts'
import { bind, OWNER, type BoundStatement, type Statement, type Values } from '../d1/statement.ts'
import { statementsFor } from './sql/statements.ts'
import { referenceCheck, type Check } from './sql/writes.ts'

/** The revisions that `If-Match` allows; undefined when any will do (no header, or `*`). */
export type Match = readonly number[] | undefined

/** A page of rows, where it ended when more follow, and the number of all rows when asked for. */
export interface Page {
  rows: Row[]
  next: Position | undefined
  total: number | undefined
}

/** One operation of a bulk; `revision` is its If-Match. */
export type Operation =
  | { op: 'create'; id?: string | undefined; values: Values }
  | { op: 'update'; id: string; revision?: number | undefined; values: Values }
  | { op: 'delete'; id: string; revision?: number | undefined }

/** An operation of a bulk with the id of its row. */
interface Named {
  operation: Operation
  index: number
  id: string
}

/** The result of a create, a restore or an operation; a replay has no row when the row has been deleted since. */
export interface Result {
  status: number
  id: string
  row?: Row
}

/** The results of a request that may have been sent before, under the same Idempotency-Key. */
export interface Done {
  results: readonly Result[]
  replayed: boolean
}

/** Every statement over one owner's rows of one resource. Each method is one batch, so one round trip; a replay is two. */
export interface Store {
  /** Throws `row_not_found` when the parent is missing or in the trash. */
  list(query: ListQuery): Promise<Page>
  /** Throws `row_not_found`. */
  get(id: string): Promise<Row>
  /**
   * Inserts a row under the client's `id` or a new one. Throws `id_taken`, `invalid_body` (a reference), `row_not_found`
   * (the parent), `key_reused`, `quota_exceeded`.
   */
  create(values: Values, id?: string, key?: IdempotencyKey): Promise<Done>
  /** Sets every writable column; one left out goes back to its default. Throws `row_not_found`, `stale_revision`. */
  replace(id: string, values: Values, match: Match): Promise<Row>
  /** Sets the columns named. Throws `row_not_found`, `stale_revision`. */
  update(id: string, values: Values, match: Match): Promise<Row>
  /** Flips a boolean field in the statement itself, so that two at once are two flips. Throws like {@link Store.update}. */
  toggle(id: string, field: string, match: Match): Promise<Row>
  /** Puts the row into the trash. Throws `row_not_found`, `stale_revision`. */
  remove(id: string, match: Match): Promise<void>
  /**
   * Takes the row out of the trash; a live one stays as it is. Throws `row_not_found`, `stale_revision`, `key_reused`,
   * `quota_exceeded`.
   */
  restore(id: string, match: Match, key?: IdempotencyKey): Promise<Done>
  /**
   * Does all of the operations, in order, or none. Throws the first failing one's problem with its `index`, and
   * `key_reused`. It takes room in the quota for every row that it creates, also where it deletes others.
   */
  bulk(operations: readonly Operation[], key?: IdempotencyKey): Promise<Done>
}

/** Whose rows, and for a child collection under which rows: ancestor column → id, from the path. */
export interface Scope {
  owner: string
  /** The caller: the owner, or another user who may use the owner's paths. */
  caller: string
  ancestors: Readonly<Record<string, string>>
}

/**
 * The store of a resource for one scope. It binds the owner itself, so no caller can leave it out. `quota` is how many
 * rows the owner may have, 0 for any number.
 */
export function storeFor(
  resource: Resource,
  { owner, caller, ancestors }: Scope,
  database: Database,
  quota: number,
): Store {
  const statements = statementsFor(resource)
  const scope: Values = { [OWNER]: owner, [ACTOR_KEY]: caller === owner ? null : caller }
  for (const [column, id] of Object.entries(ancestors)) scope[ancestorSlot(column)] = id
  const bound = (statement: Statement, values: Values) => bind(statement, { ...values, ...scope })

  /** A write to one live row and, under `If-Match`, a look at what the row is now, in case the write found no match. */
  async function write(id: string, match: Match, statement: Statement, values: Values): Promise<Row> {
    const all = { ...fieldValues(values), id, match: JSON.stringify(match ?? null) }
    const assertions = referenceAssertions(values)
    const looks = match ? [bound(statements.revision, all)] : []
    const results = await database.batch([...assertions, bound(statement, all), ...looks], {
      repeatable: Boolean(match),
    })
    const [[written] = [], [current] = []] = results.slice(assertions.length)
    if (written) return decode(resource, written)
    throw current ? staleRevision(current) : new Problem('row_not_found')
  }

  /** The references that values set. */
  function referencesIn(values: Values) {
    return statements.assertReferences.filter(({ name }) => typeof values[name] === 'string')
  }

  /** What must hold for values to be written. */
  function referenceAssertions(values: Values): BoundStatement[] {
    return referencesIn(values).map(({ name, statement }) =>
      bound(statement, { ...fieldValues(values), problem: raise('invalid_reference', { field: name }) }),
    )
  }

  function parentAssertions(): BoundStatement[] {
    const { assertParent } = statements
    return assertParent ? [bound(assertParent, { problem: raise('row_not_found') })] : []
  }

  /** Does work that adds rows: one for each of `operations`, which are the indexes of a bulk's. */
  function adding<Made>(
    operations: readonly (number | undefined)[],
    spend: BoundStatement,
    work: (before: readonly BoundStatement[]) => Promise<Made>,
  ): Promise<Made> {
    return withinQuota(database, statements.quota, scope, { quota, operations, spend }, work)
  }

  /** Does the work once under its key; a later request gets the result of the first. */
  async function once(
    key: IdempotencyKey | undefined,
    outcome: readonly Outcome[],
    work: BoundStatement[],
    remember: Statement = statements.keys.remember,
    values: Values = {},
  ): Promise<Row[][] | Done> {
    if (!key) return database.batch(work)
    const used = bound(statements.keys.unused, { ...key, problem: raise('key_used') })
    const remembered = bound(remember, { ...values, ...key, outcome: JSON.stringify(outcome) })
    try {
      const results = await database.batch([used, remembered, ...work], { repeatable: true })
      return results.slice(2)
    } catch (error) {
      if (error instanceof Problem && error.type === 'key_used') return recall(key)
      throw error
    }
  }

  async function recall(key: IdempotencyKey): Promise<Done> {
    const { recall: what, recallRows } = statements.keys
    const [[known] = [], rows = []] = await database.batch(
      [what, recallRows].map((statement) => bound(statement, { ...key })),
      { repeatable: true },
    )
    // Forgotten between the two trips: the next attempt starts afresh.
    if (!known) throw new Problem('key_used')
    if (known.fingerprint !== key.fingerprint) throw new Problem('key_reused')
    const byId = new Map(rows.map((row) => [row.id, decode(resource, row)]))
    const outcome = outcomes.parse(JSON.parse(String(known.outcome)))
    const results = outcome.map(({ status, id }) =>
      // What was deleted stays out of the answer, as the first time, although it may have been restored since.
      resultOf(status, id, status === SUCCESS.delete ? undefined : byId.get(id)),
    )
    return { results, replayed: true }
  }

  /** What must hold before an operation of a bulk, in the order in which its failures are told. */
  function checksOf({ operation, id, index }: Named): Check[] {
    const check = (kind: Check[0], problem: ProblemType) =>
      [kind, id, raise(problem, { index })] satisfies Check
    const { op } = operation
    const own: Check[] = [op === 'create' ? check('free', 'id_taken') : check('live', 'row_not_found')]
    if (op !== 'create' && operation.revision !== undefined) {
      own.push([...check('revision', 'stale_revision'), operation.revision])
    }
    if (op === 'delete') return own
    const references = referencesIn(operation.values).map(({ name }): Check => {
      const raised = raise('invalid_reference', { field: `operations[${index}].data.${name}`, index })
      return [referenceCheck(name), operation.values[name], raised]
    })
    return [...own, ...references]
  }

  function writeOf({ operation, id }: Named): BoundStatement {
    if (operation.op === 'delete') return bound(statements.remove(ANY), { id })
    const { op, values } = operation
    const fields = Object.keys(values)
    const statement = op === 'create' ? statements.create(fields) : statements.update(fields, ANY)
    return bound(statement, { ...fieldValues(values), id })
  }

  /**
   * Cuts a bulk where an operation depends on an earlier one: it writes or refers to a row that the earlier one writes. So
   * all of a stretch can be checked, by one statement, before any of it is done.
   */
  function stretchesOf(operations: readonly Named[]): Named[][] {
    const stretches: Named[][] = []
    let written = new Set<unknown>()
    for (const each of operations) {
      const { operation, id } = each
      const values = operation.op === 'delete' ? {} : operation.values
      const depends = [id, ...referencesIn(values).map(({ name }) => values[name])]
      const stretch = stretches.at(-1)
      if (stretch && !depends.some((other) => written.has(other))) stretch.push(each)
      else {
        stretches.push([each])
        written = new Set()
      }
      written.add(id)
    }
    return stretches
  }

  return {
    async list(query) {
      const values = listValues(query)
      const asked = [statements.list(query)]
      if (query.total) asked.push(statements.total(query))
      if (statements.parent) asked.push(statements.parent)
      const results = await database.batch(
        asked.map((statement) => bound(statement, values)),
        { repeatable: true },
      )
      if (statements.parent && !results.at(-1)?.length) throw new Problem('row_not_found')
      const [rows = [], [counted] = []] = results
      // We fetch one row beyond the limit; if it exists, there is another page.
      const more = rows.length > query.limit
      const page = more ? rows.slice(0, query.limit) : rows
      const last = page.at(-1)
      const next = more && last ? positionOf(last, query.sort) : undefined
      return {
        rows: page.map((row) => decode(resource, query.sort ? withoutSortKey(row) : row)),
        next,
        total: query.total ? Number(counted?.total) : undefined,
      }
    },

    async get(id) {
      const [[row] = []] = await database.batch([bound(statements.get, { id })], { repeatable: true })
      if (!row) throw new Problem('row_not_found')
      return decode(resource, row)
    },

    async create(values, id = uuidv7(), key) {
      const insert = bound(statements.create(Object.keys(values)), { ...fieldValues(values), id })
      const work = [...parentAssertions(), ...referenceAssertions(values), insert]
      const spend = bound(statements.quota.spend, { rows: 1 })
      const done = await adding([undefined], spend, (before) =>
        once(key, [{ status: 201, id }], [...before, ...work]),
      )
      if (!Array.isArray(done)) return done
      return fresh([resultOf(201, id, decoded(resource, done.at(-1)))])
    },

    replace: (id, values, match) =>
      write(id, match, statements.replace(Object.keys(values), { match: Boolean(match) }), values),

    update: (id, values, match) =>
      write(id, match, statements.update(Object.keys(values), { match: Boolean(match) }), values),

    toggle: (id, field, match) => write(id, match, statements.toggle(field, { match: Boolean(match) }), {}),

    async remove(id, match) {
      await write(id, match, statements.remove({ match: Boolean(match) }), {})
    },

    async restore(id, match, key) {
      const values = { id, match: JSON.stringify(match ?? null) }
      const options = { match: Boolean(match) }
      const work = [statements.restore(options), statements.any].map((each) => bound(each, values))
      const remember = statements.keys.rememberRestore(options)
      const spend = bound(statements.quota.spendRestored(options), values)
      const done = await adding([undefined], spend, (before) =>
        once(key, [{ status: 200, id }], [...before, ...work], remember, values),
      )
      if (!Array.isArray(done)) return done
      const [[restored] = [], [found] = []] = done.slice(-work.length)
      if (restored) return fresh([resultOf(200, id, decode(resource, restored))])
      if (!found) throw new Problem('row_not_found')
      const { [IS_LIVE]: live, ...row } = found
      if (!live || (match && !match.includes(Number(row.revision)))) throw staleRevision(row)
      return fresh([resultOf(200, id, decode(resource, row))])
    },

    async bulk(operations, key) {
      const named = operations.map((operation, index): Named => {
        return { operation, index, id: operation.id ?? uuidv7() }
      })
      const outcome = named.map(({ operation, id }): Outcome => ({ status: SUCCESS[operation.op], id }))
      const work = parentAssertions()
      const writes: number[] = []
      for (const stretch of stretchesOf(named)) {
        work.push(bound(statements.assertChecks, { checks: JSON.stringify(stretch.flatMap(checksOf)) }))
        for (const each of stretch) writes.push(work.push(writeOf(each)) - 1)
      }
      const created = named.flatMap(({ operation, index }) => (operation.op === 'create' ? [index] : []))
      const spend = bound(statements.quota.spend, { rows: created.length })
      const done = await adding(created, spend, (before) => once(key, outcome, [...before, ...work]))
      if (!Array.isArray(done)) return done
      const results = done.slice(-work.length)
      return fresh(
        named.map(({ operation, id, index }) => {
          const row = operation.op === 'delete' ? undefined : decoded(resource, results[writes[index] ?? 0])
          return resultOf(SUCCESS[operation.op], id, row)
        }),
      )
    },
  }
}

/** A write whatever the row's revision is. */
const ANY = { match: false }
const SUCCESS = { create: 201, update: 200, delete: 204 } as const

function fresh(results: readonly Result[]): Done {
  return { results, replayed: false }
}

function resultOf(status: number, id: string, row: Row | undefined): Result {
  return { status, id, ...(row && { row }) }
}

/** The row that a write returned. An update of a bulk's guarded row and an insert always return one. */
function decoded(resource: Resource, [row]: Row[] = []): Row {
  if (!row) throw new Error('a write returned no row')
  return decode(resource, row)
}

function positionOf(row: Row, sort: Sort | undefined): Position {
  const id = String(row.id)
  const key = row[SORT_KEY]
  return sort ? { id, key: typeof key === 'string' || typeof key === 'number' ? key : null } : { id }
}

function withoutSortKey(row: Row): Row {
  const { [SORT_KEY]: _sortKey, ...rest } = row
  return rest
}

/** A request's values under the names that statements know them by. */
function fieldValues(values: Values): Values {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [fieldKey(name), value]))
}

/** The problem `stale_revision`, with the current `ETag`. */
export function staleRevision(row: Row): Problem {
  const headers = { ETag: `"${String(row.revision)}"`, 'Cache-Control': 'private, no-cache' }
  return new Problem('stale_revision', { headers })
}
