import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { v7 as uuidv7 } from 'uuid'
import * as z from 'zod'
import { createApp } from '../src/app.ts'
import { declarationsOf } from '../scripts/declarations.ts'
import { least, noteAccounts, type Bound } from './account-costs.ts'
import { LIVE_USERS, liveCosts } from './live-costs.ts'
import { newMailbox } from '../openapi/mailbox.ts'
import { WAYS_IN } from '../test/ceremonies.ts'
import { openIdProvider } from '../test/openid-provider.ts'
import { applyMigrations, withLocalDatabase } from '../scripts/local-database.ts'

// The ledger of costs: what every operation takes of D1, from D1's own `meta`, beside the least it could take.
// `npm run costs` writes docs/costs.md; another path may follow, so that the gate can compare.
const target = process.argv[2] ?? join(import.meta.dirname, '..', 'docs', 'costs.md')

const { resources, verbs } = await declarationsOf(join(import.meta.dirname, '..'))

const ROWS = 1_000
const PAGE = 50
const SYNC_PAGE = 100
const BULK = 10
const USER = 'ledger'
/** The id of the row with number 1 in every table. */
const FIRST_ID = '019a0000-0000-7000-8000-000000000001'
const SECRET = 'the secret of a ledger that nobody keeps'

interface Entry {
  name: string
  status: number
  roundTrips: number
  statements: number
  /** Whether a batch was aborted: then D1 sends no `meta` of it. */
  aborted: boolean
  read: number
  written: number
  bound: Bound
}

// No create is chosen to count its owner's rows, but for the one below.
Math.random = () => 0.5

/** What the batches since the last request were. */
const seen = { roundTrips: 0, statements: 0, aborted: false, read: 0, written: 0 }

await withLocalDatabase(async (database) => {
  await applyMigrations(database, 'migrations')
  await fill(database)
  writeFileSync(target, document(await ledger(database)))
})

/** Fills the user's partition: projects, tasks of which every tenth is `high`, and comments under the first of them. */
async function fill(database: D1Database): Promise<void> {
  const rest = `?1, i, '2026-11-20T00:00:00.000Z', '2026-11-20T00:00:00.000Z' FROM n`
  const restColumns = 'user_id, revision, created_at, updated_at'
  const id = `printf('${FIRST_ID.slice(0, -12)}%012x', i)`
  const statements = [
    `projects (id, name, ${restColumns}) SELECT ${id}, 'Project ' || i, ${rest}`,
    `tasks (id, title, priority, ${restColumns})
      SELECT ${id}, 'Task ' || i, CASE i % 10 WHEN 0 THEN 'high' ELSE 'low' END, ${rest}`,
    `comments (id, task_id, body, ${restColumns}) SELECT ${id}, '${FIRST_ID}', 'Comment ' || i, ${rest}`,
  ]
  const numbers = 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)'
  await database.batch(
    statements.map((insert) => database.prepare(`${numbers} INSERT INTO ${insert}`).bind(USER, ROWS)),
  )
}

