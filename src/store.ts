import { sql, type SQL } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import { v7 as uuidv7 } from 'uuid'
import type { Database, Row } from './database.ts'
import { log } from './http/log.ts'
import { Problem } from './problems.ts'
import { contains, searchShape, searchValues } from './search.ts'
import { parameterOf, type ListQuery, type Position, type Sort } from './query.ts'
import {
  daysAgo,
  NOW,
  parentIndex,
  TRASH_DAYS,
  type FilterDeclaration,
  type OwnedTable,
  type Reference,
  type Resource,
  type Write,
} from './resource.ts'
import {
  assertion,
  bind,
  compileOwned,
  OWNER,
  type BoundStatement,
  type Statement,
  type Values,
} from './statement.ts'

type Parent = NonNullable<Resource['parent']>

/** The revisions that `If-Match` allows; undefined when any will do (no header, or `*`). */
export type Match = readonly number[] | undefined

/** A page of rows, where it ended when more follow, and the number of all rows when asked for. */
export interface Page {
  rows: Row[]
  next: Position | undefined
  total: number | undefined
}

/** Every statement over one owner's rows of one resource. Each method is one batch, so one round trip. */
export interface Store {
  /** Throws `row_not_found` when the parent is missing or in the trash. */
  list(query: ListQuery): Promise<Page>
  /** Throws `row_not_found`. */
  get(id: string): Promise<Row>
  /** Inserts a row under the client's `id` or a new one. Throws `id_taken`, `invalid_body` (a reference), `row_not_found` (the parent). */
  create(values: Values, id?: string): Promise<Row>
  /** Sets every writable column; one left out goes back to its default. Throws `row_not_found`, `stale_revision`. */
  replace(id: string, values: Values, match: Match): Promise<Row>
  /** Sets the columns named. Throws `row_not_found`, `stale_revision`. */
  update(id: string, values: Values, match: Match): Promise<Row>
  /** Flips a boolean field in the statement itself, so that two at once are two flips. Throws like {@link Store.update}. */
  toggle(id: string, field: string, match: Match): Promise<Row>
  /** Puts the row into the trash. Throws `row_not_found`, `stale_revision`. */
  remove(id: string, match: Match): Promise<void>
  /** Takes the row out of the trash; a live one stays as it is. Throws `row_not_found`, `stale_revision`. */
  restore(id: string, match: Match): Promise<Row>
}

/** Whose rows, and for a child collection under which rows: ancestor column → id, from the path. */
export interface Scope {
  owner: string
  ancestors: Readonly<Record<string, string>>
}

