import { jwtVerify, SignJWT } from 'jose'
import type { Bindings } from '../src/config.ts'
import app from '../src/index.ts'

export { Hub } from '../src/index.ts'

/**
 * The Worker that `npm run bench:cpu` runs: `/` measures the API against {@link bare}, both on the same canned D1 answers,
 * in alternating rounds inside one isolate. `?rounds=` and `?requests=` (per round) say how long.
 */
export default {
  async fetch(request, _env, ctx) {
    const { searchParams } = new URL(request.url)
    const rounds = Number(searchParams.get('rounds'))
    const requests = Number(searchParams.get('requests'))
    // Both sides run without a log: writing one is the runtime's work, but making its line stays in the measure.
    console.info = () => {}
    const token = await new SignJWT({ sub: USER, exp: Math.floor(Date.now() / 1000) + 3600 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(SECRET)
    const results: Record<string, Result> = {}
    for (const [name, path, rows] of CASES) {
      const env = cannedBindings(rows)
      const ask = () =>
        new Request(`https://api.test${path}`, { headers: { Authorization: `Bearer ${token}` } })
      const ours = () => app.fetch(ask(), env, ctx)
      const theirs = () => bare(ask(), env)
      const [mine, other] = [await (await ours()).text(), await (await theirs()).text()]
      if (mine !== other) throw new Error(`${name}: different answers\n${mine}\n${other}`)
      results[name] = await compare(ours, theirs, rounds, requests)
    }
    return Response.json(results)
  },
} satisfies ExportedHandler<Bindings>

/** Microseconds per request, and how many times the bare handler's ours are: medians over the rounds. */
interface Result {
  freehold: number
  bare: number
  ratio: number
}

type Send = () => Response | Promise<Response>

async function compare(ours: Send, theirs: Send, rounds: number, requests: number): Promise<Result> {
  const mine: number[] = []
  const other: number[] = []
  const sides = [[ours, mine] as const, [theirs, other] as const]
  for (let round = -WARM_UP; round < rounds; round += 1) {
    // Who goes second may pay for the first one's garbage, so they take turns.
    for (const [send, times] of round % 2 ? sides : sides.toReversed()) {
      const took = await time(send, requests)
      if (round >= 0) times.push(took)
    }
  }
  const ratios = mine.map((took, round) => took / (other[round] ?? Number.NaN))
  return { freehold: median(mine), bare: median(other), ratio: median(ratios) }
}

/** Rounds that are not counted, until the code is compiled. */
const WARM_UP = 6

/** Microseconds per request. Locally the clock moves while code runs; deployed it stands still. */
async function time(send: Send, requests: number): Promise<number> {
  const started = performance.now()
  for (let sent = 0; sent < requests; sent += 1) await send()
  return ((performance.now() - started) * 1000) / requests
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

// ── The bare handler ─────────────────────────────────────────────────────────────────────────────────────────────────

const COLUMNS =
  'id, user_id, title, description, status, completed, completed_at, priority, due_date, tags, project_id, revision, created_at, updated_at, created_by, updated_by'
const ONE = `SELECT ${COLUMNS} FROM tasks WHERE user_id = ? AND deleted_at IS NULL AND id = ?`
const PAGE = `SELECT ${COLUMNS} FROM tasks WHERE user_id = ? AND deleted_at IS NULL ORDER BY id DESC LIMIT ?`

interface Task extends Record<string, unknown> {
  revision: number
  completed: unknown
  tags: unknown
}

/** The two routes as one would write them by hand: verify the token, one statement in a batch, answer in JSON. */
async function bare(request: Request, env: Bindings): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url)
  const [, user, id] = /^\/api\/([^/]+)\/tasks(?:\/([^/]+))?$/.exec(pathname) ?? []
  const token = request.headers.get('Authorization')?.slice('Bearer '.length) ?? ''
  const { payload } = await jwtVerify(token, await importedKey(), { algorithms: ['HS256'] })
  if (user !== 'me' && user !== payload.sub) return new Response('not yours', { status: 403 })
  if (id) {
    const [one] = await env.DB.batch<Task>([env.DB.prepare(ONE).bind(payload.sub, id)])
    const [row] = one?.results ?? []
    if (!row) return new Response('not found', { status: 404 })
    return Response.json(decoded(row), { headers: { ETag: `"${row.revision}"` } })
  }
  const limit = Number(searchParams.get('limit') ?? 50)
  const [page] = await env.DB.batch<Task>([env.DB.prepare(PAGE).bind(payload.sub, limit + 1)])
  const tasks = (page?.results ?? []).slice(0, limit).map(decoded)
  return Response.json({ tasks, count: tasks.length, next_cursor: null })
}

function decoded(row: Task): Task {
  row.completed = row.completed === 1
  row.tags = JSON.parse(String(row.tags))
  return row
}

let key: CryptoKey | undefined
async function importedKey(): Promise<CryptoKey> {
  key ??= await crypto.subtle.importKey('raw', SECRET, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
  return key
}

// ── The canned answers ───────────────────────────────────────────────────────────────────────────────────────────────

const USER = 'user-1'
const SECRET_TEXT = 'a secret for the benchmark, of more than 32 bytes'
const SECRET = Uint8Array.from(new TextEncoder().encode(SECRET_TEXT))
const CASES: readonly [name: string, path: string, rows: readonly unknown[]][] = [
  ['get', `/api/me/tasks/${idOf(0)}`, [task(0)]],
  ['page of 50', '/api/me/tasks', Array.from({ length: 50 }, (_, at) => task(at))],
]

function idOf(at: number): string {
  return `01a1fbf2-22c4-7212-8266-6360ea6a${String(1000 + at)}`
}

function task(at: number) {
  return {
    id: idOf(at),
    user_id: USER,
    title: `Water the plants on the balcony, row ${at}`,
    description: 'The tomatoes twice, the cactus not at all.',
    status: 'pending',
    completed: 0,
    completed_at: null,
    priority: 'medium',
    due_date: '2026-12-01T09:30:00.000Z',
    tags: '["home","garden"]',
    project_id: null,
    revision: 1_795_228_312_272 + at,
    created_at: '2026-11-20T09:30:00.000Z',
    updated_at: '2026-11-20T09:30:00.000Z',
    created_by: null,
    updated_by: null,
  }
}

const GUARD = JSON.stringify({ results: [{ 1: 1 }], meta: { rows_read: 0, rows_written: 0, duration: 0 } })

/** Bindings whose D1 answers every batch with these rows, parsed anew each time as the real one does. */
function cannedBindings(rows: readonly unknown[]): Bindings {
  const meta = { rows_read: rows.length, rows_written: 0, duration: 0 }
  const answer = JSON.stringify({ success: true, results: rows, meta })
  const statement = { bind: () => statement }
  const database = {
    prepare: () => statement,
    // Before the last statement there may be the guard of the token, which a row lets through.
    batch: async (statements: readonly unknown[]): Promise<unknown> =>
      statements.map((_, at): unknown => JSON.parse(at === statements.length - 1 ? answer : GUARD)),
  }
  const limit = { limit: async () => ({ success: true }) }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as much of D1 as a request uses
  return {
    DB: database,
    JWT_SECRET: SECRET_TEXT,
    USER_LIMIT: limit,
  } as unknown as Bindings
}
