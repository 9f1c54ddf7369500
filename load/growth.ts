import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import * as z from 'zod'
import { declarationsOf } from '../scripts/declarations.ts'
import { applyMigrations, withLocalDatabase } from '../scripts/local-database.ts'
import { createApp } from '../src/app.ts'
import { plot } from './plot.ts'

// How the cost of each operation grows with its user's rows: rows read, which are exact, and the time of the answer, on a
// local D1 with a million rows in the table. `npm run growth` writes docs/growth.md and its two charts.

const root = join(import.meta.dirname, '..')
const { resources, verbs } = await declarationsOf(root)

/** How many rows a user has. */
const SIZES = [1, 1_000, 10_000, 100_000]
/** How many rows are in the table. */
const TABLE = 1_000_000
/** How many rows each of the other users has. */
const OTHERS = 1_000
/** How often an operation is asked; the median counts. */
const TIMES = 7
const SECRET = 'the secret of charts that nobody keeps'

/** One row a millisecond, every tenth `high`. */
const FILL = `
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
  INSERT INTO tasks (id, user_id, title, status, priority, due_date, tags, revision, created_at, updated_at)
  SELECT printf('%08x-0000-7000-8000-%012x', 26000000 + i, i), ?1, 'Task ' || (i * 7919 % 1000003), 'pending',
    CASE i % 10 WHEN 0 THEN 'high' ELSE 'low' END, CASE i % 2 WHEN 0 THEN '2026-11-20' END, '[]', i,
    '2026-11-20T00:00:00.000Z', '2026-11-20T00:00:00.000Z'
  FROM n`

interface Measured {
  operation: string
  rows: number
  read: number
  /** How long the database took to answer, in milliseconds. */
  ms: number
}

// The engine's own log lines.
console.info = () => {}
// No create is chosen to count its owner's rows.
Math.random = () => 0.5

/** What the last request took of the database. */
const seen = { read: 0, ms: 0 }

await withLocalDatabase(async (database) => {
  await applyMigrations(database, join(root, 'migrations'))
  await fill(database)
  const measured: Measured[] = []
  for (const rows of SIZES) {
    measured.push(...(await measure(database, rows)))
    console.log(`${rows.toLocaleString('en')} rows: done`)
  }
  const docs = (name: string) => join(root, 'docs', name)
  writeFileSync(docs('growth-rows.svg'), await chart(measured, 'read', 'rows read'))
  writeFileSync(docs('growth-time.svg'), await chart(measured, 'ms', 'ms'))
  writeFileSync(docs('growth.md'), page(measured))
})

/** Users with so many tasks each, one of them with each of the sizes. */
async function fill(database: D1Database): Promise<void> {
  const rest = TABLE - SIZES.reduce((sum, rows) => sum + rows, 0)
  const users = [
    ...SIZES.map((rows) => [userOf(rows), rows] as const),
    ...Array.from({ length: Math.ceil(rest / OTHERS) }, (_, at) => [`other-${at}`, OTHERS] as const),
  ]
  for (const [user, rows] of users) await database.prepare(FILL).bind(user, rows).run()
}

function userOf(rows: number): string {
  return `with-${rows}`
}

