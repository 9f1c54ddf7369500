import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { declarationsOf } from './declarations.ts'
import { engine, exampleFile, isEngine, root } from './project.ts'
import { types } from './resource-fields.ts'
import { declaration, resourceNamed } from './resource-source.ts'

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
  const source = declaration({ ...options, name, specs }, resources)
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
  const above = options.under ? resourceNamed(options.under, resources) : undefined
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