/** The store of a resource for one scope: the only place that has SQL for owned rows, and the only one that binds the owner. */
export function storeFor(resource: Resource, { owner, ancestors }: Scope, database: Database): Store {
  const scope: Values = { [OWNER]: owner }
  for (const [column, id] of Object.entries(ancestors)) scope[ancestorSlot(column)] = id
  const bound = (statement: Statement, values: Values) => bind(statement, { ...values, ...scope })

  /** A write to one live row and, under `If-Match`, a look at what the row is now, in case the write found no match. */
  async function write(id: string, match: Match, statement: Statement, values: Values): Promise<Row> {
    const all = { ...values, id, match: JSON.stringify(match ?? null) }
    const batch: BoundStatement[] = [bound(statement, all)]
    if (match) batch.push(bound(revisionStatement(resource), all))
    const [[written] = [], [current] = []] = await guarded(values, batch)
    if (written) return decode(resource, written)
    throw current ? staleRevision(current) : new Problem('row_not_found')
  }

  /** Runs a write behind the assertions that its references are live rows of the owner. */
  async function guarded(values: Values, writes: BoundStatement[]): Promise<Row[][]> {
    const assertions = resource.references
      .filter(({ column }) => typeof values[column.name] === 'string')
      .map((reference) => bound(referenceStatement(resource, reference), values))
    const results = await database.batch([...assertions, ...writes])
    return results.slice(assertions.length)
  }

  return {
    async list(query) {
      const values = listValues(query)
      const statements = [listStatement(resource, query)]
      if (query.total) statements.push(totalStatement(resource, query))
      if (resource.parent) statements.push(parentStatement(resource, resource.parent))
      const results = await database.batch(statements.map((statement) => bound(statement, values)))
      if (resource.parent && !results.at(-1)?.length) throw new Problem('row_not_found')
      const [rows = [], [counted] = []] = results
      // One row more than the limit was asked for: whether it came says if another page follows.
      const more = rows.length > query.limit
      const page = more ? rows.slice(0, query.limit) : rows
      const last = page.at(-1)
      const next = more && last ? positionOf(last, query.sort) : undefined
      return {
        rows: page.map((row) => decode(resource, row)),
        next,
        total: query.total ? Number(counted?.total) : undefined,
      }
    },

    async get(id) {
      const [[row] = []] = await database.batch([bound(getStatement(resource), { id })])
      if (!row) throw new Problem('row_not_found')
      return decode(resource, row)
    },

    async create(values, id = uuidv7()) {
      const insert = bound(createStatement(resource, Object.keys(values)), { ...values, id })
      const parent = resource.parent ? [bound(parentAssertion(resource, resource.parent), {})] : []
      const row = (await guarded(values, [...parent, insert])).at(-1)?.[0]
      if (!row) throw new Error('an insert returned no row')
      return decode(resource, row)
    },

    replace: (id, values, match) =>
      write(id, match, replaceStatement(resource, Object.keys(values), Boolean(match)), values),

    update: (id, values, match) =>
      write(id, match, updateStatement(resource, Object.keys(values), Boolean(match)), values),

    toggle: (id, field, match) => write(id, match, toggleStatement(resource, field, Boolean(match)), {}),

    async remove(id, match) {
      await write(id, match, removeStatement(resource, Boolean(match)), {})
    },

    async restore(id, match) {
      const values = { id, match: JSON.stringify(match ?? null) }
      const [[restored] = [], [found] = []] = await database.batch([
        bound(restoreStatement(resource, Boolean(match)), values),
        bound(anyStatement(resource), values),
      ])
      if (restored) return decode(resource, restored)
      if (!found) throw new Problem('row_not_found')
      const { live, ...row } = found
      if (!live || (match && !match.includes(Number(row.revision)))) throw staleRevision(row)
      return decode(resource, row)
    },
  }
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function getStatement(resource: Resource): Statement {
  return once(
    resource,
    'get',
    () => sql`SELECT ${columns(resource)} FROM ${resource.table} WHERE ${oneLive(resource)}`,
  )
}

function revisionStatement(resource: Resource): Statement {
  return once(
    resource,
    'revision',
    () => sql`SELECT ${resource.table.revision} FROM ${resource.table} WHERE ${oneLive(resource)}`,
  )
}

/** The row, live or still to be restored, and which of the two it is. */
function anyStatement(resource: Resource): Statement {
  return once(resource, 'any', () => {
    const { table } = resource
    return sql`SELECT ${columns(resource)}, deleted_at IS NULL AS live FROM ${table}
      WHERE ${owned(resource)} AND (deleted_at IS NULL OR ${inTrash(table)}) AND ${table.id} = ${slot('id')}`
  })
}

/** One row when every row above this collection is live, none otherwise. */
function parentStatement(resource: Resource, parent: Parent): Statement {
  return once(resource, 'parent', () => sql`SELECT 1 AS live WHERE ${parentIsLive(parent)}`)
}

function listStatement(resource: Resource, query: ListQuery): Statement {
  const { sort, after } = query
  const cursor = after && (after.key === null ? 'nulls' : 'after')
  const shape = `list ${rowsShape(query)} ${sort?.column.name} ${sort?.descending} ${cursor}`
  return once(resource, shape, () => {
    const where = sql.join(
      [...rowsWanted(resource, query), ...(after ? [follows(resource, sort, after)] : [])],
      AND,
    )
    const key = sort ? sql`, ${sortKey(sort.column)} AS sort_key` : sql``
    return sql`SELECT ${columns(resource)}${key} FROM ${rowsOf(resource)} WHERE ${where}
      ORDER BY ${order(resource, sort)} LIMIT ${slot('limit')} OFFSET ${slot('offset')}`
  })
}

function totalStatement(resource: Resource, query: ListQuery): Statement {
  return once(
    resource,
    `total ${rowsShape(query)}`,
    () =>
      sql`SELECT count(*) AS total FROM ${resource.table} WHERE ${sql.join(rowsWanted(resource, query), AND)}`,
  )
}

/** A child's rows are found through the index on its parent: without statistics SQLite would pass it over. */
function rowsOf({ name, table, parent }: Resource): SQL {
  return parent
    ? sql`${table} INDEXED BY ${sql.identifier(parentIndex(name, parent.column.name))}`
    : sql`${table}`
}

/** What decides the text of {@link rowsWanted}. */
function rowsShape({ filters, q, trashed }: ListQuery): string {
  return `${[...filters.keys()].join(',')} ${q === undefined ? '' : searchShape(q)} ${trashed}`
}

function rowsWanted(resource: Resource, { filters, q, trashed }: ListQuery): SQL[] {
  return [
    trashed ? ownedTrash(resource) : ownedLive(resource),
    ...resource.filter
      .filter((filter) => filters.has(parameterOf(filter)))
      .map((filter) => passes(resource, filter)),
    ...(q === undefined ? [] : [contains(resource.search, q)]),
  ]
}

function passes(resource: Resource, filter: FilterDeclaration): SQL {
  const value = slot(`filter ${parameterOf(filter)}`)
  const column = (name: string) => columnOf(resource, name)
  if (typeof filter === 'string') return sql`${column(filter)} = ${sql.param(value, column(filter))}`
  if ('from' in filter) return sql`${column(filter.from)} >= ${value}`
  if ('upTo' in filter) return sql`${column(filter.upTo)} <= ${value}`
  const labels = column(filter.has)
  // json_each throws on malformed JSON, and one bad row must not take the list down.
  return sql`EXISTS (SELECT 1 FROM json_each(iif(json_valid(${labels}), ${labels}, '[]')) WHERE value = ${value})`
}

function listValues(query: ListQuery): Values {
  const values: Values = { limit: query.limit + 1, offset: query.offset }
  for (const [name, value] of query.filters) values[`filter ${name}`] = value
  if (query.q !== undefined) Object.assign(values, searchValues(query.q))
  if (query.after) {
    values.after_id = query.after.id
    values.after_key = query.after.key ?? null
  }
  return values
}

/** The rows behind a position, in the order of {@link order}: a keyset condition, so a page costs the same at any depth. */
function follows(resource: Resource, sort: Sort | undefined, { key }: Position): SQL {
  const { id } = resource.table
  if (!sort) return sql`${id} < ${slot('after_id')}`
  const beyond = sort.descending ? sql`<` : sql`>`
  const by = sortKey(sort.column)
  if (key === null) return sql`${by} IS NULL AND ${id} ${beyond} ${slot('after_id')}`
  const value = slot('after_key')
  const same = sql`${by} = ${value} AND ${id} ${beyond} ${slot('after_id')}`
  const nulls = sort.column.notNull ? sql`` : sql` OR ${by} IS NULL`
  return sql`(${by} ${beyond} ${value} OR (${same})${nulls})`
}

/** Nulls come last in both directions; the id settles ties in the direction of the sort. */
function order(resource: Resource, sort: Sort | undefined): SQL {
  const { id } = resource.table
  if (!sort) return sql`${id} DESC`
  const direction = sort.descending ? sql`DESC` : sql`ASC`
  const key = sortKey(sort.column)
  const nulls = sort.column.notNull ? sql`` : sql`${key} IS NULL, `
  return sql`${nulls}${key} ${direction}, ${id} ${direction}`
}

/** What a column sorts by: an enum by its declared order, text without regard to ASCII case. */
function sortKey(column: SQLiteColumn): SQL {
  if (column.enumValues?.length) {
    const ranks = column.enumValues.map((value, rank) => sql`WHEN ${value} THEN ${sql.raw(String(rank))}`)
    return sql`CASE ${column} ${sql.join(ranks, sql` `)} END`
  }
  return column.dataType === 'string' ? sql`${column} COLLATE NOCASE` : sql`${column}`
}

function positionOf(row: Row, sort: Sort | undefined): Position {
  const id = String(row.id)
  const key = row.sort_key
  return sort ? { id, key: typeof key === 'string' || typeof key === 'number' ? key : null } : { id }
}

// ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function createStatement(resource: Resource, sent: readonly string[]): Statement {
  return once(resource, `create ${sent.join()}`, () => {
    const { next } = derived(resource, fieldSlots(resource, sent), defaultOf, () => sql`NULL`)
    const { parent } = resource
    if (parent) next[parent.column.name] = slotOfAncestor(parent.column)
    const own = Object.entries(next)
    return sql`INSERT INTO ${resource.table} (id, user_id, revision, created_at, updated_at, ${names(own)})
      VALUES (${slot('id')}, ${slot(OWNER)}, ${nextRevision(resource)}, ${NOW}, ${NOW}, ${list(own.map(([, value]) => value))})
      RETURNING ${columns(resource)}`
  })
}

