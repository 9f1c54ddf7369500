import { getTableColumns, getTableName, sql, type BuildColumns, type SQL } from 'drizzle-orm'
import {
  foreignKey,
  getTableConfig,
  index,
  primaryKey,
  sqliteTable,
  text,
  integer,
  uniqueIndex,
  type SQLiteColumn,
  type SQLiteColumnBuilderBase,
  type SQLiteTable,
  type SQLiteTableWithColumns,
} from 'drizzle-orm/sqlite-core'
import * as z from 'zod/mini'
import { memo } from '../memo.ts'
import { id } from './fields.ts'
import { filterOn, readFilter, type Filter, type FilterDeclaration } from './filters.ts'

/** How long a deleted row can be restored, in days; then it is purged. */
export const TRASH_DAYS = 30

/** The columns that every owned table has, around its own. */
function ownedColumns() {
  return {
    id: text().notNull(),
    user_id: text().notNull(),
    revision: integer().notNull(),
    created_at: text().notNull(),
    updated_at: text().notNull(),
    /** Who made the row, and who wrote it last. Null where that is its owner, so that a user's own row pays nothing for it. */
    created_by: text(),
    updated_by: text(),
    deleted_at: text(),
  }
}

/**
 * A table whose every row belongs to an owner, a user or a team: `id`, `user_id`, `revision`, `created_at`, `updated_at`,
 * `created_by`, `updated_by` and `deleted_at` come with it, keyed by (user_id, id) so that one owner's rows lie together and
 * no key reaches another's.
 * `npm run migrate:new` makes it STRICT and WITHOUT ROWID. Each column in `index` costs a row on every write that sets it,
 * as much as reading 1,000: it pays only where users with very many rows filter by it. So does each in `sorted`, with which a
 * page sorted by that column costs its own rows, at any depth and in both directions.
 */
export function ownedTable<Name extends string, Columns extends Record<string, SQLiteColumnBuilderBase>>(
  name: Name,
  columns: Columns,
  { index: indexed = [], sorted = [] }: Indexes<keyof Columns & string> = {},
): TableOf<Name, Columns> {
  const { id: rowId, user_id, ...bookkeeping } = ownedColumns()
  const all = { id: rowId, user_id, ...columns, ...bookkeeping }
  const above = Object.keys(columns).find((column) => targets.get(columns[column] ?? {})?.parent)
  const owned = sqliteTable(name, all, (table: OwnedColumns & Record<string, SQLiteColumn>) => [
    primaryKey({ columns: [table.user_id, table.id] }),
    uniqueIndex(`${name}_revision`).on(table.user_id, table.revision),
    // Partial: only rows in the trash are in it, so live rows do not pay for it.
    index(`${name}_trash`)
      .on(table.deleted_at)
      .where(sql`${table.deleted_at} IS NOT NULL`),
    ...indexed.flatMap((column) => {
      const own = table[column]
      return own ? [index(columnIndex(name, column)).on(table.user_id, own)] : []
    }),
    ...sorted.flatMap((column) => {
      const own = table[column]
      // A child's lists are each under one parent.
      const under = above === undefined ? undefined : table[above]
      const key = under ? [under] : []
      return own ? [index(sortIndex(name, column)).on(table.user_id, ...key, sortKey(own))] : []
    }),
    ...Object.entries(columns).flatMap(([column, builder]) => {
      const target = targets.get(builder)
      const own = table[column]
      if (!target || !own) return []
      // Composite, so the database refuses a reference to another user's row. It never cascades: see src/user/purge.ts.
      const key = foreignKey({
        columns: [table.user_id, own],
        foreignColumns: [target.table.user_id, target.table.id],
      })
      return target.parent ? [key, index(parentIndex(name, column)).on(table.user_id, own)] : [key]
    }),
  ])
  const moments = Object.keys(columns).filter((column) => instants.has(columns[column] ?? {}))
  instantsOf.set(owned, new Set(['created_at', 'updated_at', ...moments]))
  return owned
}

/** The columns of a table that have an index, for filters and for lists in their order. */
interface Indexes<Own extends string> {
  index?: readonly Own[]
  sorted?: readonly (Own | 'created_at' | 'updated_at')[]
}

/** The columns that say who did it. */
export const ACTORS: ReadonlySet<string> = new Set(['created_by', 'updated_by'])

/** The index that keeps the children of one parent together, newest last (the id is its implicit end). */
export function parentIndex(table: string, column: string): string {
  return `${table}_${column}`
}

/** The index that keeps a user's rows with one value of a column together, by id. */
function columnIndex(table: string, column: string): string {
  return `${table}_by_${column}`
}

