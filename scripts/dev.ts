import { spawn, spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { developmentToken } from './token.ts'

// Everything after `npm run dev --` is wrangler's; these two are read here too.
const passed = process.argv.slice(2)
const { values } = parseArgs({
  args: passed,
  options: { port: { type: 'string', default: '8787' }, 'persist-to': { type: 'string' } },
  strict: false,
})
const persist = values['persist-to'] ? ['--persist-to', String(values['persist-to'])] : []

const migrated = spawnSync('wrangler', ['d1', 'migrations', 'apply', 'DB', '--local', ...persist], {
  stdio: ['ignore', 'pipe', 'inherit'],
  encoding: 'utf8',
  env: { ...process.env, CI: 'true' },
})
if (migrated.status !== 0) {
  console.error(migrated.stdout)
  process.exit(migrated.status ?? 1)
}

const token = await developmentToken('demo')
const server = spawn('wrangler', ['dev', '--port', '8787', '--var', 'ENVIRONMENT:development', ...passed], {
  stdio: 'inherit',
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => server.kill(signal))
server.on('exit', (code) => process.exit(code ?? 0))

await listening(`http://localhost:${values.port}/health`)
console.log(`
Create a task as the user "demo" (npm run token -- <user id> makes a token for anybody else):

curl http://localhost:${values.port}/api/me/tasks \\
  -H 'Authorization: Bearer ${token}' \\
  -H 'Content-Type: application/json' -d '{"title":"Say hello"}'
`)

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