function replaceStatement(resource: Resource, sent: readonly string[], match: boolean): Statement {
  return once(resource, `replace ${sent.join()} ${match}`, () => {
    const { next } = derived(resource, fieldSlots(resource, sent), defaultOf, (column) => sql`${column}`)
    return change(resource, next, match)
  })
}

function updateStatement(resource: Resource, sent: readonly string[], match: boolean): Statement {
  return once(resource, `update ${sent.join()} ${match}`, () =>
    patch(resource, fieldSlots(resource, sent), match),
  )
}

function toggleStatement(resource: Resource, field: string, match: boolean): Statement {
  return once(resource, `toggle ${field} ${match}`, () => {
    return patch(resource, { [field]: sql`NOT ${columnOf(resource, field)}` }, match)
  })
}

function removeStatement(resource: Resource, match: boolean): Statement {
  return once(resource, `remove ${match}`, () => change(resource, { deleted_at: NOW }, match))
}

function restoreStatement(resource: Resource, match: boolean): Statement {
  return once(resource, `restore ${match}`, () => {
    return change(resource, { deleted_at: sql`NULL` }, match, ownedTrash(resource))
  })
}

/** The parent of a row about to be created is live, or nothing is stored and the problem is `row_not_found`. */
function parentAssertion(resource: Resource, parent: Parent): Statement {
  return once(resource, 'parent assertion', () => assertion(parentIsLive(parent), 'row_not_found'))
}