/** The index that keeps a user's rows, or the children of one parent, in the order of {@link sortKey}. */
function sortIndex(table: string, column: string): string {
  return `${table}_sorted_by_${column}`
}

/**
 * What a column sorts by: an enum by its declared order, text without regard to ASCII case. The enum's values are
 * written into the statement: each would take one of the hundred parameters that D1 binds.
 */
export function sortKey(column: SQLiteColumn): SQL {
  if (column.enumValues?.length) {
    const ranks = column.enumValues.map((value, rank) => sql.raw(`WHEN ${literal(value)} THEN ${rank}`))
    return sql`CASE ${column} ${sql.join(ranks, sql` `)} END`
  }
  return column.dataType === 'string' ? sql`${column} COLLATE NOCASE` : sql`${column}`
}

/** A string as SQL writes it. Never a request's. */
function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}

interface Target {
  table: OwnedTable
  parent: boolean
}

const targets = new WeakMap<object, Target>()
const instants = new WeakSet<object>()
const instantsOf = new WeakMap<OwnedTable, ReadonlySet<string>>()

/** A column for a moment that `derive` computes, in the form of `created_at`. */
export function instant() {
  const column = text()
  instants.add(column)
  return column
}

/**
 * A column for the id of one of the user's own live rows in another table. When that row is purged the reference becomes
 * null; with `.notNull()` the row goes into the trash instead, and is purged before what it refers to.
 */
export function reference(table: OwnedTable) {
  const column = text()
  targets.set(column, { table, parent: false })
  return column
}

/** The column that makes a table a child: its collection nests under the parent's, and the path fills the column. */
export function parent(table: OwnedTable) {
  const column = text().notNull()
  targets.set(column, { table, parent: true })
  return column
}

type Bookkeeping = ReturnType<typeof ownedColumns>

/** What {@link ownedTable} makes. Said by name, because Drizzle's own type does not survive in the package's declarations. */
type TableOf<
  Name extends string,
  Columns extends Record<string, SQLiteColumnBuilderBase>,
> = SQLiteTableWithColumns<{
  name: Name
  schema: undefined
  columns: BuildColumns<
    Name,
    Pick<Bookkeeping, 'id' | 'user_id'> & Columns & Omit<Bookkeeping, 'id' | 'user_id'>,
    'sqlite'
  >
  dialect: 'sqlite'
}>

type OwnedColumns = Record<keyof ReturnType<typeof ownedColumns>, SQLiteColumn>

/** Any table made by {@link ownedTable}. */
export type OwnedTable = SQLiteTable & OwnedColumns

type ColumnName<Table extends OwnedTable> = keyof Table['$inferSelect'] & string
type OwnColumnName<Table extends OwnedTable> = Exclude<ColumnName<Table>, keyof OwnedColumns>

/** The validators of a body's fields, for the columns of the same names. */
export type FieldShape = Record<string, z.core.$ZodType>

/** Every field must be a column of the table and hold what that column holds: anything else is a compile error. */
type ColumnInputs<Table extends OwnedTable, Shape extends FieldShape> = {
  [Name in keyof Shape]: string extends Name
    ? z.core.$ZodType
    : Name extends OwnColumnName<Table>
      ? z.core.$ZodType<NonNullable<Table['$inferSelect'][Name]>>
      : `no such column: ${Name & string}`
}

/** The fields of a valid body: any may be missing, and those of nullable columns may be null. */
type Fields<Table extends OwnedTable, Shape extends FieldShape> = {
  [Name in keyof Shape]?:
    | z.output<Shape[Name]>
    | (Name extends ColumnName<Table> ? Extract<Table['$inferSelect'][Name], null> : never)
    | undefined
}

/** What a statement is about to write, for a column that the statement computes: SQL for each value, by column name. */
export interface Write<Name extends string = string> {
  /** The fields that the request sent. */
  sent: Partial<Record<Name, SQL>>
  /** What each column will hold: the field sent, otherwise its default (create, replace) or what it holds (update). */
  next: Record<Name, SQL>
  /** What each column holds before the statement; NULL in a create. */
  row: Record<Name, SQL>
}

