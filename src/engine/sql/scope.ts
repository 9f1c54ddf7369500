import { sql, type SQL } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import { daysAgo } from '../../d1/clock.ts'
import { compileOwned, list, OWNER, slot, type Statement } from '../../d1/statement.ts'
import { memo } from '../../memo.ts'
import { ACTORS, TRASH_DAYS, type OwnedTable, type Parent, type Resource } from '../resource.ts'

/** The name of {@link ACTOR}'s placeholder. */
export const ACTOR_KEY = 'actor'
/** The placeholder for who writes: null for the owner. */
export const ACTOR = slot(ACTOR_KEY)

/** Between conditions. */
export const AND = sql` AND `

/** The predicates that every statement over a resource's rows starts from. */
export interface RowScope {
  /** The owner's rows of the collection. */
  owned: SQL
  /** {@link RowScope.owned}, outside the trash. */
  live: SQL
  /** {@link RowScope.owned}, in the trash. */
  trash: SQL
  /** {@link RowScope.owned}, live or still to be restored. */
  restorable: SQL
  /** The live row with the id of the placeholder `id`. */
  one: SQL
  /** The row is at one of the revisions of the placeholder `match`, a JSON array. */
  matches: SQL
  /**
   * The columns a client sees, for SELECT and RETURNING; with their table, since SQLite takes a quoted name alone that is
   * no column (not yet migrated, say) for a string.
   */
  columns: SQL
}

/** The {@link RowScope} of a resource. */
export const scopeOf = memo((resource: Resource): RowScope => {
  const { table, parent, across, visible } = resource
  const mine = sql`${table.user_id} = ${slot(OWNER)}`
  const owned = parent
    ? sql`${mine} AND ${parent.column} = ${slotOfAncestor(parent.column)} AND ${parentIsLive(parent)}`
    : across
      ? sql`${mine} AND ${isUnderLive(table, across)}`
      : mine
  const live = sql`${owned} AND ${table.deleted_at} IS NULL`
  return {
    owned,
    live,
    trash: sql`${owned} AND ${inTrash(table)}`,
    restorable: sql`${owned} AND (${table.deleted_at} IS NULL OR ${inTrash(table)})`,
    one: sql`${live} AND ${table.id} = ${slot('id')}`,
    matches: sql`${table.revision} IN (SELECT value FROM json_each(${slot('match')}))`,
    columns: list(
      visible.map(
        (column) =>
          sql`${shown(table, column)}${isActor(column) ? sql` AS ${sql.identifier(column.name)}` : sql``}`,
      ),
    ),
  }
})

/** What a client sees of a column: what is kept of who did it is null where that was the owner. */
export function shown({ user_id }: OwnedTable, column: SQLiteColumn): SQL {
  return isActor(column) ? sql`coalesce(${column}, ${user_id})` : sql`${column}`
}

function isActor({ name }: SQLiteColumn): boolean {
  return ACTORS.has(name)
}

/** In the trash, and not due to be purged. */
function inTrash({ deleted_at }: OwnedTable): SQL {
  return sql`${deleted_at} > ${daysAgo(TRASH_DAYS)}`
}

/** The row that the path names above a child collection, and every row above that one, is a live row of the owner. */
export function parentIsLive({ column, resource }: Parent): SQL {
  const { table } = resource
  return sql`EXISTS (SELECT 1 FROM ${table} WHERE ${scopeOf(resource).live} AND ${table.id} = ${slotOfAncestor(column)})`
}

/** The row above each row of `table`, and every row above that one, is live and of the same owner. */
export function isUnderLive(table: OwnedTable, { column, resource }: Parent): SQL {
  const above = resource.table
  const further = resource.parent ? sql` AND ${isUnderLive(above, resource.parent)}` : sql``
  return sql`EXISTS (SELECT 1 FROM ${above} WHERE ${above.user_id} = ${table.user_id} AND ${above.id} = ${column}
    AND ${above.deleted_at} IS NULL${further})`
}

/** The placeholder for the id of a row above a child collection. */
export function slotOfAncestor(column: SQLiteColumn) {
  return sql`${slot(ancestorSlot(column.name))}`
}

/** The name of {@link slotOfAncestor}'s placeholder. */
export function ancestorSlot(column: string): string {
  return `under ${column}`
}

/** The placeholder for a field's value: prefixed, so that no field's name clashes with the engine's own. */
export function fieldSlot(name: string) {
  return slot(fieldKey(name))
}

/** The name of {@link fieldSlot}'s placeholder. */
export function fieldKey(name: string): string {
  return `field ${name}`
}

/** Clients use few of the shapes they could ask for; the cap keeps those and bounds memory under attack. */
const MAX_SHAPES = 500

/** Keeps the statements of a resource whose text depends on the request, each under the shape that decides its text. */
export function keptByShape(): (shape: string, query: () => SQL) => Statement {
  const kept = new Map<string, Statement>()
  return (shape, query) => {
    let statement = kept.get(shape)
    if (!statement) {
      if (kept.size >= MAX_SHAPES) kept.clear()
      kept.set(shape, (statement = compileOwned(query())))
    }
    return statement
  }
}
