import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { getTableColumns } from 'drizzle-orm'
import * as freehold from 'freehold'
import { ownedTable, type Resource } from '../src/engine/resource.ts'
import { declarationsOf } from './declarations.ts'
import { engine, exampleFile, isEngine, root } from './project.ts'
import { parseField, types, type Field } from './resource-fields.ts'
import { recordedTables } from './schema.ts'

const folder = join(root, 'src', 'resources')
const migrations = join(root, 'migrations')
const STYLE = join(engine, '.oxfmtrc.json')

const USAGE = `Declares a resource: writes src/resources/<name>.ts and its migration.

  npm run resource -- <name> <field>:<type>[?|=default]... [--under <resource>] [--singular <word>] [--dry-run]

  npm run resource -- notes title:string 'body:text?'
  npm run resource -- notes 'title:string(200)' pinned:boolean=false 'due:date?' 'stage:enum(draft,final)=draft' tags:list
  npm run resource -- subtasks title:string done:boolean=false --under tasks
  npm run resource -- expenses amount:integer 'paid:date?' 'project:projects?'

A field is required unless it has ? (null when left out) or =default. Quote what your shell would read, as above.

  type          column              JSON                    filters by
${types.map(({ syntax, column, json, filter }) => `  ${syntax.padEnd(14)}${column.padEnd(20)}${json.padEnd(24)}${filter}`).join('\n')}`

/** What the API says itself: words of its paths, and the keys beside a collection's in a list and in an export. */
const RESERVED = new Set(
  (
    'me v1 auth admin teams invitations changes events export bulk restore complete ' +
    'count total next_cursor user_id exported_at account sessions index assertion d1_migrations'
  ).split(' '),
)
/** What the files of declarations call something else: a resource of such a name gets another variable. */
const TAKEN = new Set([...Object.keys(freehold), 'column', 'integer', 'real', 'sql', 'z'])
/** Query parameters that every list has. */
const PARAMETERS = new Set(['limit', 'cursor', 'offset', 'sort', 'q', 'trashed', 'total'])
const WORDS = new Set(
  (
    'await break case catch class const continue debugger default delete do else enum export extends false finally for ' +
    'function if implements import in instanceof interface let new null package private protected public return static ' +
    'super switch this throw true try typeof var void while with yield'
  ).split(' '),
)

const { resources } = await declarationsOf(root)
const { values: options, positionals } = await attempt(() =>
  parseArgs({
    allowPositionals: true,
    options: {
      under: { type: 'string' },
      singular: { type: 'string' },
      'dry-run': { type: 'boolean' },
      help: { type: 'boolean' },
    },
  }),
)
if (options.help) console.log(USAGE)
else await attempt(generate)

/** Ends the process with a sentence when something is refused. */
async function attempt<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    console.error('Nothing was written. For help: npm run resource -- --help')
    return process.exit(1)
  }
}

async function generate(): Promise<void> {
  const [name = '', ...specs] = positionals
  const source = declaration(name, specs)
  if (options['dry-run']) {
    console.log(formatted(`// src/resources/${name}.ts\n${source}`))
    return
  }
  const file = join(folder, `${name}.ts`)
  const examples = existsSync(exampleFile) ? readFileSync(exampleFile) : undefined
  const backup = mkdtempSync(join(tmpdir(), 'freehold-before-'))
  mkdirSync(migrations, { recursive: true })
  cpSync(migrations, backup, { recursive: true })
  try {
    writeFileSync(file, source, { flag: 'wx' })
    execFileSync('oxfmt', ['-c', STYLE, file], { stdio: 'ignore', cwd: root })
    run('scripts/migrate-new', '--name', name)
    if (isEngine) run('scripts/examples', '--new')
    derive()
  } catch (error) {
    rmSync(file, { force: true })
    rmSync(migrations, { recursive: true })
    cpSync(backup, migrations, { recursive: true })
    if (examples) writeFileSync(exampleFile, examples)
    derive()
    throw error
  } finally {
    rmSync(backup, { recursive: true })
  }
  const above = options.under ? find(options.under) : undefined
  const path = `${above ? `${above.path.replaceAll(/:(\w+)/g, '{$1}')}/{${above.singular}_id}` : ''}/${name}`
  console.log(
    `Wrote src/resources/${name}.ts. Run \`npm run dev\` and try: /api/me${path} (\`npm test\` tests it already).`,
  )
  if (!isEngine)
    console.log('The typed client and the examples of the documentation follow with `npm run generate`.')
}

/** Brings up to date what is made of the declarations: in a project only what is quickly made. */
function derive(): void {
  for (const script of ['scripts/docs', ...(isEngine ? ['scripts/client', 'load/costs'] : [])]) run(script)
}

/** Runs a script of the package. */
function run(script: string, ...args: string[]): void {
  const file = join(engine, script + extname(import.meta.filename))
  execFileSync('node', [file, ...args], { stdio: ['ignore', 'inherit', 'inherit'], cwd: root })
}