/** What makes a user-owned resource; the whole of it. Locked unless declared. */
export interface Declaration<Table extends OwnedTable, Shape extends FieldShape> {
  table: Table
  /** What one row is called, where it is not the table's name without its last `s`. */
  singular?: string
  /**
   * The fields a client may write, each with what its column cannot say: its form. Whether it may be null, may be left
   * out, and what it is then, comes from the column.
   */
  input: Shape
  /** Fields of the past: bodies may hold them, and they are ignored, so that old applications can go on sending them. */
  retired?: readonly string[]
  /** What no single field can say about a body; adds issues with a path (zod `.check`). */
  check?: z.core.CheckFn<Fields<Table, Shape>>
  /** Columns that the statement computes, in this order, each from what is about to be written. */
  derive?: { [Name in ColumnName<Table>]?: (write: Write<ColumnName<Table>>) => SQL }
  /** The query parameters that filter a list. */
  filter?: readonly FilterDeclaration<ColumnName<Table>>[]
  /** The columns a list may be sorted by. An enum sorts in its declared order. */
  sort?: readonly ColumnName<Table>[]
  /** The text columns that `q` looks into. */
  search?: readonly ColumnName<Table>[]
  /** Who in a team may write its rows, where editors may not. Those of a user are the user's own to write. */
  write?: WriteRole
}

/** A role in a team above the one that otherwise writes rows. */
export type WriteRole = 'admin' | 'owner'

/** A declared resource as the engine sees it, its table's types erased. */
export interface Resource {
  /** The collection's name in paths and lists, and its table's. */
  name: string
  /** What one row is called: `task`. */
  singular: string
  table: OwnedTable
  /** The columns a client sees, in the order it sees them. */
  visible: readonly SQLiteColumn[]
  /** Those of them that SQLite has no type for: booleans and JSON. */
  encoded: readonly SQLiteColumn[]
  /** The columns a client may write; a generated one among them is a shorthand that `derive` reads. */
  writable: ReadonlyMap<string, SQLiteColumn>
  /** The bodies of POST, PUT and PATCH. Read-only fields are let through unread, unknown ones are not. */
  input: Record<'create' | 'replace' | 'update', () => z.ZodMiniType<Record<string, unknown>>>
  derive: Readonly<Record<string, (write: Write) => SQL>>
  filter: readonly Filter[]
  sort: readonly string[]
  /** The index that has the rows in the order of a column, where there is one. */
  sorted: ReadonlyMap<string, string>
  search: readonly SQLiteColumn[]
  /** The columns that may hold the id of another of the user's rows, with the table it is in. */
  references: readonly Reference[]
  /** For a child: the column that holds its parent's id, and the parent. */
  parent: Parent | undefined
  /** The same for a child collection across its parents: no path names one, and every row's own must be live. */
  across: Parent | undefined
  /** The columns that hold a moment of the database's clock. */
  instants: ReadonlySet<string>
  /** The fields that bodies may hold and that are ignored. */
  retired: readonly string[]
  /** The role that a write needs in a team; undefined for an editor's. What is under another resource needs no less than that. */
  write: WriteRole | undefined
  /** Where the collection is under `/api/{user_id}`, as a route: `/tasks/:task_id/comments`. */
  path: string
}

/** What a child is under. */
export interface Parent {
  column: SQLiteColumn
  resource: Resource
}

/** A column that refers to a row of another owned table. */
export interface Reference {
  column: SQLiteColumn
  table: OwnedTable
}

/**
 * Declares a resource over an {@link ownedTable}. A misspelt column is a compile error; a column that no request and no
 * default could fill throws at start-up.
 */
