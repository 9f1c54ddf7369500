import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { difference, type Rename } from './difference.ts'
import { declaredTables, recordedTables, recordTables, type Tables } from './schema.ts'

const BREAK = '\n--> statement-breakpoint\n'

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
  return statementsIn(readFileSync(join(folder, file), 'utf8'))
}

/** The statements that make one set of tables of another. */
export async function statementsFrom(before: Tables, after: Tables): Promise<string[]> {
  const change = await difference(before, after, [])
  return change ? statementsIn(finish(change.statements.join(BREAK))) : []
}

function statementsIn(migration: string): string[] {
  return migration
    .split('--> statement-breakpoint')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

/** How a migration is to be written. */
export interface Wish {
  /** What it is called, otherwise after what it does. */
  name?: string | undefined
  renames?: readonly Rename[]
}

/**
 * Writes the migration from what those in `folder` make to the tables that `modules` export. Returns its file, or
 * undefined when nothing has changed. Its name begins with the time (UTC), so that no two branches, nor the engine and a
 * project, ever give the same number.
 */
export async function writeMigration(
  modules: readonly string[],
  folder: string,
  { name, renames = [] }: Wish = {},
): Promise<string | undefined> {
  const declared = await declaredTables(modules)
  const change = await difference(recordedTables(folder), declared, renames)
  if (!change) return undefined
  const file = `${stamp(folder)}_${name ?? change.name}.sql`
  writeFileSync(join(folder, file), finish(change.statements.join(BREAK)))
  recordTables(folder, declared)
  return file
}

/** The time in UTC to the second as digits, after that of every migration there is. */
export function stamp(folder: string): string {
  const now = Number(new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14))
  const last = Math.max(0, ...migrationFiles(folder).map((file) => Number.parseInt(file, 10)))
  return String(Math.max(now, last + 1))
}

/** The tables whose rows a migration can lose: dropped, rebuilt, or with a column dropped. */
export function tablesAtRisk(folder: string, file: string): string[] {
  const sql = readFileSync(join(folder, file), 'utf8')
  const risks = [/DROP TABLE (?:IF EXISTS )?`(\w+)`/gi, /ALTER TABLE `(\w+)` DROP/gi, /DELETE FROM `(\w+)`/gi]
  return [...new Set(risks.flatMap((risk) => [...sql.matchAll(risk)].map((match) => match[1] ?? '')))]
}

/**
 * What Drizzle cannot say. Every table gets STRICT and WITHOUT ROWID. Where a table is rebuilt, its generated columns
 * are not copied, and foreign keys are checked at the end: inside a migration, which D1 runs as a transaction,
 * `PRAGMA foreign_keys` does nothing.
 */
function finish(migration: string): string {
  const generated = new Set(
    [...migration.matchAll(/^\t`(\w+)` .*GENERATED ALWAYS AS/gm)].map(([, name]) => name),
  )
  const copied = (columns: string) =>
    columns
      .split(', ')
      .filter((column) => !generated.has(column.replaceAll('"', '')))
      .join(', ')
  return migration
    .replaceAll(/^(CREATE TABLE [^;]*\n\));/gm, '$1 STRICT, WITHOUT ROWID;')
    .replaceAll(
      /(INSERT INTO `__new_\w+`)\(([^)]*)\) SELECT (.*?) FROM/g,
      (_, insert: string, into: string, from: string) =>
        `${insert}(${copied(into)}) SELECT ${copied(from)} FROM`,
    )
    .replaceAll(/PRAGMA foreign_keys=OFF/gi, 'PRAGMA defer_foreign_keys=ON')
    .replaceAll(/PRAGMA foreign_keys=ON/gi, 'PRAGMA defer_foreign_keys=OFF')
}
