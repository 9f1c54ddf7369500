import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import autocannon from 'autocannon'
import { SignJWT } from 'jose'
import * as z from 'zod'
import { cases, type Case } from './bench-cases.ts'
import { chart, page, type Measured } from './bench-report.ts'
import { BIG, idOf, SECRET, startSides, type Side } from './bench-sides.ts'

// Requests a second beside a bare Worker: both are served by workerd itself, on local D1s with the same rows, and are asked in
// turns by the same load generator. Every answer's status is checked. `npm run bench` writes docs/benchmarks.md and its
// picture; with --quick it measures four operations for half a minute, and writes nothing.
const { values: options } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
const CONCURRENCY = options.quick ? [16] : [1, 16, 64]
const ROUNDS = options.quick ? 3 : 4
const tokens = new Map<string, string>()
const measuredCases = cases.filter(({ quick }) => quick === true || !options.quick)

const began = performance.now()
console.log('Building both Workers, and filling a database for each: 1 000 users, 100 000 tasks.')
const sides = await startSides()
try {
  await compareAnswers()
  const measured = await measure()
  if (!options.quick) {
    const docs = join(import.meta.dirname, '..', 'docs')
    const minutes = (performance.now() - began) / 60_000
    writeFileSync(join(docs, 'benchmarks.svg'), chart(measured))
    writeFileSync(join(docs, 'benchmarks.md'), page(measured, minutes))
    console.log('Wrote docs/benchmarks.md and docs/benchmarks.svg.')
  }
} finally {
  await Promise.all(sides.map((side) => side.stop()))
}

/** Both must answer the same row and the same page, or the comparison means nothing. */
async function compareAnswers(): Promise<void> {
  for (const each of cases.filter(({ name }) => /^(get|page of 50)$/.test(name))) {
    const { path } = each.request(0)
    const answers = await Promise.all(
      sides.map(async (side) => {
        const headers = { Authorization: await authorization(side, each.as) }
        const body = z
          .record(z.string(), z.unknown())
          .parse(await (await fetch(side.url + path, { headers })).json())
        return JSON.stringify({ ...body, next_cursor: null })
      }),
    )
    if (new Set(answers).size > 1) throw new Error(`${each.name}: different answers\n${answers.join('\n')}`)
  }
}

async function measure(): Promise<Measured[]> {
  const measured: Measured[] = []
  for (const connections of CONCURRENCY) {
    for (const each of measuredCases) {
      const rounds = sides.map((): Round[] => [])
      for (let round = -1; round < ROUNDS; round += 1) {
        // Who goes second may find a warmer or a busier machine, so they take turns.
        const order = [...sides.keys()]
        for (const at of round % 2 ? order.toReversed() : order) {
          const side = sides[at]
          const counted = side && (await load(side, each, connections))
          // The first round warms up.
          if (counted && round >= 0) rounds[at]?.push(counted)
        }
      }
      const result = summary(each, connections, rounds)
      measured.push(result)
      report(result)
    }
  }
  return measured
}

/** A round of one side. */
interface Round {
  perSecond: number
  /** Each answer's time, in milliseconds. */
  latencies: number[]
  /** CPU time of workerd, in seconds. */
  cpu: number
}

