import { slot } from '../../d1/statement.ts'
import { sql, type SQL } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import { parameterOf, type ListQuery, type Position, type Sort } from '../query.ts'
import { columnIndex, parentIndex, type FilterDeclaration, type Parent, type Resource } from '../resource.ts'
import {
  AND,
  columnOf,
  columns,
  inTrash,
  once,
  oneLive,
  owned,
  ownedLive,
  ownedTrash,
  parentIsLive,
} from './scope.ts'
import { contains, searchShape, searchValues } from './search.ts'
import type { Statement, Values } from '../../d1/statement.ts'

/** What a row sorts by, beside its own columns and under a name that none of them can have. */
export const SORT_KEY = 'sort key'
/** Whether a row is live, likewise. */
export const IS_LIVE = 'is live'

/** The live row. */
export function getStatement(resource: Resource): Statement {
  return once(
    resource,
    'get',
    () => sql`SELECT ${columns(resource)} FROM ${resource.table} WHERE ${oneLive(resource)}`,
  )
}

/** The live row's revision. */
export function revisionStatement(resource: Resource): Statement {
  return once(
    resource,
    'revision',
    () => sql`SELECT ${resource.table.revision} FROM ${resource.table} WHERE ${oneLive(resource)}`,
  )
}

/** The row, live or still to be restored, and which of the two it is. */
export function anyStatement(resource: Resource): Statement {
  return once(resource, 'any', () => {
    const { table } = resource
    return sql`SELECT ${columns(resource)}, deleted_at IS NULL AS ${sql.identifier(IS_LIVE)} FROM ${table}
      WHERE ${owned(resource)} AND (deleted_at IS NULL OR ${inTrash(table)}) AND ${table.id} = ${slot('id')}`
  })
}

/** One row when every row above this collection is live, none otherwise. */
export function parentStatement(resource: Resource, parent: Parent): Statement {
  return once(resource, 'parent', () => sql`SELECT 1 AS live WHERE ${parentIsLive(parent)}`)
}

/** A page of rows, one more than the limit, with the sort key of each as {@link SORT_KEY}. */
export function listStatement(resource: Resource, query: ListQuery): Statement {
  const { sort, after } = query
  const cursor = after && (after.key === null ? 'nulls' : 'after')
  const shape = `list ${rowsShape(query)} ${sort?.column.name} ${sort?.descending} ${cursor}`
  return once(resource, shape, () => {
    const where = sql.join(
      [...rowsWanted(resource, query), ...(after ? [follows(resource, sort, after)] : [])],
      AND,
    )
    const key = sort ? sql`, ${sortKey(sort.column)} AS ${sql.identifier(SORT_KEY)}` : sql``
    return sql`SELECT ${columns(resource)}${key} FROM ${rowsOf(resource, query)} WHERE ${where}
      ORDER BY ${order(resource, sort)} LIMIT ${slot('limit')} OFFSET ${slot('offset')}`
  })
}

/** How many rows a list has, as `total`. */
export function totalStatement(resource: Resource, query: ListQuery): Statement {
  return once(
    resource,
    `total ${rowsShape(query)}`,
    () =>
      sql`SELECT count(*) AS total FROM ${rowsOf(resource, query)} WHERE ${sql.join(rowsWanted(resource, query), AND)}`,
  )
}

/**
 * The table, by the index that a list's rows are found through, if not by the primary key: that on the parent, or on a
 * column it is filtered by. Without statistics SQLite would pass it over.
 */
function rowsOf({ name, table, parent, filter, indexed }: Resource, { filters }: ListQuery): SQL {
  const by = filter.find((each) => typeof each === 'string' && indexed.has(each) && filters.has(each))
  const used = parent
    ? parentIndex(name, parent.column.name)
    : typeof by === 'string'
      ? columnIndex(name, by)
      : undefined
  return used ? sql`${table} INDEXED BY ${sql.identifier(used)}` : sql`${table}`
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

/** The values for {@link listStatement} and {@link totalStatement}. */
export function listValues(query: ListQuery): Values {
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
