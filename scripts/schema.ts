import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Tables by name. */
export type Tables = Record<string, Table>

/** A table as drizzle-kit describes it. */
export interface Table {
  name: string
  columns: Record<string, Column>
  indexes: Record<string, { name: string; columns: string[] }>
  foreignKeys: Record<string, ForeignKey>
  compositePrimaryKeys: Record<string, { name: string; columns: string[] }>
}

interface Column {
  name: string
  notNull: boolean
  default?: unknown
  generated?: { as: string }
}

interface ForeignKey {
  name: string
  tableFrom: string
  tableTo: string
  columnsFrom: string[]
  columnsTo: string[]
}

const readSnapshot: (json: string) => { tables: Tables } = JSON.parse
const readTable: (json: string) => Table = JSON.parse

/** The tables that TypeScript modules export. */
export async function declaredTables(files: readonly string[]): Promise<Tables> {
  const exported: unknown[] = []
  for (const file of files) {
    exported.push(...Object.values<unknown>(await import(pathToFileURL(file).href)))
  }
  const { generateSQLiteDrizzleJson } = await import('drizzle-kit/api')
  const snapshot = JSON.stringify(await generateSQLiteDrizzleJson(Object.fromEntries(exported.entries())))
  return readSnapshot(snapshot).tables
}

/**
 * The tables that the migrations of a folder make: one file each in its meta/, so that two branches meet only in a table
 * that both have changed.
 */
export function recordedTables(folder: string): Tables {
  const tables: Tables = {}
  for (const file of recordsOf(folder)) {
    const table = readTable(readFileSync(join(folder, 'meta', file), 'utf8'))
    tables[table.name] = table
  }
  return tables
}

/** Writes what {@link recordedTables} reads. */
export function recordTables(folder: string, tables: Tables): void {
  for (const file of recordsOf(folder)) rmSync(join(folder, 'meta', file))
  mkdirSync(join(folder, 'meta'), { recursive: true })
  for (const [name, table] of Object.entries(tables)) {
    writeFileSync(join(folder, 'meta', `${name}.json`), `${JSON.stringify(table, null, 2)}\n`)
  }
}

function recordsOf(folder: string): string[] {
  try {
    return readdirSync(join(folder, 'meta')).filter((file) => file.endsWith('.json'))
  } catch {
    return []
  }
}