async function ledger(database: D1Database): Promise<Entry[]> {
  const app = createApp(resources, verbs)
  const token = await new SignJWT({ sub: USER })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET))
  const mailbox = newMailbox()
  const bindings = {
    ...WAYS_IN,
    JWT_SECRET: SECRET,
    ENVIRONMENT: 'development',
    RATE_LIMITS: 'off',
    MAIL_FROM: 'freehold@example.com',
    EMAIL: mailbox.EMAIL,
    DB: counted(database),
  }
  const provider = openIdProvider()
  globalThis.fetch = (...request) => provider.serve(new Request(...request))
  const entries: Entry[] = []

  async function send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string | undefined> = {},
  ) {
    Object.assign(seen, { roundTrips: 0, statements: 0, aborted: false, read: 0, written: 0 })
    return quietly(async () => {
      const response = await app.request(
        path.startsWith('/api') ? path : `/api/me${path}`,
        {
          method,
          headers: Object.entries({
            Authorization: `Bearer ${token}`,
            ...(body !== undefined && { 'Content-Type': 'application/json' }),
            ...headers,
          }).filter((entry): entry is [string, string] => entry[1] !== undefined),
          ...(body !== undefined && { body: JSON.stringify(body) }),
        },
        bindings,
      )
      // An export works while it is read.
      return { status: response.status, headers: response.headers, text: await response.text() }
    })
  }

  async function note(name: string, bound: Bound, ...request: Parameters<typeof send>) {
    const answer = await send(...request)
    entries.push({
      name,
      status: answer.status,
      // Not from the headers: an answer that must not tell whether there is an account has none.
      ...seen,
      bound,
    })
    return answer
  }

  const made = z.object({ id: z.string(), revision: z.number() })
  const create = async (path = '/tasks', body: unknown = { title: 'One' }) =>
    made.parse(JSON.parse((await send('POST', path, body)).text))

  const one = least(1, 0, 'the row')
  const task = await create()
  await note('get', one, 'GET', `/tasks/${task.id}`)
  await note('get, not modified', one, 'GET', `/tasks/${task.id}`, undefined, {
    'If-None-Match': `"${task.revision}"`,
  })
  const missing = least(0, 0, 'nothing is there')
  await note('get, no such row', missing, 'GET', `/tasks/${uuidv7()}`)

  const pageBound = least(PAGE, 0, 'the page')
  await note('list, newest first', pageBound, 'GET', `/tasks?limit=${PAGE}`)
  await note('list, filtered, every tenth matches', pageBound, 'GET', `/tasks?limit=${PAGE}&priority=high`)
  await note('list, sorted', pageBound, 'GET', `/tasks?limit=${PAGE}&sort=title`)
  const comments = `/tasks/${FIRST_ID}/comments`
  await note(
    'list by parent',
    least(PAGE + 1, 0, 'the page and its parent'),
    'GET',
    `${comments}?limit=${PAGE}`,
  )

  const added = 'the last revision; the row and its revision in the index'
  await note('create', least(1, 2, added), 'POST', '/tasks', { title: 'One' })
  Math.random = () => 0
  const counting = least(ROWS, 2, 'as create, and every row: one create in 500')
  await note('create that counts for the quota', counting, 'POST', '/tasks', { title: 'One' })
  Math.random = () => 0.5
  const project = await create('/projects', { name: 'One' })
  await note('create with a reference', least(2, 2, 'as create, and what is referred to'), 'POST', '/tasks', {
    title: 'One',
    project_id: project.id,
  })
  await note(
    'create of a child',
    least(2, 3, 'as create, and its parent; the index by parent'),
    'POST',
    comments,
    {
      body: 'One',
    },
  )

  const change = least(2, 2, 'the row and the last revision; the row and its revision in the index')
  await note('put', change, 'PUT', `/tasks/${(await create()).id}`, { title: 'Two' })
  const put = await create()
  await note('put with If-Match', change, 'PUT', `/tasks/${put.id}`, { title: 'Two' }, match(put))
  await note('patch', change, 'PATCH', `/tasks/${(await create()).id}`, { title: 'Two' })
  const patch = await create()
  await note('patch with If-Match', change, 'PATCH', `/tasks/${patch.id}`, { title: 'Two' }, match(patch))
  await note('toggle', change, 'PATCH', `/tasks/${(await create()).id}/complete`)
  const toggle = await create()
  await note(
    'toggle with If-Match',
    change,
    'PATCH',
    `/tasks/${toggle.id}/complete`,
    undefined,
    match(toggle),
  )
  const removal = least(2, 3, 'as a change, and the index of the trash')
  const removed = await create()
  await note('delete', removal, 'DELETE', `/tasks/${removed.id}`)
  const matched = await create()
  await note('delete with If-Match', removal, 'DELETE', `/tasks/${matched.id}`, undefined, match(matched))
  await note('restore', change, 'POST', `/tasks/${removed.id}/restore`)
  await note('restore of a live row', one, 'POST', `/tasks/${removed.id}/restore`)

  const key = { 'Idempotency-Key': 'ledger' }
  const keyed = least(2, 4, 'as create, and the key; it and its age in the index')
  await note('create with a key', keyed, 'POST', '/tasks', { title: 'Keyed' }, key)
  await note(
    'the same again: a replay',
    least(2, 0, 'the key and the row'),
    'POST',
    '/tasks',
    { title: 'Keyed' },
    key,
  )
  await note('the key with another body', least(1, 0, 'the key'), 'POST', '/tasks', { title: 'Other' }, key)

  const operations = Array.from({ length: BULK }, () => ({ op: 'create', data: { title: 'One' } }))
  const bulk = least(BULK, 2 * BULK, `${BULK} creates`)
  await note(`bulk of ${BULK} creates`, bulk, 'POST', '/tasks/bulk', { operations })
  const updates: unknown[] = []
  while (updates.length < BULK)
    updates.push({ op: 'update', id: (await create()).id, data: { title: 'Two' } })
  await note(`bulk of ${BULK} updates`, least(2 * BULK, 2 * BULK, `${BULK} changes`), 'POST', '/tasks/bulk', {
    operations: updates,
  })

  await note('changes, first page', least(SYNC_PAGE, 0, 'the page'), 'GET', `/changes?limit=${SYNC_PAGE}`)
  const cursor = await syncedCursor()
  await note('changes, nothing new', least(0, 0, 'nothing is there'), 'GET', `/changes?cursor=${cursor}`)
  await create()
  await note('changes, one row new', one, 'GET', `/changes?cursor=${cursor}`)

  const refused = least(1, 0, 'the row')
  await note('patch, no such row', missing, 'PATCH', `/tasks/${uuidv7()}`, { title: 'Two' })
  await note('patch, stale', refused, 'PATCH', `/tasks/${task.id}`, { title: 'Two' }, { 'If-Match': '"1"' })
  await note('delete, stale', refused, 'DELETE', `/tasks/${task.id}`, undefined, { 'If-Match': '"1"' })
  await note('create, id taken', refused, 'POST', '/tasks', { id: task.id, title: 'One' })
  await note('create, dead reference', missing, 'POST', '/tasks', { title: 'One', project_id: uuidv7() })
  await note('create of a child, no parent', missing, 'POST', `/tasks/${uuidv7()}/comments`, { body: 'One' })
  await note('bulk, the last of it fails', missing, 'POST', '/tasks/bulk', {
    operations: [...operations.slice(1), { op: 'delete', id: uuidv7() }],
  })
  const named = z.object({ id: z.string() })
  const team = await note(
    'make a team',
    least(1, 5, 'the caller’s teams; the team; the member and what is noted, each with its index'),
    'POST',
    '/api/teams',
    { name: 'A team' },
  )
  const ours = `/api/${named.parse(JSON.parse(team.text)).id}`
  const shared = await create(`${ours}/tasks`)
  const sharedRow = `${ours}/tasks/${shared.id}`
  await note('get, of a team', least(2, 0, 'the row, and the member'), 'GET', sharedRow)
  await note('create, of a team', least(2, 2, 'as create, and the member'), 'POST', `${ours}/tasks`, {
    title: 'One',
  })
  await note('patch, of a team', least(3, 2, 'as patch, and the member'), 'PATCH', sharedRow, {
    title: 'Two',
  })
  await note('delete, of a team', least(3, 3, 'as delete, and the member'), 'DELETE', sharedRow)
  await note('get, of a team of others', missing, 'GET', `/api/team-${uuidv7()}/tasks/${shared.id}`)
  const inTeam = `/api/teams/${ours.slice('/api/'.length)}`
  await note('list teams', least(2, 0, 'the team and the member'), 'GET', '/api/teams')
  await note('list members', one, 'GET', `${inTeam}/members`)
  await note(
    'invite',
    least(2, 4, 'the member and the team; the invitation and what is noted, each with its index'),
    'POST',
    `${inTeam}/invitations`,
    { role: 'viewer' },
  )

  await noteAccounts({ note, send, mailbox })

  await note('anything invalid', least(0, 0, 'the database is not asked'), 'POST', '/tasks', {})
  return entries

  async function syncedCursor(): Promise<string> {
    const page = z.object({ cursor: z.string(), has_more: z.boolean() })
    for (let query = '?limit=500'; ;) {
      const { cursor: next, has_more } = page.parse(JSON.parse((await send('GET', `/changes${query}`)).text))
      if (!has_more) return next
      query = `?limit=500&cursor=${next}`
    }
  }
}

