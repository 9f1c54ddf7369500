import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { migrationFiles, writeMigration, type Wish } from './migrations.ts'
import { engine } from './project.ts'

// The package's own tables have a chain of migrations that no project's tables are part of, and neither refers to the
// other: both lie in a project's migrations/ and are applied in any order between them.
const folder = join(engine, 'src', 'schema')

/** In the package's own repository: the migration of its tables, if they have changed. */
export function writeEngineMigration(wish: Wish): Promise<string | undefined> {
  return writeMigration([join(folder, 'index.ts')], folder, wish)
}

/** Copies the migrations of the package that a project does not have yet. Returns their files. */
export function copyEngineMigrations(migrations: string): string[] {
  const known = new Set(migrationFiles(migrations))
  const added = migrationFiles(folder).filter((file) => !known.has(file))
  for (const file of added) copyFileSync(join(folder, file), join(migrations, file))
  return added
}
