import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { declarationFiles, writeIndex } from './declarations.ts'
import { parseRename, type Rename } from './difference.ts'
import { schemaMadeBy } from './made-schema.ts'
import { migrationFiles, statementsFrom, statementsOf, tablesAtRisk, writeMigration } from './migrations.ts'
import { engine, isEngine, root } from './project.ts'
import { replay } from './replay.ts'
import { declaredTables, recordTables, type Table, type Tables } from './schema.ts'

const USAGE = `Usage: npm run migrate:merge [-- --onto <branch>]

Run it when a merge or a rebase has met migrations of two branches, after src/resources is merged: it settles what lies in
migrations/meta. The migrations of both branches stay as they are where together they make what is declared. Where one
undoes the other (both rebuild a table), those of this branch are written again on top of the other branch's: a local
database that had them is to be made anew (delete .wrangler/state).

--onto names the other branch when git does not know it any more: by default what is being merged or rebased onto.`

const { values } = parseArgs({ options: { onto: { type: 'string' }, help: { type: 'boolean' } } })
if (values.help) {
  console.log(USAGE)
  process.exit()
}

try {
  await settle(join(root, 'migrations'), declarationFiles(root))
  if (isEngine) await settle(join(engine, 'src', 'schema'), [join(engine, 'src', 'schema', 'index.ts')])
  await writeIndex(root)
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}

/** Brings the record of a folder's tables to what its migrations make, once that is what the modules declare. */
async function settle(folder: string, modules: readonly string[]): Promise<void> {
  const declared = await declaredTables(modules)
  if (await makes(folder, declared)) {
    recordTables(folder, declared)
    console.log(`${shown(folder)}: the migrations of both branches make what is declared.`)
    return
  }
  const other = values.onto ?? otherBranch()
  if (other === undefined) {
    throw new Error(
      `${shown(folder)}: the migrations do not make what is declared. Name the branch to build on: --onto <branch>`,
    )
  }
  const theirs = filesOf(other, folder)
  const mine = migrationFiles(folder).filter((file) => !theirs.includes(file))
  const renames: Rename[] = []
  const accepted = new Set<string>()
  for (const file of mine) {
    for (const table of tablesAtRisk(folder, file)) accepted.add(table)
    renames.push(...renamesIn(folder, file))
    rmSync(join(folder, file))
  }
  recordTables(folder, recordedIn(other, folder))
  const again = await writeMigration(modules, folder, { renames })
  const risks = again === undefined ? [] : tablesAtRisk(folder, again)
  const unknown = risks.filter((table) => !accepted.has(table))
  if (unknown.length) throw new Error(`${again} would drop or rebuild ${unknown.join(', ')}: look at it.`)
  const lost = (await replay(folder)).filter(({ table }) => !accepted.has(table))
  if (lost.length) throw new Error(`${again} loses rows of ${lost.map(({ table }) => table).join(', ')}.`)
  console.log(`${shown(folder)}: wrote ${again ?? 'nothing'} in place of ${mine.join(', ')}.`)
}

/** Whether the migrations of a folder make these tables of an empty database, beside those of the engine. */
async function makes(folder: string, declared: Tables): Promise<boolean> {
  const wanted = schemaMadeBy(await statementsFrom({}, declared))
  const made = schemaMadeBy(migrationFiles(folder).flatMap((file) => statementsOf(folder, file)))
  return Object.entries(wanted).every(([table, schema]) => made[table] === schema)
}

/** What git is merging or rebasing onto. */
function otherBranch(): string | undefined {
  if (inGit('MERGE_HEAD')) return 'MERGE_HEAD'
  return inGit('rebase-merge') || inGit('rebase-apply') ? 'HEAD' : undefined
}

function inGit(path: string): boolean {
  return existsSync(resolve(root, git('rev-parse', '--git-path', path).trim()))
}

function filesOf(branch: string, folder: string): string[] {
  const names = git('ls-tree', '--name-only', branch, `${shown(folder)}/`)
    .trim()
    .split('\n')
  return names.map((name) => name.slice(name.lastIndexOf('/') + 1))
}

function recordedIn(branch: string, folder: string): Tables {
  const read: (json: string) => Table = JSON.parse
  const files = git('ls-tree', '--name-only', branch, `${shown(folder)}/meta/`)
    .trim()
    .split('\n')
  const tables = files.filter(Boolean).map((file) => read(git('show', `${branch}:./${file}`)))
  return Object.fromEntries(tables.map((table) => [table.name, table]))
}

function renamesIn(folder: string, file: string): Rename[] {
  const sql = readFileSync(join(folder, file), 'utf8')
  const found = sql.matchAll(/ALTER TABLE `(\w+)` RENAME (?:COLUMN `(\w+)` )?TO `(\w+)`/g)
  return Array.from(found, ([, table, column, to]) =>
    parseRename(`${table}${column === undefined ? '' : `.${column}`}:${to}`),
  ).filter(({ table }) => !table.startsWith('__new_'))
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' })
}

function shown(folder: string): string {
  return folder.slice(root.length + 1)
}
