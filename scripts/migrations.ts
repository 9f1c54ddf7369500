import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Lets drizzle-kit write the migration from `out`'s last snapshot to `schema` (a glob of TypeScript files), then finishes
 * the SQL. Returns the files it added: none when nothing has changed.
 */
export function generateMigration(schema: string, out: string, name?: string): string[] {
  const before = new Set(sqlFiles(out))
  const args = ['generate', '--dialect=sqlite', `--schema=${schema}`, `--out=${out}`]
  execFileSync('drizzle-kit', name ? [...args, `--name=${name}`] : args, {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const added = sqlFiles(out).filter((file) => !before.has(file))
  for (const file of added) {
    const path = join(out, file)
    writeFileSync(path, finish(readFileSync(path, 'utf8')))
  }
  return added
}

/** Drizzle knows neither STRICT nor WITHOUT ROWID: every table it creates gets both. */
function finish(migration: string): string {
  return migration.replaceAll(/^(CREATE TABLE [^;]*\n\));/gm, '$1 STRICT, WITHOUT ROWID;')
}

function sqlFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith('.sql'))
      .toSorted()
  } catch {
    return []
  }
}
