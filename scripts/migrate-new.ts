import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import config from '../drizzle.config.ts'
import { generateMigration, migrationFiles, tablesAtRisk } from './migrations.ts'
import { replay, type Replay } from './replay.ts'

const USAGE = `Usage: npm run migrate:new -- [--name <name>] [--accept-data-loss <table>]...

Writes the migration that brings the database to what src/resources declares, and tries it on a local D1 with rows in it.
One that drops or rebuilds a table, or drops a column, is refused unless the table is named with --accept-data-loss.`

const { values } = parseArgs({
  options: {
    name: { type: 'string' },
    'accept-data-loss': { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean' },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit()
}

const out = String(config.out)
const backup = mkdtempSync(join(tmpdir(), 'freehold-migrations-'))
cpSync(out, backup, { recursive: true })
try {
  await migrate()
} catch (error) {
  rmSync(out, { recursive: true })
  cpSync(backup, out, { recursive: true })
  console.error(`${error instanceof Error ? error.message : String(error)}\nNothing was written.`)
  process.exitCode = 1
} finally {
  rmSync(backup, { recursive: true })
}

async function migrate(): Promise<void> {
  const added = generateMigration(String(config.schema), out, values.name)
  if (!added.length) {
    console.log('The migrations match the declarations already.')
    return
  }
  const accepted = new Set(values['accept-data-loss'])
  const refused = added.flatMap((file) => tablesAtRisk(out, file)).filter((table) => !accepted.has(table))
  if (refused.length) {
    throw new Error(
      `This migration drops or rebuilds: ${refused.join(', ')}. If that is meant, name each: ` +
        refused.map((table) => `--accept-data-loss ${table}`).join(' '),
    )
  }
  const changes = await replay(out)
  const lost = changes.filter(({ table }) => !accepted.has(table)).map(sentence)
  if (lost.length) {
    throw new Error(`Replayed on a database with rows in it, the migrations lose some:\n${lost.join('\n')}`)
  }
  console.log(
    `Wrote ${added.map((file) => `migrations/${file}`).join(', ')} and replayed all ${migrationFiles(out).length} ` +
      `migrations on a database with rows in it: ${changes.map(sentence).join('; ') || 'none was lost'}.\n` +
      'Apply it with npm run migrate, then bring examples, documentation, client and costs up to date: npm run generate',
  )
}

function sentence({ file, table, before, after }: Replay): string {
  return `${file}: ${table} had ${before} rows, then ${after}`
}
