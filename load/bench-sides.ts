import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { wranglerEnvironment } from '../scripts/wrangler.ts'
import { workersUnder } from './server.ts'
import { applyMigrations } from '../scripts/local-database.ts'

/** A Worker that workerd serves by itself, without the dev server in front. */
export interface Side {
  name: 'freehold' | 'bare'
  url: string
  /** CPU time that its workerd has taken so far, in seconds; NaN where the system does not tell. */
  cpu: () => number
  stop: () => Promise<void>
}

export const SECRET = 'a secret for the benchmark, of more than 32 bytes'
/** The user with many rows; the others have `OTHERS` each. */
export const BIG = 'user-0'
const USERS = 1_000
const BIG_ROWS = 10_000
const OTHER_ROWS = 90

const root = join(import.meta.dirname, '..')

/** Starts both Workers, each in a workerd and on a D1 of its own with the same rows. */
export async function startSides(): Promise<Side[]> {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-bench-'))
  const stdio = ['ignore', 'ignore', 'inherit'] as const
  execFileSync('wrangler', ['deploy', '--dry-run', `--outdir=${folder}`], {
    cwd: root,
    env: wranglerEnvironment,
    stdio: [...stdio],
  })
  const bare = join(folder, 'bare.js')
  const entryPoints = [join(root, 'load', 'bare-worker.ts')]
  await build({ entryPoints, outfile: bare, bundle: true, minify: true, format: 'esm', platform: 'browser' })
  const sides = [
    await start('freehold', join(folder, 'index.js'), join(folder, 'freehold'), {
      durableObjects: { HUB: { className: 'Hub', useSQLite: true } },
    }),
    await start('bare', bare, join(folder, 'bare'), {}),
  ]
  return sides.map(({ stop, ...side }, at) => ({
    ...side,
    async stop() {
      await stop()
      if (at === 0) rmSync(folder, { recursive: true })
    },
  }))
}

interface Bindings {
  durableObjects?: Record<string, { className: string; useSQLite: boolean }>
}

async function start(name: Side['name'], file: string, folder: string, bindings: Bindings): Promise<Side> {
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      name,
      modules: [{ type: 'ESModule', path: 'index.js', contents: readFileSync(file, 'utf8') }],
      compatibilityDate: '2026-10-01',
      compatibilityFlags: ['nodejs_compat'],
      // What simulates the binding of the rate limits costs ten times the rest.
      // The bulks of a few minutes go beyond any quota that makes sense.
      bindings: {
        JWT_SECRET: SECRET,
        RATE_LIMITS: 'off',
        ENVIRONMENT: 'development',
        QUOTA_ROWS: '100000000',
      },
      d1Databases: { DB: name },
      d1Persist: join(folder, 'd1'),
      durableObjectsPersist: join(folder, 'objects'),
      unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      // Whatever reads the log of a deployment is not the Worker.
      handleStructuredLogs() {},
      ...bindings,
    }),
  )
  await worker.ready
  const { pid = 0 } = workersUnder(process.pid).at(-1) ?? {}
  const database = await worker.getD1Database('DB')
  await applyMigrations(database, join(root, 'migrations'))
  await fill(database)
  const { href } = await worker.unsafeGetDirectURL(name)
  return { name, url: href.replace(/\/$/, ''), cpu: () => cpuOf(pid), stop: () => worker.dispose() }
}

function numbers(rows: number): string {
  return `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})`
}

/** 1 000 users with 100 000 tasks, 10 000 of them the first one's. */
async function fill(database: D1Database): Promise<void> {
  const insert = `INSERT INTO tasks (id, user_id, title, description, status, priority, due_date, tags, revision, created_at, updated_at)`
  const values = `printf('019a0000-0000-7000-8000-%012x', n.i), user, 'Water the plants, row ' || n.i,
    'The tomatoes twice, the cactus not at all.', CASE n.i % 3 WHEN 0 THEN 'completed' ELSE 'pending' END, 'medium',
    printf('2026-12-%02d', 1 + n.i % 28), '["home","garden"]', n.i, '2026-11-20T09:30:00.000Z', '2026-11-20T09:30:00.000Z'`
  await database
    .prepare(`${numbers(BIG_ROWS)} ${insert} SELECT ${values} FROM n, (SELECT '${BIG}' AS user)`)
    .run()
  await database
    .prepare(
      `${numbers(Math.max(USERS, OTHER_ROWS))} ${insert} SELECT ${values} FROM (SELECT 'user-' || i AS user FROM n WHERE i < ${USERS}), n WHERE n.i <= ${OTHER_ROWS}`,
    )
    .run()
}

/** Of a process, in seconds, from the ticks of proc_pid_stat(5). */
function cpuOf(pid: number): number {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return Number.NaN
  const [user, system] = readFileSync(file, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11)
  return (Number(user) + Number(system)) / 100
}

/** The id of a user's task with this number, from 1. */
export function idOf(number: number): string {
  return `019a0000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`
}
