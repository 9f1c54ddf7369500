import { sql, type SQL } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import { assertion } from '../../d1/assertion.ts'
import { NOW, NOW_MS } from '../../d1/clock.ts'
import { compileOwned, list, OWNER, slot, type Statement } from '../../d1/statement.ts'
import { columnOf, type OwnedTable, type Resource, type Write } from '../resource.ts'
import { ACTOR, fieldSlot, keptByShape, parentIsLive, scopeOf, slotOfAncestor } from './scope.ts'

/** How a write is to be made. */
export interface WriteOptions {
  /** Only while the row's revision is one of the placeholder `match`. */
  match: boolean
}

/**
 * What must hold before an operation of a bulk: that an id is free, a row live, at a revision, or a live row of the owner
 * to refer to; then the id, what to raise otherwise, and the revision.
 */
export type Check = [
  kind: 'free' | 'live' | 'revision' | ReturnType<typeof referenceCheck>,
  id: unknown,
  raised: string,
  revision?: number,
]

/** The statements that write a resource's rows, and the assertions that go before them. */
export function writesOf(resource: Resource) {
  const { table, parent } = resource
  const { live, trash, matches, columns } = scopeOf(resource)
  const kept = keptByShape()

  /** One row of the owner gets new values, a new revision, and when and by whom. */
  function change(values: Record<string, SQL>, { match }: WriteOptions, among: SQL = live): SQL {
    const sets = Object.entries(values).map(([name, value]) => sql`${sql.identifier(name)} = ${value}`)
    const unchanged = match ? sql` AND ${matches}` : sql``
    return sql`UPDATE ${table} SET ${list([...sets, sql`revision = ${nextRevision(resource)}`, sql`updated_at = ${NOW}`, sql`updated_by = ${ACTOR}`])}
      WHERE ${among} AND ${table.id} = ${slot('id')}${unchanged} RETURNING ${columns}`
  }

  function patch(sent: Record<string, SQL>, options: WriteOptions): SQL {
    const { next, computed } = derived(resource, sent, held, held)
    const changed = Object.entries(next).filter(([name]) => name in sent || computed.has(name))
    return change(Object.fromEntries(changed), options)
  }

  function sentFields(names: readonly string[]): Record<string, SQL> {
    return Object.fromEntries(
      names.map((name) => [name, sql`${sql.param(fieldSlot(name), columnOf(resource, name))}`]),
    )
  }

  return {
    /** Inserts a row with the fields sent, and defaults for the others. */
    create(sent: readonly string[]): Statement {
      return kept(`create ${sent.join()}`, () => {
        const { next } = derived(resource, sentFields(sent), defaultOf, () => sql`NULL`)
        if (parent) next[parent.column.name] = slotOfAncestor(parent.column)
        const own = Object.entries(next)
        return sql`INSERT INTO ${table} (id, user_id, revision, created_at, updated_at, created_by, updated_by, ${list(own.map(([name]) => sql`${sql.identifier(name)}`))})
          VALUES (${slot('id')}, ${slot(OWNER)}, ${nextRevision(resource)}, ${NOW}, ${NOW}, ${ACTOR}, ${ACTOR}, ${list(own.map(([, value]) => value))})
          RETURNING ${columns}`
      })
    },

    /** Sets every writable field of a live row: those sent, and the others to their defaults. */
    replace(sent: readonly string[], options: WriteOptions): Statement {
      return kept(`replace ${sent.join()} ${options.match}`, () =>
        change(derived(resource, sentFields(sent), defaultOf, held).next, options),
      )
    },

    /** Sets the fields sent of a live row. */
    update(sent: readonly string[], options: WriteOptions): Statement {
      return kept(`update ${sent.join()} ${options.match}`, () => patch(sentFields(sent), options))
    },

    /** Flips a boolean field of a live row. */
    toggle(field: string, options: WriteOptions): Statement {
      return kept(`toggle ${field} ${options.match}`, () =>
        patch({ [field]: sql`NOT ${columnOf(resource, field)}` }, options),
      )
    },

    /** Puts a live row into the trash. */
    remove(options: WriteOptions): Statement {
      return kept(`remove ${options.match}`, () => change({ deleted_at: NOW }, options))
    },

    /** Takes a row out of the trash. */
    restore(options: WriteOptions): Statement {
      return kept(`restore ${options.match}`, () => change({ deleted_at: sql`NULL` }, options, trash))
    },

    /** Asserts that every row above this collection is live; absent where nothing is above. */
    assertParent: parent && compileOwned(assertion(parentIsLive(parent))),

    /** For each reference, asserts that what it is about to refer to is a live row of the owner. */
    assertReferences: resource.references.map(({ column, table: target }) => ({
      name: column.name,
      statement: compileOwned(assertion(isOwnLive(target, sql`${fieldSlot(column.name)}`))),
    })),

    /**
     * Asserts, in their order, the checks of a bulk: the placeholder `checks` is a JSON array of {@link Check}. That an id is
     * free the primary key would say, too, but not of which operation. A resource may have a field `value` itself.
     */
    assertChecks: compileOwned(sql`INSERT INTO assertion SELECT CASE json_each.value ->> 0
      WHEN 'free' THEN NOT EXISTS (SELECT 1 FROM ${table} WHERE ${table.user_id} = ${slot(OWNER)} AND ${table.id} = json_each.value ->> 1)
      WHEN 'live' THEN EXISTS (SELECT 1 FROM ${table} WHERE ${live} AND ${table.id} = json_each.value ->> 1)
      WHEN 'revision' THEN EXISTS (SELECT 1 FROM ${table} WHERE ${live} AND ${table.id} = json_each.value ->> 1 AND ${table.revision} = json_each.value ->> 3)
      ${sql.join(
        resource.references.map(
          ({ column, table: target }) =>
            sql`WHEN ${sql.raw(`'${referenceCheck(column.name)}'`)} THEN ${isOwnLive(target, sql`json_each.value ->> 1`)}`,
        ),
        sql` `,
      )} END, json_each.value ->> 2 FROM json_each(${slot('checks')})`),
  }
}

/** A live row of the owner has the id. */
function isOwnLive(table: OwnedTable, id: SQL): SQL {
  return sql`EXISTS (SELECT 1 FROM ${table} WHERE ${table.user_id} = ${slot(OWNER)} AND ${table.id} = ${id} AND ${table.deleted_at} IS NULL)`
}

/** The kind of {@link Check} of a reference. */
export function referenceCheck(name: string) {
  return `reference ${name}` as const
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
  before: (column: SQLiteColumn) => SQL,
): { next: Record<string, SQL>; computed: ReadonlySet<string> } {
  const row: Write['row'] = {}
  const next: Write['next'] = {}
  for (const column of resource.visible) {
    row[column.name] = before(column)
    if (column.name in resource.derive || (resource.writable.has(column.name) && !column.generated)) {
      next[column.name] = sent[column.name] ?? kept(column)
    }
  }
  const computed = Object.entries(resource.derive)
  for (const [name, derive] of computed) next[name] = derive({ sent, next, row })
  return { next, computed: new Set(computed.map(([name]) => name)) }
}

/** What the row holds before the statement. */
function held(column: SQLiteColumn): SQL {
  return sql`${column}`
}

function defaultOf(column: SQLiteColumn): SQL {
  return column.default === undefined ? sql`NULL` : sql`${sql.param(column.default, column)}`
}
