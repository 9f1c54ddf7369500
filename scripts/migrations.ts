import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import * as z from 'zod'

/** The migrations of a folder in the order they are applied. */
export function migrationFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith('.sql'))
      .toSorted()
  } catch {
    return []
  }
}

/** The statements of a migration. */
export function statementsOf(folder: string, file: string): string[] {
  return readFileSync(join(folder, file), 'utf8')
    .split('--> statement-breakpoint')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

/**
 * Lets drizzle-kit write the migration from `out`'s last snapshot to `schema` (a glob of TypeScript files), then finishes
 * the SQL. Returns the files it added: none when nothing has changed. Throws what drizzle-kit printed when it failed.
 */
export function generateMigration(schema: string, out: string, name?: string): string[] {
  const before = new Set(migrationFiles(out))
  const columns = columnsAt(out)
  // drizzle-kit reads an absolute path as one below the working directory.
  const args = ['generate', '--dialect=sqlite', `--schema=${schema}`, `--out=${relative('', out)}`]
  const printed = execFileSync('drizzle-kit', name ? [...args, `--name=${name}`] : args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  })
  const added = migrationFiles(out).filter((file) => !before.has(file))
  // It exits with 0 whatever happens.
  if (!added.length && !printed.includes('No schema changes')) {
    throw new Error(`drizzle-kit failed:\n${printed}`)
  }
  for (const file of added) {
    const path = join(out, file)
    writeFileSync(path, finish(readFileSync(path, 'utf8'), columns))
  }
  return added
}

/** The tables whose rows a migration can lose: dropped, rebuilt, or with a column dropped. */
export function tablesAtRisk(folder: string, file: string): string[] {
  const sql = readFileSync(join(folder, file), 'utf8')
  const risks = [/DROP TABLE (?:IF EXISTS )?`(\w+)`/gi, /ALTER TABLE `(\w+)` DROP/gi, /DELETE FROM `(\w+)`/gi]
  return [...new Set(risks.flatMap((risk) => [...sql.matchAll(risk)].map((match) => match[1] ?? '')))]
}

const snapshot = z.object({
  tables: z.record(z.string(), z.object({ columns: z.record(z.string(), z.unknown()) })),
})

/** The columns of each table, as drizzle-kit's last snapshot has them. */
function columnsAt(out: string): ReadonlyMap<string, ReadonlySet<string>> {
  const meta = join(out, 'meta')
  const last = (existsSync(meta) ? readdirSync(meta) : [])
    .filter((file) => file.endsWith('_snapshot.json'))
    .toSorted()
    .at(-1)
  if (!last) return new Map()
  const { tables } = snapshot.parse(JSON.parse(readFileSync(join(meta, last), 'utf8')))
  return new Map(
    Object.entries(tables).map(([name, { columns }]) => [name, new Set(Object.keys(columns))] as const),
  )
}

/**
 * What Drizzle cannot say. Every table gets STRICT and WITHOUT ROWID. Where a table is rebuilt, only the columns that it
 * had are copied, and none that is generated: SQLite takes the quoted name of a column that is not there for a text, and
 * would store it. Foreign keys are checked at the end: inside a migration, which D1 runs as a transaction, `PRAGMA
 * foreign_keys` does nothing.
 */
function finish(migration: string, before: ReadonlyMap<string, ReadonlySet<string>>): string {
  const generated = new Set(
    [...migration.matchAll(/^\t`(\w+)` .*GENERATED ALWAYS AS/gm)].map(([, name]) => name),
  )
  const copied = (table: string, columns: string) =>
    columns
      .split(', ')
      .filter((column) => {
        const name = column.replaceAll('"', '')
        return !generated.has(name) && before.get(table)?.has(name)
      })
      .join(', ')
  return migration
    .replaceAll(/^(CREATE TABLE [^;]*\n\));/gm, '$1 STRICT, WITHOUT ROWID;')
    .replaceAll(
      /INSERT INTO `__new_(\w+)`\(([^)]*)\) SELECT (.*?) FROM/g,
      (_, table: string, into: string, from: string) =>
        `INSERT INTO \`__new_${table}\`(${copied(table, into)}) SELECT ${copied(table, from)} FROM`,
    )
    .replaceAll(/PRAGMA foreign_keys=OFF/gi, 'PRAGMA defer_foreign_keys=ON')
    .replaceAll(/PRAGMA foreign_keys=ON/gi, 'PRAGMA defer_foreign_keys=OFF')
}
