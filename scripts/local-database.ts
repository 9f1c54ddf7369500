import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getPlatformProxy } from 'wrangler'
import { migrationFiles, statementsOf } from './migrations.ts'

/** Of a project's bindings only a database: wrangler would warn about those that need the Worker. */
const CONFIG = `compatibility_date = "2026-10-01"
[[d1_databases]]
binding = "DB"
database_name = "local"
database_id = "00000000-0000-0000-0000-000000000000"
`

/** Does some work with a new, empty local D1, which is gone afterwards. */
export async function withLocalDatabase<Result>(
  work: (database: D1Database) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-database-'))
  const configPath = join(folder, 'wrangler.toml')
  writeFileSync(configPath, CONFIG)
  const { env, dispose } = await getPlatformProxy<{ DB: D1Database }>({
    configPath,
    persist: { path: folder },
  })
  try {
    return await work(env.DB)
  } finally {
    await dispose()
    rmSync(folder, { recursive: true })
  }
}

/** Applies the migrations of a folder. Returns their names. */
export async function applyMigrations(database: D1Database, folder: string): Promise<string[]> {
  const files = migrationFiles(folder)
  for (const file of files) {
    await database.batch(statementsOf(folder, file).map((statement) => database.prepare(statement)))
  }
  return files
}
