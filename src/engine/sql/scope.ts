import { daysAgo } from '../../d1/clock.ts'
import { sql, type SQL } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import { TRASH_DAYS, type OwnedTable, type Parent, type Resource } from '../resource.ts'
import { compileOwned, list, OWNER, slot, type Statement } from '../../d1/statement.ts'

/** Between conditions. */
export const AND = sql` AND `

/** The owner's rows of this collection: the predicate that every statement over rows starts from. */
export function owned({ table, parent }: Resource): SQL {
  const mine = sql`${table.user_id} = ${slot(OWNER)}`
  if (!parent) return mine
  return sql`${mine} AND ${parent.column} = ${slotOfAncestor(parent.column)} AND ${parentIsLive(parent)}`
}

/** {@link owned}, outside the trash. */
export function ownedLive(resource: Resource): SQL {
  return sql`${owned(resource)} AND ${resource.table.deleted_at} IS NULL`
}

/** {@link owned}, in the trash. */
export function ownedTrash(resource: Resource): SQL {
  return sql`${owned(resource)} AND ${inTrash(resource.table)}`
}

/** The one live row with the id of the placeholder `id`. */
export function oneLive(resource: Resource): SQL {
  return sql`${ownedLive(resource)} AND ${resource.table.id} = ${slot('id')}`
}

/** Deleted, and not so long ago that it is as good as purged. */
export function inTrash({ deleted_at }: OwnedTable): SQL {
  return sql`${deleted_at} > ${daysAgo(TRASH_DAYS)}`
}

/** The row is at one of the revisions of the placeholder `match`, a JSON array. */
export function isMatch({ table }: Resource): SQL {
  return sql`${table.revision} IN (SELECT value FROM json_each(${slot('match')}))`
}

/** The row above a child collection, and every row above that one, is a live row of the owner. */
export function parentIsLive({ column, resource }: Parent): SQL {
  const { table } = resource
  return sql`EXISTS (SELECT 1 FROM ${table} WHERE ${ownedLive(resource)} AND ${table.id} = ${slotOfAncestor(column)})`
}

/** The placeholder for the id of a row above a child collection. */
export function slotOfAncestor(column: SQLiteColumn) {
  return sql`${slot(ancestorSlot(column.name))}`
}

/** The name of {@link slotOfAncestor}'s placeholder. */
export function ancestorSlot(column: string): string {
  return `under ${column}`
}

const compiled = new WeakMap<Resource, Map<string, Statement>>()

/** The shapes a client can ask for are many but few are used: enough to keep, and a bound on what an attacker can fill. */
const MAX_COMPILED = 500

/** Compiles a statement the first time its shape is asked for in this isolate, and keeps it. */
export function once(resource: Resource, shape: string, query: () => SQL): Statement {
  let statements = compiled.get(resource)
  if (!statements || statements.size >= MAX_COMPILED)
    compiled.set(resource, (statements = new Map<string, Statement>()))
  let statement = statements.get(shape)
  if (!statement) statements.set(shape, (statement = compileOwned(query())))
  return statement
}

/** The placeholder for a field's value: named apart from the engine's own, whatever the field is called. */
export function fieldSlot(name: string) {
  return slot(fieldKey(name))
}

/** The name of {@link fieldSlot}'s placeholder. */
export function fieldKey(name: string): string {
  return `field ${name}`
}

/** A visible column by its name. */
export function columnOf(resource: Resource, name: string): SQLiteColumn {
  const column = resource.visible.find((visible) => visible.name === name)
  if (!column) throw new Error(`${resource.name} has no column ${name}`)
  return column
}

/**
 * The columns a client sees, for SELECT and RETURNING; with their table, since SQLite takes a quoted name alone that is no
 * column (not yet migrated, say) for a string.
 */
export function columns(resource: Resource): SQL {
  return list(resource.visible.map((column) => sql`${column}`))
}