/** What a column is about to refer to is a live row of the owner, or nothing is stored and the field is the problem. */
function referenceStatement(resource: Resource, { column, table }: Reference): Statement {
  return once(resource, `reference ${column.name}`, () => {
    const live = sql`SELECT 1 FROM ${table} WHERE ${table.user_id} = ${slot(OWNER)}
      AND ${table.id} = ${slot(column.name)} AND ${table.deleted_at} IS NULL`
    return assertion(sql`EXISTS (${live})`, `invalid_reference ${column.name}`)
  })
}

function patch(resource: Resource, sent: Record<string, SQL>, match: boolean): SQL {
  const { next, computed } = derived(
    resource,
    sent,
    (column) => sql`${column}`,
    (column) => sql`${column}`,
  )
  const changed = Object.entries(next).filter(([name]) => name in sent || computed.has(name))
  return change(resource, Object.fromEntries(changed), match)
}

/** One row of the owner gets new values, a new revision and a new `updated_at`, if its revision is an allowed one. */
function change(
  resource: Resource,
  values: Record<string, SQL>,
  match: boolean,
  among: SQL = ownedLive(resource),
): SQL {
  const { table } = resource
  const sets = Object.entries(values).map(([name, value]) => sql`${sql.identifier(name)} = ${value}`)
  const unchanged = match
    ? sql` AND ${table.revision} IN (SELECT value FROM json_each(${slot('match')}))`
    : sql``
  return sql`UPDATE ${table} SET ${list([...sets, sql`revision = ${nextRevision(resource)}`, sql`updated_at = ${NOW}`])}
    WHERE ${among} AND ${table.id} = ${slot('id')}${unchanged} RETURNING ${columns(resource)}`
}

/**
 * A per-user hybrid logical clock (docs/decisions/0002): one more than the owner's last revision here, or the
 * database's clock in milliseconds when that is ahead. One index seek.
 */
function nextRevision({ table }: Resource): SQL {
  return sql`max(coalesce((SELECT revision FROM ${table} WHERE user_id = ${slot(OWNER)} ORDER BY revision DESC LIMIT 1), 0) + 1,
    CAST(unixepoch('subsec') * 1000 AS INTEGER))`
}

/** What every stored column will hold once the declaration's `derive` has had its say. */
function derived(
  resource: Resource,
  sent: Record<string, SQL>,
  kept: (column: SQLiteColumn) => SQL,
  held: (column: SQLiteColumn) => SQL,
): { next: Record<string, SQL>; computed: ReadonlySet<string> } {
  const row: Write['row'] = {}
  const next: Write['next'] = {}
  for (const column of resource.visible) {
    row[column.name] = held(column)
    if (column.name in resource.derive || (resource.writable.has(column.name) && !column.generated)) {
      next[column.name] = sent[column.name] ?? kept(column)
    }
  }
  const computed = Object.entries(resource.derive)
  for (const [name, derive] of computed) next[name] = derive({ sent, next, row })
  return { next, computed: new Set(computed.map(([name]) => name)) }
}

