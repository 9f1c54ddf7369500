import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { migrationFiles, stamp, writeMigration, type Wish } from './migrations.ts'
import { engine, isEngine } from './project.ts'

// The package's own tables have a chain of migrations that no project's tables are part of, and neither refers to the
// other: both lie in a project's migrations/ and are applied in any order between them.
const folder = join(engine, 'src', 'schema')
const HOLDS = '-- freehold: '

/** In the package's own repository: the migration of its tables, if they have changed. */
export function writeEngineMigration(wish: Wish): Promise<string | undefined> {
  return writeMigration([join(folder, 'index.ts')], folder, wish)
}

/**
 * Writes the migrations of the package that a project does not have yet, as one file that names them. Returns the files
 * it wrote.
 */
export function copyEngineMigrations(migrations: string): string[] {
  mkdirSync(migrations, { recursive: true })
  const known = new Set(
    migrationFiles(migrations).flatMap((file) => [file, ...heldBy(join(migrations, file))]),
  )
  const missing = migrationFiles(folder).filter((file) => !known.has(file))
  if (!missing.length) return []
  if (isEngine) {
    for (const file of missing) copyFileSync(join(folder, file), join(migrations, file))
    return missing
  }
  const parts = missing.map((file) => `${HOLDS}${file}\n${readFileSync(join(folder, file), 'utf8').trim()}`)
  const file = `${stamp(migrations)}_freehold.sql`
  writeFileSync(join(migrations, file), `${parts.join('\n--> statement-breakpoint\n')}\n`)
  return [file]
}

/** The migrations of the package that a project's file was made of. */
function heldBy(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(HOLDS))
    .map((line) => line.slice(HOLDS.length))
}