async function measure(database: D1Database, rows: number): Promise<Measured[]> {
  const app = createApp(resources, verbs)
  const token = await new SignJWT({ sub: userOf(rows) })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET))
  const DB = counted(database)
  const bindings = { JWT_SECRET: SECRET, ENVIRONMENT: 'development', RATE_LIMITS: 'off', DB }

  async function send(method: string, path: string, body?: unknown): Promise<string> {
    Object.assign(seen, { read: 0, ms: 0 })
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const request = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const response = await app.request(`/api/me${path}`, request, bindings)
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text
  }

  const made = z.object({ id: z.string() })
  const create = async () => made.parse(JSON.parse(await send('POST', '/tasks', { title: 'One' }))).id
  const newest = await create()
  const cursorOf = z.object({ cursor: z.string(), has_more: z.boolean() })
  let cursor = ''
  for (let more = true; more;) {
    const asked = `/changes?limit=500${cursor && `&cursor=${cursor}`}`
    ;({ cursor, has_more: more } = cursorOf.parse(JSON.parse(await send('GET', asked))))
  }
  const deep = z.object({ next_cursor: z.nullish(z.string()) })
  const halfway = Math.min(100, Math.floor(rows / 2))
  const found = deep.parse(JSON.parse(await send('GET', `/tasks?limit=${Math.max(1, halfway)}`))).next_cursor

  const operations: Record<string, () => Promise<unknown>> = {
    'changes, nothing new': () => send('GET', `/changes?cursor=${cursor}`),
    get: () => send('GET', `/tasks/${newest}`),
    'page, newest first': () => send('GET', '/tasks?limit=50'),
    'page, further on': () => send('GET', `/tasks?limit=50${found ? `&cursor=${found}` : ''}`),
    'page, filtered': () => send('GET', '/tasks?limit=50&priority=high'),
    'page, sorted': () => send('GET', '/tasks?limit=50&sort=title'),
    'page, sorted by due date': () => send('GET', '/tasks?limit=50&sort=due_date'),
    'page, with the total': () => send('GET', '/tasks?limit=50&total=true'),
    'search, nothing found': () => send('GET', '/tasks?q=nowhere'),
    create,
    patch: () => send('PATCH', `/tasks/${newest}`, { title: 'Two' }),
    'bulk of 10 creates': () =>
      send('POST', '/tasks/bulk', {
        operations: Array.from({ length: 10 }, () => ({ op: 'create', data: { title: 'One' } })),
      }),
  }
  const measured: Measured[] = []
  for (const [operation, ask] of Object.entries(operations)) {
    const asked: (typeof seen)[] = []
    while (asked.length < TIMES) {
      await ask()
      asked.push({ ...seen })
    }
    measured.push({
      operation,
      rows,
      read: median(asked.map(({ read }) => read)),
      ms: median(asked.map(({ ms }) => ms)),
    })
  }
  return measured
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}

/** The database with what each batch took. */
function counted(db: D1Database): D1Database {
  const wrapped = {
    prepare: (query: string) => db.prepare(query),
    async batch(statements: D1PreparedStatement[]) {
      const started = performance.now()
      const results = await db.batch<never>(statements)
      seen.ms += performance.now() - started
      for (const { meta } of results) seen.read += meta.rows_read
      return results
    },
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the engine uses no more of the binding than this
  return wrapped as unknown as D1Database
}

/** A small chart for each operation, all on the same logarithmic axes. */
function chart(measured: readonly Measured[], field: 'read' | 'ms', title: string): Promise<string> {
  // A logarithm has no zero.
  const values = measured.map((each) => ({
    ...each,
    [field]: Math.max(each[field], field === 'read' ? 1 : 0.1),
  }))
  const axis = { tickCount: 5, format: '~s', grid: true } as const
  return plot(`${title} by operation and by how many rows the user has`, {
    data: { values },
    facet: {
      field: 'operation',
      type: 'nominal',
      sort: measured.map(({ operation }) => operation),
      title: null,
    },
    columns: 4,
    spacing: 24,
    spec: {
      width: 170,
      height: 110,
      mark: { type: 'line', point: true },
      encoding: {
        x: {
          field: 'rows',
          type: 'quantitative',
          scale: { type: 'log' },
          axis: { ...axis, title: 'rows of the user' },
        },
        y: { field, type: 'quantitative', scale: { type: 'log' }, axis: { ...axis, title } },
      },
    },
  })
}

function page(measured: readonly Measured[]): string {
  const names = [...new Set(measured.map(({ operation }) => operation))]
  const cells = (field: 'read' | 'ms', digits: number) =>
    names.map((name) => {
      const own = measured.filter(({ operation }) => operation === name)
      return `| ${name} | ${own.map((each) => each[field].toLocaleString('en', { maximumFractionDigits: digits })).join(' | ')} |`
    })
  const sizes = SIZES.map((rows) => rows.toLocaleString('en'))
  const head = `| Operation, with so many rows of the user | ${sizes.join(' | ')} |\n| --- | ${sizes.map(() => '--:').join(' | ')} |`
  return `# How an operation's cost grows with its user's rows

\`npm run growth\` wrote this page: the engine on a new local D1 with ${TABLE.toLocaleString('en')} tasks, of which one user has so many.
Rows are D1's own count and exact. Times are medians of ${TIMES}, seen from the process that asks, on a shared machine:
they compare only with each other. What does not grow
costs the same for a user with a hundred thousand rows as for one with a thousand; what filters, sorts without an index,
counts or searches looks at each of the user's rows, and never at another user's.

![Rows read](growth-rows.svg)

![Time until the database has answered](growth-time.svg)

## Rows read

${head}
${cells('read', 0).join('\n')}

## Milliseconds until the database has answered

${head}
${cells('ms', 2).join('\n')}
`
}