/** The database with a count of what passes through. */
function counted(db: D1Database): D1Database {
  const wrapped = {
    prepare: (query: string) => db.prepare(query),
    async batch(statements: D1PreparedStatement[]) {
      seen.roundTrips += 1
      seen.statements += statements.length
      try {
        const results = await db.batch<never>(statements)
        for (const { meta } of results) {
          seen.read += meta.rows_read
          seen.written += meta.rows_written
        }
        return results
      } catch (error) {
        seen.aborted = true
        throw error
      }
    },
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the engine uses no more of the binding than this
  return wrapped as unknown as D1Database
}

function match({ revision }: { revision: number }) {
  return { 'If-Match': `"${revision}"` }
}

/** Without the lines that the engine logs of every request. */
async function quietly<Result>(work: () => Promise<Result>): Promise<Result> {
  const { info, warn } = console
  console.info = () => {}
  console.warn = () => {}
  try {
    return await work()
  } finally {
    Object.assign(console, { info, warn })
  }
}

function document(entries: readonly Entry[]): string {
  const head = [
    'Operation',
    'Status',
    'Round trips',
    'Statements',
    'Rows read',
    'at least',
    'Rows written',
    'at least',
    'The least it takes',
  ]
  const lines = entries.map(({ name, status, roundTrips, statements, aborted, read, written, bound }) => [
    name,
    ...[status, roundTrips, statements, aborted ? `≥ ${read}` : read, bound.read, written, bound.written].map(
      String,
    ),
    bound.why,
  ])
  const bill = liveCosts().flatMap(({ way, parts, dollars }) => [
    [`**${way}**`, `**${whole(dollars)}**`, '**together**'],
    ...parts.map((part) => [part.what, part.dollars.toFixed(2), part.count]),
  ])
  return `# What an operation costs

Rows as D1 counts and bills them, from its own \`meta\`, with ${ROWS.toLocaleString('en')} rows of the user in every table. A round trip is one
atomic batch. Pages hold ${PAGE} rows and those of changes ${SYNC_PAGE}. "At least" is what no engine could do without: the rows that
are asked for or must be looked at, and those that must be written with the index entries that hold them.

${table(head, lines)}

Where a row more is read than must be, it is the one that says whether another page follows, an end of a range, or what
an assertion looks at (decision [0005](decisions/0005-assertions.md)). A list of an \`If-Match\` counts as a row, too. A
filter or a sort reads the user's own rows: an index would cost a row on every write, as much as 1,000 rows read. Of a
batch that an assertion aborts D1 says nothing but the error, so what it read is not known (≥); it wrote nothing.

\`npm run costs\` measures it again and writes this page: it runs the engine on a new local D1 that it fills itself, so
the same code gives the same page.

## What live changes cost

${LIVE_USERS}. Dollars a month by Cloudflare's prices, beyond what the paid plan
includes. The writes themselves and the rows read cost the same either way and are left out. The numbers are in
\`load/live-costs.ts\`: put in your own.

${table(['What', 'Dollars', 'How many a month'], bill)}

An idle connection costs nothing: its hub sleeps, and the runtime answers its \`ping\` unbilled. Each write is one announcement,
which is one request to an object, whether or not anybody listens. A hub that has once set an alarm, for the end of a session,
keeps a database of some 12 KB: a million of them are 12 GB, or $2.40 a month.
`
}

function whole(dollars: number): string {
  return dollars.toLocaleString('en', { maximumFractionDigits: 0 })
}

/** A Markdown table with its columns aligned, as the formatter wants it. */
function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((_, at) => Math.max(...[head, ...lines].map((line) => line[at]?.length ?? 0)))
  const isNumber = (at: number) => at > 0 && at < head.length - 1
  const pad = (line: readonly string[]) =>
    line.map((cell, at) => (isNumber(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
  const rule = widths.map((width, at) => (isNumber(at) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  return [pad(head), rule, ...lines.map(pad)].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
