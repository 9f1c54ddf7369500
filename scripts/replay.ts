import { withLocalDatabase } from './local-database.ts'
import { migrationFiles, statementsOf } from './migrations.ts'

/** How many rows each table had before a migration and has after it. */
export interface Replay {
  file: string
  table: string
  before: number
  after: number
}

const USERS = ['alice', 'bob']
const ROWS = 3

/**
 * Applies every migration of `folder` to a new local D1, with rows in every table before each one, and says where the
 * number of rows changed. Throws D1's error when one cannot be applied.
 */
export async function replay(folder: string): Promise<Replay[]> {
  return withLocalDatabase(async (database) => {
    const changes: Replay[] = []
    for (const file of migrationFiles(folder)) {
      await seed(database)
      const before = await counts(database)
      const statements = statementsOf(folder, file)
      await database.batch(statements.map((statement) => database.prepare(statement)))
      const after = await counts(database)
      const renamed = renamesIn(statements)
      for (const [table, count] of before) {
        const left = after.get(renamed.get(table) ?? table) ?? 0
        if (left !== count) changes.push({ file, table, before: count, after: left })
      }
    }
    return changes
  })
}

/** The tables that go on under another name; not those that are a rebuilt table on its way. */
function renamesIn(statements: readonly string[]): Map<string, string> {
  const found = statements.flatMap((statement) => [
    ...statement.matchAll(/^ALTER TABLE `((?!__new_)\w+)` RENAME TO `(\w+)`/gm),
  ])
  return new Map(found.map(([, from = '', to = '']) => [from, to]))
}

async function tables(db: D1Database): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*'`,
    )
    .all<{ name: string }>()
  return results.map(({ name }) => name)
}

async function counts(db: D1Database): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const table of await tables(db)) {
    found.set(table, (await db.prepare(`SELECT count(*) AS rows FROM "${table}"`).first<number>('rows')) ?? 0)
  }
  return found
}

interface Column {
  name: string
  type: string
  notnull: number
  hidden: number
  pk: number
}

/** Puts a few rows per user into every table that has none, parents before children. */
async function seed(db: D1Database): Promise<void> {
  const waiting = new Set(await tables(db))
  while (waiting.size) {
    for (const table of waiting) {
      const { results: keys } = await db
        .prepare(`SELECT "table" AS target, "from" AS own FROM pragma_foreign_key_list(?)`)
        .bind(table)
        .all<{ target: string; own: string }>()
      if (keys.some(({ target }) => target !== table && waiting.has(target))) continue
      waiting.delete(table)
      await fill(db, table, new Set(keys.map(({ own }) => own)))
    }
  }
}

async function fill(db: D1Database, table: string, references: ReadonlySet<string>): Promise<void> {
  if (await db.prepare(`SELECT 1 AS found FROM "${table}" LIMIT 1`).first()) return
  const { results } = await db.prepare(`SELECT * FROM pragma_table_xinfo(?)`).bind(table).all<Column>()
  const columns = results.filter(({ hidden }) => hidden === 0)
  // Tables keyed by the user alone have one row for each.
  const own = columns.some(({ name }) => name === 'user_id') ? 'user_id' : 'id'
  const keys = columns.filter(({ pk }) => pk)
  const rows = keys.every(({ name }) => name === own) ? 1 : ROWS
  const ofUsers = keys.some(({ name }) => name === own)
  const inserts = USERS.flatMap((user) =>
    Array.from({ length: rows }, (_, row) =>
      db
        .prepare(
          `INSERT INTO "${table}" (${columns.map(({ name }) => `"${name}"`).join()}) VALUES (${columns.map(() => '?').join()})`,
        )
        .bind(
          ...columns.map((column) => {
            if (column.name === own) return user
            if (column.pk && !ofUsers) return `${user} ${row}`
            return valueFor(column, user, row, references)
          }),
        ),
    ),
  )
  await db.batch(inserts)
}

/** Rows of one user share ids across tables, so a reference is the id of the same number. */
function valueFor(
  { name, type, notnull, pk }: Column,
  user: string,
  row: number,
  references: ReadonlySet<string>,
) {
  if (pk || references.has(name)) return `row-${row}`
  if (name === 'deleted_at' || (!notnull && row === 0)) return null
  return /int|real/i.test(type)
    ? row
    : type.toLowerCase() === 'blob'
      ? new Uint8Array([row])
      : JSON.stringify([`${user} ${row}`])
}
