import { NOW, NOW_MS } from '../../d1/clock.ts'
import { sql, type SQL } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import { type Parent, type Reference, type Resource, type Write } from '../resource.ts'
import {
  columnOf,
  columns,
  fieldSlot,
  isMatch,
  once,
  oneLive,
  ownedLive,
  ownedTrash,
  parentIsLive,
  slotOfAncestor,
} from './scope.ts'
import { assertion } from '../../d1/assertion.ts'
import { OWNER, type Statement, list, slot } from '../../d1/statement.ts'

/** Inserts a row with the fields sent, and defaults for the others. */
export function createStatement(resource: Resource, sent: readonly string[]): Statement {
  return once(resource, `create ${sent.join()}`, () => {
    const { next } = derived(resource, fieldSlots(resource, sent), defaultOf, () => sql`NULL`)
    const { parent } = resource
    if (parent) next[parent.column.name] = slotOfAncestor(parent.column)
    const own = Object.entries(next)
    return sql`INSERT INTO ${resource.table} (id, user_id, revision, created_at, updated_at, ${list(own.map(([name]) => sql`${sql.identifier(name)}`))})
      VALUES (${slot('id')}, ${slot(OWNER)}, ${nextRevision(resource)}, ${NOW}, ${NOW}, ${list(own.map(([, value]) => value))})
      RETURNING ${columns(resource)}`
  })
}

/** Sets every writable field of a live row: those sent, and the others to their defaults. */
export function replaceStatement(resource: Resource, sent: readonly string[], match: boolean): Statement {
  return once(resource, `replace ${sent.join()} ${match}`, () => {
    const { next } = derived(resource, fieldSlots(resource, sent), defaultOf, (column) => sql`${column}`)
    return change(resource, next, match)
  })
}

/** Sets the fields sent of a live row. */
export function updateStatement(resource: Resource, sent: readonly string[], match: boolean): Statement {
  return once(resource, `update ${sent.join()} ${match}`, () =>
    patch(resource, fieldSlots(resource, sent), match),
  )
}

/** Flips a boolean field of a live row. */
export function toggleStatement(resource: Resource, field: string, match: boolean): Statement {
  return once(resource, `toggle ${field} ${match}`, () => {
    return patch(resource, { [field]: sql`NOT ${columnOf(resource, field)}` }, match)
  })
}

/** Puts a live row into the trash. */
export function removeStatement(resource: Resource, match: boolean): Statement {
  return once(resource, `remove ${match}`, () => change(resource, { deleted_at: NOW }, match))
}

/** Takes a row out of the trash. */
export function restoreStatement(resource: Resource, match: boolean): Statement {
  return once(resource, `restore ${match}`, () => {
    return change(resource, { deleted_at: sql`NULL` }, match, ownedTrash(resource))
  })
}

/** Asserts that the parent of a row about to be created is live. */
export function parentAssertion(resource: Resource, parent: Parent): Statement {
  return once(resource, 'assert parent', () => assertion(parentIsLive(parent)))
}

/** Asserts that what a column is about to refer to is a live row of the owner. */
export function referenceAssertion(resource: Resource, { column, table }: Reference): Statement {
  return once(resource, `assert ${column.name}`, () => {
    return assertion(sql`EXISTS (SELECT 1 FROM ${table} WHERE ${table.user_id} = ${slot(OWNER)}
      AND ${table.id} = ${fieldSlot(column.name)} AND ${table.deleted_at} IS NULL)`)
  })
}

/** Asserts that no row of the owner has the id. The primary key would say so too, but not of which operation of a bulk. */
export function freeAssertion(resource: Resource): Statement {
  return once(resource, 'assert free', () => {
    const { table } = resource
    return assertion(
      sql`NOT EXISTS (SELECT 1 FROM ${table} WHERE ${table.user_id} = ${slot(OWNER)} AND ${table.id} = ${slot('id')})`,
    )
  })
}

/** Asserts that the row is live. */
export function liveAssertion(resource: Resource): Statement {
  return once(resource, 'assert live', () =>
    assertion(sql`EXISTS (SELECT 1 FROM ${resource.table} WHERE ${oneLive(resource)})`),
  )
}

/** Asserts that the live row is at the placeholder `revision`. */
export function revisionAssertion(resource: Resource): Statement {
  return once(resource, 'assert revision', () => {
    const { table } = resource
    return assertion(
      sql`EXISTS (SELECT 1 FROM ${table} WHERE ${oneLive(resource)} AND ${table.revision} = ${slot('revision')})`,
    )
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
  const unchanged = match ? sql` AND ${isMatch(resource)}` : sql``
  return sql`UPDATE ${table} SET ${list([...sets, sql`revision = ${nextRevision(resource)}`, sql`updated_at = ${NOW}`])}
    WHERE ${among} AND ${table.id} = ${slot('id')}${unchanged} RETURNING ${columns(resource)}`
}

/**
 * A per-user hybrid logical clock (docs/decisions/0002): one more than the owner's last revision here, or the
 * database's clock in milliseconds when that is ahead. One index seek.
 */
function nextRevision({ table }: Resource): SQL {
  return sql`max(coalesce((SELECT revision FROM ${table} WHERE user_id = ${slot(OWNER)} ORDER BY revision DESC LIMIT 1), 0) + 1,
    ${NOW_MS})`
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
    sent.map((name) => [name, sql`${sql.param(fieldSlot(name), columnOf(resource, name))}`]),
  )
}

function defaultOf(column: SQLiteColumn): SQL {
  return column.default === undefined ? sql`NULL` : sql`${sql.param(column.default, column)}`
}
