import { parseArgs } from 'node:util'
import { newMigration } from './new-migration.ts'
import { isEngine, root } from './project.ts'

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

try {
  const { rename: renames, 'accept-data-loss': accepted } = values
  console.log(await newMigration({ root, isEngine }, { name: values.name, renames, accepted }))
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\nNothing was written.`)
  process.exitCode = 1
}
