import { convertV4MiniflareOptions, Miniflare } from 'miniflare'

/** The kinds of request that the model of docs/scale.md knows. */
export const KINDS = ['get', 'page', 'write', 'search'] as const
export type Kind = (typeof KINDS)[number]

/** How long a home is busy with one request of each kind, in milliseconds. */
export type Service = Record<Kind, number>

/** How many rows an owner has. */
const ROWS = 500
/** How many owners share the D1. */
const OWNERS = 200
/** How many requests of a kind a round sends, and how many of them wait at once: more than one, so that the home never waits. */
const REQUESTS = 400
export const AT_ONCE = 16
const ROUNDS = 5

/** A Worker with both homes: what it asks of either is the same statement. */
const WORKER = `
import { DurableObject } from 'cloudflare:workers'

const SCHEMA = [
  'CREATE TABLE tasks (user_id TEXT, id TEXT, title TEXT, revision INTEGER, PRIMARY KEY (user_id, id)) WITHOUT ROWID',
  'CREATE INDEX tasks_revision ON tasks (user_id, revision)',
]
const FILL = \`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
  INSERT INTO tasks SELECT ?1, printf('%05d', i), 'Task ' || i, i FROM n\`
const SQL = {
  get: "SELECT * FROM tasks WHERE user_id = ?1 AND id = '00250'",
  page: 'SELECT * FROM tasks WHERE user_id = ?1 ORDER BY id DESC LIMIT 51',
  write: "UPDATE tasks SET title = 'Two', revision = (SELECT max(revision) FROM tasks WHERE user_id = ?1) + 1 WHERE user_id = ?1 AND id = '00250' RETURNING *",
  search: "SELECT count(*) FROM tasks WHERE user_id = ?1 AND instr(lower(title), 'nowhere')",
}

export class Home extends DurableObject {
  fill(owner) {
    for (const sql of SCHEMA) this.ctx.storage.sql.exec(sql)
    this.ctx.storage.sql.exec(FILL, owner)
  }
  run(sql, owner) {
    return this.ctx.storage.transactionSync(() => this.ctx.storage.sql.exec(sql, owner).toArray())
  }
}

export default {
  async fetch(request, env) {
    const { searchParams: asked } = new URL(request.url)
    const object = env.HOME.getByName('user-0')
    if (asked.has('fill')) {
      await env.DB.batch(SCHEMA.map((sql) => env.DB.prepare(sql)))
      for (let at = 0; at < ${OWNERS}; at++) await env.DB.prepare(FILL).bind('user-' + at).run()
      await object.fill('user-0')
      return new Response()
    }
    const sql = SQL[asked.get('kind')]
    const one = asked.get('home') === 'd1'
      ? () => env.DB.batch([env.DB.prepare(sql).bind('user-0')])
      : () => object.run(sql, 'user-0')
    const worker = async () => { for (let at = 0; at < ${REQUESTS / AT_ONCE}; at++) await one() }
    await Promise.all(Array.from({ length: ${AT_ONCE} }, worker))
    return new Response()
  },
}`

/**
 * Measures how long each home is busy with a request, on this machine: the time of many in a row, in turns, the median of
 * the rounds. It includes the way from the Worker to the home, as either has one.
 */
export async function measureHomes(): Promise<{ d1: Service; object: Service }> {
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      modules: [{ type: 'ESModule', path: 'index.js', contents: WORKER }],
      compatibilityDate: '2026-10-01',
      d1Databases: ['DB'],
      durableObjects: { HOME: { className: 'Home', useSQLite: true } },
    }),
  )
  const ask = async (query: string) => {
    const response = await worker.dispatchFetch(`http://local/?${query}`)
    if (!response.ok) throw new Error(await response.text())
  }
  const timed = async (home: string, kind: Kind) => {
    const started = performance.now()
    await ask(`home=${home}&kind=${kind}`)
    return (performance.now() - started) / REQUESTS
  }
  try {
    await ask('fill')
    const d1 = { get: 0, page: 0, write: 0, search: 0 }
    const object = { ...d1 }
    for (const kind of KINDS) {
      const rounds: [number, number][] = []
      while (rounds.length < ROUNDS) rounds.push([await timed('d1', kind), await timed('object', kind)])
      d1[kind] = median(rounds.map(([time]) => time))
      object[kind] = median(rounds.map(([, time]) => time))
    }
    return { d1, object }
  } finally {
    await worker.dispose()
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}
