import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { developmentSecret } from '../scripts/dev-vars.ts'
import { wranglerEnvironment } from '../scripts/wrangler.ts'

/** A separate `wrangler dev`, on data that outlives it. */
export interface Server {
  url: string
  /** CPU time that its workerd has taken so far, in seconds; to the second, as `ps` tells. */
  cpu(): number
  /** Ends the workerd under it with SIGKILL, as a power cut would, then the rest of it. */
  crash(): Promise<void>
  /** Ends it in good order. */
  stop(): Promise<void>
}

/** Applies the migrations to the local D1 in a folder. Throws what wrangler printed. */
export function migrate(folder: string): void {
  const { status, stdout, stderr } = spawnSync(
    'wrangler',
    ['d1', 'migrations', 'apply', 'DB', '--local', '--persist-to', folder],
    { encoding: 'utf8', env: { ...wranglerEnvironment, CI: 'true' } },
  )
  if (status !== 0) throw new Error(stdout + stderr)
}

/**
 * Starts the Worker on the local D1 in a folder, at a port that is free unless it says which, with more settings; resolves
 * once it answers.
 */
export async function startServer(
  folder: string,
  at?: number,
  more: Record<string, string> = {},
): Promise<Server> {
  // wrangler reads .dev.vars when it starts, so it must be there by then.
  developmentSecret()
  const port = at ?? (await freePort())
  const url = `http://localhost:${port}`
  // Without limits: a storm is one user's.
  const all = { ENVIRONMENT: 'development', GUESTS: 'on', RATE_LIMITS: 'off', ...more }
  const settings = Object.entries(all).flatMap(([name, value]) => ['--var', `${name}:${value}`])
  const child = spawn('wrangler', ['dev', '--port', String(port), '--persist-to', folder, ...settings], {
    stdio: 'ignore',
    env: wranglerEnvironment,
  })
  while (!(await answers(`${url}/ready`))) {
    if (child.exitCode !== null) throw new Error(`wrangler dev ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    url,
    cpu: () => workersUnder(child.pid).reduce((sum, { cpu }) => sum + cpu, 0),
    async crash() {
      const workers = workersUnder(child.pid)
      if (!workers.length) throw new Error('no workerd under wrangler dev')
      for (const { pid } of workers) process.kill(pid, 'SIGKILL')
      await end(child)
    },
    stop: () => end(child),
  }
}

/** How long wrangler may take to end, in milliseconds. */
const PATIENCE = 5_000

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const below = descendantsOf(child.pid)
  const gone = once(child, 'exit')
  child.kill()
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  await gone
  clearTimeout(timer)
  // Processes that it left behind hold the data.
  const left = processes().filter(({ pid, name }) =>
    below.some((one) => one.pid === pid && one.name === name),
  )
  for (const { pid } of left) process.kill(pid, 'SIGKILL')
}

interface Process {
  pid: number
  parent: number
  name: string
  /** CPU time, in seconds. */
  cpu: number
}

function processes(): Process[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid=,cputime=,comm='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+([\d:.-]+)\s+(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, parent, cpu = '', name = '']) => ({
      pid: Number(pid),
      parent: Number(parent),
      name,
      // [dd-]hh:mm:ss
      cpu: cpu.split(/[:-]/).reduce((sum, part) => sum * 60 + Number(part), 0),
    }))
}

/** The workerd processes below a process, the youngest last. */
export function workersUnder(pid: number | undefined): Process[] {
  return descendantsOf(pid).filter(({ name }) => /workerd/.test(name))
}

function descendantsOf(root: number | undefined): Process[] {
  const all = processes()
  const found = all.filter(({ parent }) => parent === root)
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid))
  return found
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  )
}

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0)
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  if (typeof address !== 'object' || !address) throw new Error('no free port')
  return address.port
}
