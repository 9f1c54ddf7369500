import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { declarationFiles, writeIndex } from './declarations.ts'
import { likelyRenames, parseRename } from './difference.ts'
import { copyEngineMigrations, writeEngineMigration } from './engine-migrations.ts'
import { migrationFiles, tablesAtRisk, writeMigration } from './migrations.ts'
import { engine, isEngine, root } from './project.ts'
import { replay, type Replay } from './replay.ts'
import { declaredTables, recordedTables } from './schema.ts'

const USAGE = `Usage: npm run migrate:new -- [--name <name>] [--rename <table>.<column>:<new name>]... [--accept-data-loss <table>]...

Writes the migration that brings the database to what src/resources declares, and tries it on a local D1 with rows in it.
Migrations of the engine that this project does not have yet are written beside it. It is named after what it does, unless
you name it.

--rename keeps the values of a column (or, as <table>:<new name>, the rows of a table) that has another name now; without
it the old one is dropped and a new, empty one added. A migration that drops or rebuilds a table, or drops a column, is
refused unless the table is named with --accept-data-loss.`

const { values } = parseArgs({
  options: {
    name: { type: 'string' },
    rename: { type: 'string', multiple: true, default: [] },
    'accept-data-loss': { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean' },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit()
}

const migrations = join(root, 'migrations')
const schema = join(engine, 'src', 'schema')
const scratch = mkdtempSync(join(tmpdir(), 'freehold-migrations-'))
// Written elsewhere until it is accepted: npm run dev applies every file in migrations/.
const out = join(scratch, 'migrations')
try {
  mkdirSync(migrations, { recursive: true })
  cpSync(migrations, out, { recursive: true })
  if (isEngine) cpSync(schema, join(scratch, 'schema'), { recursive: true })
  await migrate()
} catch (error) {
  if (isEngine) replace(schema, join(scratch, 'schema'))
  console.error(`${error instanceof Error ? error.message : String(error)}\nNothing was written.`)
  process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true })
}

function replace(folder: string, by: string): void {
  rmSync(folder, { recursive: true })
  cpSync(by, folder, { recursive: true })
}

async function migrate(): Promise<void> {
  const { name } = values
  if (name !== undefined && !/^\w+$/.test(name))
    throw new Error(`${name}: a name is of letters, digits and _.`)
  if (isEngine) await writeEngineMigration({ name })
  const copied = copyEngineMigrations(out)
  const before = recordedTables(out)
  const modules = declarationFiles(root)
  const own = await writeMigration(modules, out, { name, renames: values.rename.map(parseRename) })
  const added = [...copied, ...(own === undefined ? [] : [own])]
  if (!added.length) {
    await writeIndex(root)
    console.log('The migrations match the declarations already.')
    return
  }
  const accepted = new Set(values['accept-data-loss'])
  // Those of the package were tried with it.
  const mine = isEngine ? added : added.filter((file) => file === own)
  const refused = mine.flatMap((file) => tablesAtRisk(out, file)).filter((table) => !accepted.has(table))
  if (refused.length) {
    const renames = likelyRenames(before, await declaredTables(modules))
    throw new Error(
      `This migration drops or rebuilds: ${refused.join(', ')}. If that is meant, name each: ` +
        refused.map((table) => `--accept-data-loss ${table}`).join(' ') +
        renames.map((each) => `\nIf the column only has another name now: --rename ${each}`).join(''),
    )
  }
  const changes = await replay(out)
  const lost = changes.filter(({ file, table }) => mine.includes(file) && !accepted.has(table)).map(sentence)
  if (lost.length) {
    throw new Error(`Replayed on a database with rows in it, the migrations lose some:\n${lost.join('\n')}`)
  }
  replace(migrations, out)
  await writeIndex(root)
  console.log(
    `Wrote ${added.map((file) => `migrations/${file}`).join(', ')} and replayed all ${migrationFiles(out).length} ` +
      `migrations on a database with rows in it: ${changes.map(sentence).join('; ') || 'none was lost'}.`,
  )
}

function sentence({ file, table, before, after }: Replay): string {
  return `${file}: ${table} had ${before} rows, then ${after}`
}