export function defineResource<Table extends OwnedTable, Shape extends FieldShape>(
  declaration: Declaration<Table, Shape> & { input: ColumnInputs<Table, Shape> },
): Resource {
  const { table, input, check, retired = [], derive = {}, filter = [], sort = [], search = [] } = declaration
  const name = getTableName(table)
  const columns: Record<string, SQLiteColumn> = getTableColumns(table)
  const column = (key: string): SQLiteColumn => {
    const found = columns[key]
    if (!found) throw new Error(`${name} has no column ${key}`)
    return found
  }
  const { references, parent: above } = relationsOf(table)
  const indexNames = new Set(getTableConfig(table).indexes.map(({ config }) => config.name))
  const fields = new Map(Object.keys(input).map((key) => [key, column(key)]))
  const visible = Object.values(columns).filter(({ name: key }) => key !== 'deleted_at')
  for (const { name: key, notNull, hasDefault, generated } of visible) {
    if (key in Object.prototype)
      throw new Error(`${name}.${key} has a name that every JavaScript object knows`)
    const filled = key in owned || key === above?.column.name || fields.has(key) || key in derive
    if (filled || !notNull || hasDefault || generated) continue
    throw new Error(`${name}.${key} is NOT NULL, but nothing ever fills it`)
  }
  for (const key of retired) {
    if (key in columns) throw new Error(`${name}.${key} is a column, and so not retired`)
  }
  const holdsId = new Set([columns.id, above?.column, ...references.map((each) => each.column)])
  const sorted = new Map(
    Object.keys(columns).flatMap((key) => {
      const own = sortIndex(name, key)
      return indexNames.has(own) ? [[key, own] as const] : []
    }),
  )
  for (const key of sorted.keys()) {
    if (!sort.some((each) => each === key))
      throw new Error(`${name}.${key} has an index to sort by, but is not in sort`)
  }
  const indexOn = (key: string) => [columnIndex(name, key)].find((each) => indexNames.has(each))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- erased here, where the declaration's types end
  const checks = check ? [check as z.core.CheckFn<unknown>] : []
  const bodyOf = memo(() => {
    const ignored = visible.map((each) => each.name).filter((key) => !fields.has(key))
    const unread = [...ignored, ...retired].map((key) => [key, z.optional(z.unknown())] as const)
    const written = Object.entries(input).map(([key, schema]) => [key, fieldOf(column(key), schema)] as const)
    return z.strictObject(Object.fromEntries<z.core.$ZodType>([...written, ...unread]))
  })
  const resource: Resource = {
    name,
    singular: declaration.singular ?? name.replace(/s$/, ''),
    table,
    visible,
    encoded: visible.filter(({ dataType }) => dataType === 'boolean' || dataType === 'json'),
    writable: fields,
    input: {
      create: memo(() => z.extend(bodyOf(), { id: z.optional(id()) }).check(...checks)),
      replace: memo(() => bodyOf().check(...checks)),
      update: memo(() => z.partial(bodyOf()).check(...checks)),
    },
    derive,
    filter: filter.map((each) => {
      const { kind, column: key, parameter } = readFilter(each)
      const own = column(key)
      return filterOn(own, kind, { holdsId: holdsId.has(own), index: indexOn(key) }, parameter)
    }),
    sort,
    sorted,
    search: search.map(column),
    references,
    parent: above,
    across: undefined,
    instants: instantsOf.get(table) ?? new Set(),
    retired,
    write: stricter(declaration.write, above?.resource.write),
    path: above ? `${above.resource.path}/:${above.column.name}/${name}` : `/${name}`,
  }
  resources.set(table, resource)
  return resource
}

function stricter(one: WriteRole | undefined, other: WriteRole | undefined): WriteRole | undefined {
  return one === 'owner' ? one : (other ?? one)
}

/** A field as a body may hold it: null where its column may be, left out where the column then knows what it holds. */
function fieldOf({ notNull, hasDefault, generated }: SQLiteColumn, schema: z.core.$ZodType): z.core.$ZodType {
  const nullable = notNull ? schema : z.nullable(schema)
  return !notNull || hasDefault || generated ? z.optional(nullable) : nullable
}

/**
 * A child collection across its parents, for lists alone: the same rows whatever row they are under, with a filter by
 * that row's id. Undefined for what is no child.
 */
export function acrossParents(resource: Resource): Resource | undefined {
  const { name, parent: above, filter } = resource
  if (!above) return undefined
  const byParent = filterOn(above.column, 'equals', {
    holdsId: true,
    index: parentIndex(name, above.column.name),
  })
  const others = filter.filter(({ parameter }) => parameter !== byParent.parameter)
  const filters = [byParent, ...others]
  return {
    ...resource,
    parent: undefined,
    across: above,
    path: `/${name}`,
    filter: filters,
    sorted: new Map(),
  }
}

/** A visible column by its name. */
export function columnOf(resource: Resource, name: string): SQLiteColumn {
  const column = resource.visible.find((visible) => visible.name === name)
  if (!column) throw new Error(`${resource.name} has no column ${name}`)
  return column
}

/** The writable fields of a valid body, in the order of the declaration: read-only ones were let through unread. */
export function writable(resource: Resource, body: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    [...resource.writable.keys()]
      .filter((name) => Object.hasOwn(body, name))
      .map((name) => [name, body[name]]),
  )
}

const resources = new WeakMap<OwnedTable, Resource>()

/** The references and the parent that {@link ownedTable} wrote into a table as foreign keys. */
function relationsOf(table: OwnedTable): Pick<Resource, 'references' | 'parent'> {
  const { name, foreignKeys, indexes } = getTableConfig(table)
  const references: Reference[] = []
  let above: Parent | undefined
  for (const key of foreignKeys) {
    const { columns, foreignTable } = key.reference()
    const column = columns.at(-1)
    if (!column || !isOwnedTable(foreignTable)) continue
    if (indexes.some(({ config }) => config.name === parentIndex(name, column.name))) {
      const resource = resources.get(foreignTable)
      if (!resource) throw new Error(`the parent of ${name} must be a resource`)
      above = { column, resource }
    } else {
      references.push({ column, table: foreignTable })
    }
  }
  return { references, parent: above }
}

function isOwnedTable(table: SQLiteTable): table is OwnedTable {
  return Object.keys(owned).every((column) => column in table)
}

const owned: Record<string, unknown> = ownedColumns()
