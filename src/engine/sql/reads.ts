import { sql, type SQL } from 'drizzle-orm'
import { compileOwned, slot, type Statement, type Values } from '../../d1/statement.ts'
import type { ListQuery, Position, Sort } from '../query.ts'
import { parentIndex, sortKey, type Resource } from '../resource.ts'
import { AND, keptByShape, parentIsLive, scopeOf } from './scope.ts'
import { contains, searchShape, searchValues } from './search.ts'

/** What a row sorts by, beside its own columns and under a name that none of them can have. */
export const SORT_KEY = 'sort key'
/** Whether a row is live, likewise. */
export const IS_LIVE = 'is live'

/** The queries over a resource's rows. */
export function readsOf(resource: Resource) {
  const { name, table, parent } = resource
  const { live, trash, restorable, one, columns } = scopeOf(resource)
  const kept = keptByShape()

  /** The index that a list finds its rows through, whatever their order. */
  function indexOf({ filters }: ListQuery): string | undefined {
    if (parent) return parentIndex(name, parent.column.name)
    return resource.filter.find((filter) => filter.index && filters.has(filter.parameter))?.index
  }

  /** The index that has a list's rows in its order; where a filter has one, that finds fewer rows. */
  function sortedBy(query: ListQuery): string | undefined {
    if (!parent && indexOf(query)) return undefined
    return query.sort && resource.sorted.get(query.sort.column.name)
  }

  /** The rows by an index: without statistics SQLite would pass it over. */
  function from(index: string | undefined): SQL {
    return index ? sql`${table} INDEXED BY ${sql.identifier(index)}` : sql`${table}`
  }

  function wanted({ filters, q, trashed }: ListQuery): SQL[] {
    return [
      trashed ? trash : live,
      ...resource.filter
        .filter(({ parameter }) => filters.has(parameter))
        .map(({ parameter, condition }) => condition(slot(filterKey(parameter)))),
      ...(q === undefined ? [] : [contains(resource.search, q)]),
    ]
  }

  /**
   * The rows behind a position, in the order of {@link order}: a keyset condition, so a page costs the same at any depth.
   * Several, where each is to be found by itself, one after the other: no index is searched for a value or null.
   */
  function follows(query: ListQuery, { key }: Position): SQL[] {
    const { sort } = query
    const { id } = table
    if (!sort) return [sql`${id} < ${slot('after_id')}`]
    const beyond = sort.descending ? sql`<` : sql`>`
    const by = sortKey(sort.column)
    const later = sql`${id} ${beyond} ${slot('after_id')}`
    if (key === null) return [sql`${by} IS NULL AND ${later}`]
    const value = slot('after_key')
    const rest = sql`${by} ${beyond}= ${value} AND (${by} ${beyond} ${value} OR ${later})`
    if (sort.column.notNull) return [rest]
    const nulls = sql`${by} IS NULL`
    return sortedBy(query) ? [rest, nulls] : [sql`(${rest} OR ${nulls})`]
  }

  /** Nulls come last in both directions; the id settles ties in the direction of the sort. */
  function order(sort: Sort | undefined): SQL {
    const { id } = table
    if (!sort) return sql`${id} DESC`
    const direction = sort.descending ? sql`DESC` : sql`ASC`
    const nulls = sort.column.notNull ? sql`` : sql` NULLS LAST`
    return sql`${sortKey(sort.column)} ${direction}${nulls}, ${id} ${direction}`
  }

  return {
    /** The live row. */
    get: compileOwned(sql`SELECT ${columns} FROM ${table} WHERE ${one}`),

    /** The live row's revision. */
    revision: compileOwned(sql`SELECT ${table.revision} FROM ${table} WHERE ${one}`),

    /** The row, live or still to be restored, and which of the two it is. */
    any: compileOwned(sql`SELECT ${columns}, deleted_at IS NULL AS ${sql.identifier(IS_LIVE)} FROM ${table}
      WHERE ${restorable} AND ${table.id} = ${slot('id')}`),

    /** One row when every row above this collection is live, none otherwise; absent where nothing is above. */
    parent: parent && compileOwned(sql`SELECT 1 AS live WHERE ${parentIsLive(parent)}`),

    /** A page of rows, one more than the limit, with the sort key of each as {@link SORT_KEY}. */
    list(query: ListQuery): Statement {
      const { sort, after } = query
      const cursor = after && (after.key === null ? 'nulls' : 'after')
      return kept(`list ${shapeOf(query)} ${sort?.column.name} ${sort?.descending} ${cursor}`, () => {
        const key = sort ? sql`, ${sortKey(sort.column)} AS ${sql.identifier(SORT_KEY)}` : sql``
        const rows = from(sortedBy(query) ?? indexOf(query))
        const page = (more: readonly SQL[]) => sql`SELECT ${columns}${key} FROM ${rows}
          WHERE ${sql.join([...wanted(query), ...more], AND)} ORDER BY ${order(sort)} LIMIT ${slot('limit')}`
        const [first, ...others] = after ? follows(query, after).map((more) => page([more])) : [page([])]
        const parts = others.map((part) => sql` UNION ALL SELECT * FROM (${part})`)
        const all = others.length
          ? sql`SELECT * FROM (${first})${sql.join(parts)} LIMIT ${slot('limit')}`
          : first
        return sql`${all} OFFSET ${slot('offset')}`
      })
    },

    /** How many rows a list has, as `total`. */
    total(query: ListQuery): Statement {
      return kept(
        `total ${shapeOf(query)}`,
        () =>
          sql`SELECT count(*) AS total FROM ${from(indexOf(query))} WHERE ${sql.join(wanted(query), AND)}`,
      )
    },
  }
}

/** What decides which rows a list and its total want, and so their text. */
function shapeOf({ filters, q, trashed }: ListQuery): string {
  return `${[...filters.keys()].join(',')} ${q === undefined ? '' : searchShape(q)} ${trashed}`
}

/** The values for the placeholders of a list and of its total. */
export function listValues(query: ListQuery): Values {
  const values: Values = { limit: query.limit + 1, offset: query.offset }
  for (const [parameter, value] of query.filters) values[filterKey(parameter)] = value
  if (query.q !== undefined) Object.assign(values, searchValues(query.q))
  if (query.after) {
    values.after_id = query.after.id
    values.after_key = query.after.key ?? null
  }
  return values
}

function filterKey(parameter: string): string {
  return `filter ${parameter}`
}
