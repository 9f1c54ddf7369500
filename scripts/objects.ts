import { spawnSync } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { movingTables } from '../src/objects/tables.ts'
import { declarationsOf } from './declarations.ts'
import { root } from './project.ts'
import { wranglerEnvironment } from './wrangler.ts'

const USAGE = `Usage: npm run objects -- status|move|back [--remote] [--url <url>] [--persist-to <folder>]

Says where owners' rows are, or waits, with progress, until all have moved: into the objects of their owners, which needs a
Worker with ROWS at objects, or back to D1, which needs one with ROWS at d1. The Worker's cron trigger moves them, and an
owner who calls first moves at once. It can be stopped and started again at any time.

Without --remote it is the local database, and the Worker of npm run dev at --url (http://localhost:8787), whose cron trigger
this pulls.`

/** How often one looks, in milliseconds. */
const EVERY = 5_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    remote: { type: 'boolean', default: false },
    url: { type: 'string', default: 'http://localhost:8787' },
    'persist-to': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit()
}
const [verb = '', ...rest] = positionals
if (!['status', 'move', 'back'].includes(verb) || rest.length) {
  console.error(USAGE)
  process.exit(2)
}

const tables = movingTables((await declarationsOf(root)).resources).map(({ name }) => name)

interface State {
  here: number
  underway: number
  back: number
  inD1: readonly (readonly [table: string, owners: number])[]
}

if (verb === 'back') execute(['UPDATE moved_owners SET back = 1'])
for (let last = ''; ;) {
  const state = stateOf()
  const said = sentenceOf(state)
  if (said !== last) console.log(said)
  last = said
  if (verb === 'status') break
  const left = verb === 'move' ? state.underway || state.inD1.some(([, owners]) => owners > 0) : state.back
  if (!left) break
  if (!values.remote) await pull()
  await setTimeout(values.remote ? EVERY : EVERY / 10)
}

/** One seek an owner. */
function ownersIn(table: string): string {
  return `WITH RECURSIVE owners (user_id) AS (SELECT min(user_id) FROM "${table}" UNION ALL
    SELECT (SELECT min(user_id) FROM "${table}" WHERE user_id > owners.user_id) FROM owners WHERE owners.user_id IS NOT NULL)
    SELECT count(user_id) AS owners FROM owners`
}

function stateOf(): State {
  const [moved, ...owners] = execute([
    `SELECT count(*) FILTER (WHERE moved_at IS NOT NULL) AS here, count(*) FILTER (WHERE moved_at IS NULL) AS underway,
      count(*) FILTER (WHERE back = 1) AS back FROM moved_owners`,
    ...tables.map(ownersIn),
  ])
  return {
    here: Number(moved?.here),
    underway: Number(moved?.underway),
    back: Number(moved?.back),
    inD1: tables.map((name, at) => [name, Number(owners[at]?.owners)] as const),
  }
}

function sentenceOf({ here, underway, back, inD1 }: State): string {
  const left = inD1.filter(([, owners]) => owners > 0).map(([name, owners]) => `${name} of ${owners}`)
  return [
    `${here} owners in objects`,
    `${underway} on the way there`,
    ...(back ? [`${back} to go back`] : []),
    `in D1 ${left.join(', ') || 'nothing'}`,
  ].join('; ')
}

/** Runs statements in the database, and returns the first row of each. */
function execute(statements: readonly string[]): Record<string, unknown>[] {
  const folder = values['persist-to']
  const where = values.remote
    ? ['--remote']
    : ['--local', ...(folder === undefined ? [] : ['--persist-to', folder])]
  const { status, stdout, stderr } = spawnSync(
    'wrangler',
    ['d1', 'execute', 'DB', ...where, '--yes', '--json', '--command', statements.join('; ')],
    { encoding: 'utf8', cwd: root, env: wranglerEnvironment },
  )
  if (status !== 0) {
    const isNew = (stdout + stderr).includes('no such table')
    console.error(isNew ? 'The database has no schema for this: run npm run migrate.' : stdout + stderr)
    process.exit(1)
  }
  const parse: (json: string) => { results: Record<string, unknown>[] }[] = JSON.parse
  return parse(stdout).map(({ results }) => results[0] ?? {})
}

async function pull(): Promise<void> {
  const url = new URL('/cdn-cgi/handler/scheduled', values.url)
  try {
    const { ok, status } = await fetch(url)
    if (ok) return
    console.error(`${url.href} answers ${status}.`)
  } catch {
    console.error(`${values.url} does not answer: start npm run dev, or say --url.`)
  }
  process.exit(1)
}
