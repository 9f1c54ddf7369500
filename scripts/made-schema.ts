import { DatabaseSync } from 'node:sqlite'

/** A table of a database, independent of the order and the quotes of the statements that made it. */
export type MadeSchema = Readonly<Record<string, string>>

/** The tables that statements make of an empty database. Throws SQLite's error when one cannot be run. */
export function schemaMadeBy(statements: readonly string[]): MadeSchema {
  const db = new DatabaseSync(':memory:')
  try {
    for (const statement of statements) db.exec(statement)
    const tables = db.prepare(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*'`,
    )
    return Object.fromEntries(
      tables.all().map(({ name }) => {
        const table = String(name)
        const columns = db
          .prepare(
            `SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) ORDER BY name`,
          )
          .all(table)
        const keys = db
          .prepare(
            `SELECT "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY "table", "from", "to"`,
          )
          .all(table)
        const indexes = db
          .prepare(`SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type = 'index' ORDER BY name`)
          .all(table)
          .map(({ sql }) => String(sql).replaceAll(/["`\s]/g, ''))
        const kind = db.prepare(`SELECT wr, strict FROM pragma_table_list(?)`).get(table)
        return [table, JSON.stringify({ columns, keys, indexes, kind })]
      }),
    )
  } finally {
    db.close()
  }
}
