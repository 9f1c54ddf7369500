import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/**
 * Lets drizzle-kit write the migration from `out`'s last snapshot to `schema` (a glob of TypeScript files), then finishes
 * the SQL. Returns the files it added: none when nothing has changed. Throws what drizzle-kit printed when it failed.
 */
export function generateMigration(schema: string, out: string, name?: string): string[] {
  const before = new Set(sqlFiles(out))
  // drizzle-kit reads an absolute path as one below the working directory.
  const args = ['generate', '--dialect=sqlite', `--schema=${schema}`, `--out=${relative('', out)}`]
  const printed = execFileSync('drizzle-kit', name ? [...args, `--name=${name}`] : args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  })
  const added = sqlFiles(out).filter((file) => !before.has(file))
  // It exits with 0 whatever happens.
  if (!added.length && !printed.includes('No schema changes'))
    throw new Error(`drizzle-kit failed:\n${printed}`)
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
