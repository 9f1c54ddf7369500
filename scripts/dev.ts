import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, watchFile } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { declarationsOf, writeIndex } from './declarations.ts'
import { isEngine, root } from './project.ts'
import { developmentToken } from './token.ts'
import { printLinks } from './dev-mail.ts'
import { wranglerEnvironment } from './wrangler.ts'

const DEFAULT_PORT = '8787'
const CREATE = ` \\\n  -H 'Content-Type: application/json' -d '{"title":"Say hello"}'`

// Everything after `npm run dev --` is wrangler's; these two are read here too.
const passed = process.argv.slice(2)
const { values } = parseArgs({
  args: passed,
  options: { port: { type: 'string' }, 'persist-to': { type: 'string' } },
  strict: false,
})
const port = String(values.port ?? DEFAULT_PORT)
const persist = values['persist-to'] ? ['--persist-to', String(values['persist-to'])] : []

const token = await developmentToken('demo')
if (await isTaken(Number(port))) {
  console.error(`Port ${port} is in use. Take another: npm run dev -- --port ${Number(port) + 1}`)
  process.exit(1)
}

await writeIndex(root)
const failed = migrate()
if (failed) process.exit(failed)

const own = [
  ...(values.port ? [] : ['--port', port]),
  '--var',
  'ENVIRONMENT:development',
  '--var',
  'GUESTS:on',
]
const server = spawn('wrangler', ['dev', ...own, ...passed], { stdio: 'inherit', env: wranglerEnvironment })
let stopped = false
function stop(): void {
  stopped = true
  server.kill()
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
// A signal sent to npm alone ends npm and its shell, and never gets here.
const parent = process.ppid
setInterval(() => process.ppid !== parent && stop(), 500).unref()
// To be stopped is no failure, and npm would print one.
server.on('exit', (code) => process.exit(stopped ? 0 : (code ?? 1)))

// A resource that is declared meanwhile gets its table: the index names the migrations, and is written when they hold.
const index = join(root, 'src', 'resources', 'index.ts')
let applied = readFileSync(index, 'utf8')
watchFile(index, { interval: 300 }, () => {
  const now = existsSync(index) ? readFileSync(index, 'utf8') : applied
  if (now === applied) return
  applied = now
  migrate()
})

printLinks()
await listening(`http://localhost:${port}/health`)
const { resources } = await declarationsOf(root)
const first = resources.find((resource) => !resource.parent)
const path = isEngine ? 'tasks' : first?.name
console.log(`
Open http://localhost:${port} in a browser.

${isEngine ? 'Create a task' : `List ${path}`} as the user "demo" (npm run --silent token -- <user id> makes a token for anybody else):

curl http://localhost:${port}/api/me/${path} \\
  -H 'Authorization: Bearer ${token}'${isEngine ? CREATE : ''}
`)

/** Applies the migrations to the local database. Returns an exit code, 0 when all went well. */
function migrate(): number {
  const { status, stdout } = spawnSync(
    'wrangler',
    ['d1', 'migrations', 'apply', 'DB', '--local', ...persist],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      cwd: root,
      env: { ...wranglerEnvironment, CI: 'true' },
    },
  )
  if (status !== 0) console.error(stdout)
  return status ?? 1
}

/** Whether something answers at a port already; wrangler would tell its story at length, or share the port. */
function isTaken(number: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(number, 'localhost')
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** Resolves once the server answers; wrangler's own output says why if it never does. */
async function listening(url: string): Promise<void> {
  while (server.exitCode === null) {
    const up = await fetch(url).then(
      (response) => response.ok,
      () => false,
    )
    if (up) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