function fieldSlots(resource: Resource, sent: readonly string[]): Record<string, SQL> {
  return Object.fromEntries(
    sent.map((name) => [name, sql`${sql.param(slot(name), columnOf(resource, name))}`]),
  )
}

function defaultOf(column: SQLiteColumn): SQL {
  return column.default === undefined ? sql`NULL` : sql`${sql.param(column.default, column)}`
}

// ── The scope ────────────────────────────────────────────────────────────────────────────────────────────────────────

const AND = sql` AND `

/** The owner's rows of this collection: the predicate that every statement over rows starts from. */
function owned({ table, parent }: Resource): SQL {
  const mine = sql`${table.user_id} = ${slot(OWNER)}`
  if (!parent) return mine
  return sql`${mine} AND ${parent.column} = ${slotOfAncestor(parent.column)} AND ${parentIsLive(parent)}`
}

function ownedLive(resource: Resource): SQL {
  return sql`${owned(resource)} AND ${resource.table.deleted_at} IS NULL`
}

function ownedTrash(resource: Resource): SQL {
  return sql`${owned(resource)} AND ${inTrash(resource.table)}`
}

function oneLive(resource: Resource): SQL {
  return sql`${ownedLive(resource)} AND ${resource.table.id} = ${slot('id')}`
}

/** Deleted, and not so long ago that it is as good as purged. */
function inTrash({ deleted_at }: OwnedTable): SQL {
  return sql`${deleted_at} > ${daysAgo(TRASH_DAYS)}`
}

/** The row above a child collection, and every row above that one, is a live row of the owner. */
function parentIsLive({ column, resource }: Parent): SQL {
  const { table } = resource
  return sql`EXISTS (SELECT 1 FROM ${table} WHERE ${ownedLive(resource)} AND ${table.id} = ${slotOfAncestor(column)})`
}

function slotOfAncestor(column: SQLiteColumn) {
  return sql`${slot(ancestorSlot(column.name))}`
}

function ancestorSlot(column: string): string {
  return `under ${column}`
}

// ── Small change ─────────────────────────────────────────────────────────────────────────────────────────────────────

const compiled = new WeakMap<Resource, Map<string, Statement>>()

/** The shapes a client can ask for are many but few are used: enough to keep, and a bound on what an attacker can fill. */
const MAX_COMPILED = 500

/** Compiles a statement the first time its shape is asked for in this isolate, and keeps it. */
function once(resource: Resource, shape: string, query: () => SQL): Statement {
  let statements = compiled.get(resource)
  if (!statements || statements.size >= MAX_COMPILED)
    compiled.set(resource, (statements = new Map<string, Statement>()))
  let statement = statements.get(shape)
  if (!statement) statements.set(shape, (statement = compileOwned(query())))
  return statement
}

function staleRevision(row: Row): Problem {
  return new Problem('stale_revision', { headers: { ETag: `"${String(row.revision)}"` } })
}

function slot(name: string) {
  return sql.placeholder(name)
}

function columnOf(resource: Resource, name: string): SQLiteColumn {
  const column = resource.visible.find((visible) => visible.name === name)
  if (!column) throw new Error(`${resource.name} has no column ${name}`)
  return column
}

function columns(resource: Resource): SQL {
  return list(resource.visible.map((column) => sql`${sql.identifier(column.name)}`))
}

function names(entries: readonly [string, unknown][]): SQL {
  return list(entries.map(([name]) => sql`${sql.identifier(name)}`))
}

function list(items: SQL[]): SQL {
  return sql.join(items, sql`, `)
}

/** A row as a client sees it. What SQLite has no type for is decoded in place; a stored value that cannot be is its default. */
function decode(resource: Resource, row: Row): Row {
  delete row.sort_key
  for (const column of resource.encoded) {
    const value = row[column.name]
    if (value === null) continue
    row[column.name] = column.dataType === 'boolean' ? value === 1 : parse(resource, column, value)
  }
  return row
}

function parse(resource: Resource, column: SQLiteColumn, value: unknown): unknown {
  try {
    return JSON.parse(String(value))
  } catch {
    log('error', { event: 'malformed_row', table: resource.name, column: column.name })
    return column.default ?? null
  }
}
