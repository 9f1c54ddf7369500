import { spawn } from 'node:child_process'
import * as z from 'zod'
import { freePort } from './server.ts'
import { wranglerEnvironment } from '../scripts/wrangler.ts'

const ROUNDS = 40
const REQUESTS = 500
/** How many times the CPU of the bare handler a request may take. */
const GOALS: Record<string, number> = { get: 2.1, 'page of 50': 1.3 }

const results = z.record(z.string(), z.object({ freehold: z.number(), bare: z.number(), ratio: z.number() }))

const port = await freePort()
const server = spawn(
  'wrangler',
  ['dev', 'load/bench-worker.ts', '--port', String(port), '--log-level=error'],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: wranglerEnvironment,
  },
)
try {
  const answer = await ask(`http://localhost:${port}/bench?rounds=${ROUNDS}&requests=${REQUESTS}`)
  console.log(`The Worker's own CPU per request, without D1: canned answers, ${ROUNDS} rounds of ${REQUESTS} requests on
each side in turn, inside one workerd isolate; medians, and the median of the rounds' ratios to a bare raw-SQL handler.
`)
  for (const [name, { freehold, bare, ratio }] of Object.entries(results.parse(answer))) {
    const times = `${freehold.toFixed(0)} µs to ${bare.toFixed(0)} µs`
    console.log(`${name.padEnd(12)}${ratio.toFixed(2)} ×  (${times}; goal: at most ${GOALS[name]} ×)`)
  }
} finally {
  server.kill()
}

/** Asks until the server is up. */
async function ask(url: string): Promise<unknown> {
  while (server.exitCode === null) {
    const response = await fetch(url).catch(() => undefined)
    if (response?.ok) return response.json()
    if (response) throw new Error(await response.text())
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('wrangler dev ended')
}