function formatted(source: string): string {
  return execFileSync('oxfmt', ['-c', STYLE, '--stdin-filepath=resource.ts'], {
    input: source,
    encoding: 'utf8',
    cwd: root,
  })
}

function find(name: string): Resource {
  const found = resources.find((resource) => resource.name === name)
  if (!found)
    throw new Error(
      `There is no resource named ${name}: there are ${resources.map((each) => each.name).join(', ')}.`,
    )
  return found
}

function declaration(name: string, specs: readonly string[]): string {
  if (!/^[a-z][a-z0-9_]{1,39}$/.test(name))
    throw new Error(`${name || 'Nothing'} cannot be a resource's name: 2–40 of a–z, 0–9 and _.`)
  if (RESERVED.has(name) || WORDS.has(name) || /^sqlite_|_(revision|trash)$/.test(name))
    throw new Error(`${name} is a reserved name.`)
  if (name in recordedTables(join(engine, 'src', 'schema')))
    throw new Error(`There is a table named ${name} already.`)
  if (resources.some((resource) => resource.name === name) || existsSync(join(folder, `${name}.ts`))) {
    throw new Error(`There is a resource named ${name} already.`)
  }
  if (options.singular !== undefined && !/^(?!(id|status)$)[a-z][a-z0-9_]{0,39}$/.test(options.singular)) {
    throw new Error(`${options.singular} cannot name one row.`)
  }
  const above = options.under === undefined ? undefined : find(options.under)
  const others = new Map(resources.map((each) => [each.name, variable(each.name)]))
  const fields = specs.map((spec) => parseField(spec, { own: variable(name), others }))
  if (!fields.length) throw new Error('A resource needs at least one field.')
  refuseClashes(fields, above && `${above.singular}_id`)
  return sourceOf(name, fields, above)
}

function refuseClashes(fields: readonly Field[], parentColumn: string | undefined): void {
  const columns = new Set([
    ...Object.keys(getTableColumns(ownedTable('probe', {}))),
    'constructor',
    parentColumn,
  ])
  const parameters = new Set(PARAMETERS)
  for (const { name, filter = '' } of fields) {
    if (columns.has(name)) throw new Error(`${name}: every row has that already, or it is named twice.`)
    columns.add(name)
    for (const [, parameter = ''] of filter.matchAll(/(?:^|as: )'(\w+)'/g)) {
      if (parameters.has(parameter)) throw new Error(`${name}: lists have a parameter ${parameter} already.`)
      parameters.add(parameter)
    }
  }
}

function sourceOf(name: string, fields: readonly Field[], above: Resource | undefined): string {
  const text = fields.map(({ column, input }) => `${column} ${input}`).join(' ')
  const uses = (word: string) => new RegExp(`(?<![.\\w])${word}\\(`).test(text)
  const builders = ['integer', 'real'].filter(uses)
  if (uses('column')) builders.push('text as column')
  const helpers = Object.keys(freehold).filter(uses)
  const relations = above ? ['parent'] : []
  const targets = [...new Set([above?.name, ...fields.map(({ refersTo }) => refersTo)])].filter(
    (each) => each !== undefined,
  )
  const filters = fields.flatMap(({ filter }) => filter ?? [])
  const sorts = [
    'created_at',
    'updated_at',
    ...fields.filter(({ sortable }) => sortable).map((field) => field.name),
  ]
  const searched = fields.filter(({ searchable }) => searchable).map((field) => field.name)
  return [
    builders.length && `import { ${builders.join(', ')} } from 'drizzle-orm/sqlite-core'`,
    `import { ${['defineResource', 'ownedTable', ...relations, ...helpers].toSorted().join(', ')} } from 'freehold'`,
    uses('z.\\w+') && `import * as z from 'zod/mini'`,
    ...targets.map((target) => `import { ${variable(target)} } from './${target}.ts'`),
    '',
    `export const ${variable(name)} = ownedTable('${name}', {`,
    above && `${above.singular}_id: parent(${variable(above.name)}),`,
    ...fields.map((field) => `${field.name}: ${field.column},`),
    '})',
    '',
    'export default defineResource({',
    `table: ${variable(name)},`,
    options.singular && `singular: '${options.singular}',`,
    `input: { ${fields.map((field) => `${field.name}: ${field.input}`).join(', ')} },`,
    filters.length && `filter: [${filters.join(', ')}],`,
    `sort: [${quoted(sorts)}],`,
    searched.length && `search: [${quoted(searched)}],`,
    '})',
    '',
  ]
    .filter((line) => typeof line === 'string')
    .join('\n')
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ')
}

/** A table's name as a TypeScript variable: work_items → workItems, labels → labelsTable. */
function variable(name: string): string {
  const camel = name.replaceAll(/_+(\w)/g, (_, letter: string) => letter.toUpperCase())
  return TAKEN.has(camel) ? `${camel}Table` : camel
}