/** Asks one side for a round. Throws when an answer has another status than it must. */
async function load(side: Side, each: Case, connections: number): Promise<Round> {
  const { name, as, status, request, matches = false, seconds = 1 } = each
  const Authorization = await authorization(side, as)
  const latencies: number[] = []
  const wrong: number[] = []
  const requestOf = (connection: number) => {
    const { headers, ...rest } = request(connection)
    return { ...rest, headers: { ...headers, Authorization } }
  }
  const cpu = side.cpu()
  const ended = Promise.withResolvers<autocannon.Result>()
  let opened = 0
  const loading = autocannon(
    {
      url: side.url,
      connections,
      duration: seconds,
      requests: [requestOf(0)],
      idReplacement: JSON.stringify(request(0)).includes('[<id>]'),
      setupClient(client) {
        const own = requestOf(opened++)
        const onResponse: autocannon.Request['onResponse'] = (_status, _body, _context, headers) => {
          client.setHeaders({ ...own.headers, 'If-Match': headers?.ETag })
        }
        client.setRequests([{ ...own, ...(matches && { onResponse }) }])
      },
    },
    (error, result) => (error ? ended.reject(error) : ended.resolve(result)),
  )
  loading.on('response', (_client, got, _bytes, milliseconds) => {
    latencies.push(milliseconds)
    if (got !== status) wrong.push(got)
  })
  const { errors, timeouts, duration } = await ended.promise
  if (wrong.length || errors || timeouts) {
    throw new Error(
      `${side.name}, ${name}: ${wrong.length} answers of ${wrong[0]}, ${errors + timeouts} without an answer`,
    )
  }
  return { perSecond: latencies.length / duration, latencies, cpu: side.cpu() - cpu }
}

function summary(
  { name }: Case,
  connections: number,
  [freehold = [], bare = []]: readonly Round[][],
): Measured {
  const rates = freehold.map(({ perSecond }, round) => perSecond / (bare[round]?.perSecond ?? Number.NaN))
  const [ours, theirs] = [figures(freehold), figures(bare)]
  const ratio = quantile(rates, 0.5)
  return { name, connections, freehold: ours, bare: theirs, ratio, byCpu: theirs.cpu / ours.cpu }
}

function figures(rounds: readonly Round[]) {
  const latencies = rounds.flatMap((round) => round.latencies)
  return {
    perSecond: quantile(
      rounds.map(({ perSecond }) => perSecond),
      0.5,
    ),
    median: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    cpu: (rounds.reduce((sum, { cpu }) => sum + cpu, 0) * 1e6) / latencies.length,
  }
}

function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)] ?? Number.NaN
}

function report({ name, connections, freehold, bare, ratio, byCpu }: Measured): void {
  const rates = `${freehold.perSecond.toFixed(0)} to ${bare.perSecond.toFixed(0)} a second`
  const tails = `p99 ${freehold.p99.toFixed(1)} to ${bare.p99.toFixed(1)} ms; CPU ${freehold.cpu.toFixed(0)} to ${bare.cpu.toFixed(0)} µs`
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(
    `${seconds.padStart(4)} s  ${String(connections).padStart(2)} connections  ${name.padEnd(32)} ${ratio.toFixed(2)} ×, by CPU ${byCpu.toFixed(2)} ×  (${rates}; ${tails})`,
  )
}

/** The header of a user's token, or of a new account's that is logged in. */
async function authorization(side: Side, user: string): Promise<string> {
  const key = `${side.name} ${user}`
  const token = tokens.get(key) ?? (user === 'session' ? await sessionToken(side) : await tokenOf(user))
  tokens.set(key, token)
  return `Bearer ${token}`
}

function tokenOf(user: string): Promise<string> {
  return new SignJWT({ sub: user, iss: 'freehold' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET))
}

/** The bare Worker has no sessions: there any token will do. */
async function sessionToken(side: Side): Promise<string> {
  if (side.name === 'bare') return tokenOf(BIG)
  const body = JSON.stringify({ email: 'ada@example.com', password: 'seven green bicycles' })
  const post = async (path: string, text: string, headers = {}) => {
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: text }
    return (await fetch(side.url + path, init)).json()
  }
  await post('/api/auth/register', body)
  const { access_token } = z
    .object({ access_token: z.string() })
    .parse(await post('/api/auth/login', body, { 'CF-Connecting-IP': '127.0.0.1' }))
  await post('/api/me/tasks', JSON.stringify({ id: idOf(1), title: 'Water the plants, row 1' }), {
    Authorization: `Bearer ${access_token}`,
  })
  return access_token
}
