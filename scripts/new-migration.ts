import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { declarationFiles, writeIndex } from './declarations.ts'
import { likelyRenames, parseRename } from './difference.ts'
import { copyEngineMigrations, writeEngineMigration } from './engine-migrations.ts'
import { migrationFiles, tablesAtRisk, writeMigration } from './migrations.ts'
import { engine } from './project.ts'
import { replay, type Replay } from './replay.ts'
import { declaredTables, recordedTables } from './schema.ts'

/** A project whose database is to follow its declarations. */
interface Project {
  root: string
  /** Whether it is the package itself, whose own tables may have changed too. */
  isEngine: boolean
}

/** What the author says of a migration, each as the command takes it. */
export interface Said {
  name?: string | undefined
  renames?: readonly string[]
  /** The tables that it may drop or rebuild. */
  accepted?: readonly string[]
}

/**
 * Writes the migration that brings a project's database to what it declares, once it was tried on a local D1 with rows in
 * it. Resolves to what was done, in a sentence. Throws a sentence when it is refused, and then nothing was written.
 */
export async function newMigration({ root, isEngine }: Project, said: Said): Promise<string> {
  const { name, renames = [], accepted = [] } = said
  if (name !== undefined && !/^\w+$/.test(name))
    throw new Error(`${name}: a name is of letters, digits and _.`)
  const migrations = join(root, 'migrations')
  const schema = join(engine, 'src', 'schema')
  const scratch = mkdtempSync(join(tmpdir(), 'freehold-migrations-'))
  // Written elsewhere until it is accepted: npm run dev applies every file in migrations/.
  const out = join(scratch, 'migrations')
  mkdirSync(migrations, { recursive: true })
  cpSync(migrations, out, { recursive: true })
  if (isEngine) cpSync(schema, join(scratch, 'schema'), { recursive: true })
  try {
    if (isEngine) await writeEngineMigration({ name })
    const copied = copyEngineMigrations(out)
    const before = recordedTables(out)
    const modules = declarationFiles(root)
    const own = await writeMigration(modules, out, { name, renames: renames.map(parseRename) })
    const added = [...copied, ...(own === undefined ? [] : [own])]
    if (!added.length) {
      await writeIndex(root)
      return 'The migrations match the declarations already.'
    }
    // Those of the package were tried with it.
    const mine = isEngine ? added : added.filter((file) => file === own)
    const refused = mine
      .flatMap((file) => tablesAtRisk(out, file))
      .filter((table) => !accepted.includes(table))
    if (refused.length) {
      const likely = likelyRenames(before, await declaredTables(modules))
      throw new Error(
        `This migration drops or rebuilds: ${refused.join(', ')}. If that is meant, name each: ` +
          refused.map((table) => `--accept-data-loss ${table}`).join(' ') +
          likely.map((each) => `\nIf the column only has another name now: --rename ${each}`).join(''),
      )
    }
    const changes = await replay(out)
    const lost = changes.filter(({ file, table }) => mine.includes(file) && !accepted.includes(table))
    if (lost.length) {
      throw new Error(
        `Replayed on a database with rows in it, the migrations lose some:\n${lost.map(sentence).join('\n')}`,
      )
    }
    replace(migrations, out)
    await writeIndex(root)
    return (
      `Wrote ${added.map((file) => `migrations/${file}`).join(', ')} and replayed all ${migrationFiles(out).length} ` +
      `migrations on a database with rows in it: ${changes.map(sentence).join('; ') || 'none was lost'}.`
    )
  } catch (error) {
    if (isEngine) replace(schema, join(scratch, 'schema'))
    throw error
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

function replace(folder: string, by: string): void {
  rmSync(folder, { recursive: true })
  cpSync(by, folder, { recursive: true })
}

function sentence({ file, table, before, after }: Replay): string {
  return `${file}: ${table} had ${before} rows, then ${after}`
}
