import { spawn, spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { parseArgs } from 'node:util'
import { developmentToken } from './token.ts'
import { wranglerEnvironment } from './wrangler.ts'

const DEFAULT_PORT = '8787'

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

const migrated = spawnSync('wrangler', ['d1', 'migrations', 'apply', 'DB', '--local', ...persist], {
  stdio: ['ignore', 'pipe', 'inherit'],
  encoding: 'utf8',
  env: { ...wranglerEnvironment, CI: 'true' },
})
if (migrated.status !== 0) {
  console.error(migrated.stdout)
  process.exit(migrated.status ?? 1)
}

const own = [...(values.port ? [] : ['--port', port]), '--var', 'ENVIRONMENT:development']
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

await listening(`http://localhost:${port}/health`)
console.log(`
Open http://localhost:${port} in a browser.

Create a task as the user "demo" (npm run --silent token -- <user id> makes a token for anybody else):

curl http://localhost:${port}/api/me/tasks \\
  -H 'Authorization: Bearer ${token}' \\
  -H 'Content-Type: application/json' -d '{"title":"Say hello"}'
`)

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
