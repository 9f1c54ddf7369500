import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { v7 as uuidv7 } from 'uuid'
import * as z from 'zod'
import { atOnce, check, must, tally } from './rounds.ts'
import { migrate, startServer, type Server } from './server.ts'
import { developmentToken } from '../scripts/token.ts'

// Races and crashes over real HTTP, against the Worker as `wrangler dev` runs it:
// `npm run storm`, or `npm run storm -- --rounds 3 --kills 2` for a quick look.
const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '50' }, kills: { type: 'string', default: '20' } },
})
const ROUNDS = Number(options.rounds)
const KILLS = Number(options.kills)
/** Clients that write at once while workerd is killed, and how long they may before, in milliseconds. */
const CLIENTS = 24
const SHORTEST_STORM = 200
const LONGEST_STORM = 1_200

const row = z.looseObject({
  id: z.string(),
  revision: z.number(),
  title: z.string(),
  description: z.string().nullable(),
})
const page = z.object({
  changes: z.array(z.object({ deleted: z.boolean(), data: row.optional() })),
  cursor: z.string(),
  has_more: z.boolean(),
})
type Task = z.output<typeof row>

interface Answer {
  status: number
  replayed: boolean
  text: string
}

type Call = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>

const folder = mkdtempSync(join(tmpdir(), 'freehold-storm-'))
let server: Server | undefined
try {
  migrate(folder)
  server = await startServer(folder)
  await check('200 PATCH with the same If-Match: one 200, 199 × 412', ROUNDS, sameMatch)
  await check('200 PATCH of different fields without If-Match: none lost', ROUNDS, differentFields)
  await check('100 POST with one key: one row, 100 answers that agree', ROUNDS, sameKey)
  await check('100 POST with one client-made id: one 201, 99 × 409, one row', ROUNDS, sameId)
  await check('a bulk of 100 that fails at 57 leaves nothing', ROUNDS, failingBulk)
  await check('50 overlapping bulks never interleave', ROUNDS, overlappingBulks)
  await check(
    'SIGKILL in a storm of keyed writes: all acknowledged there, none torn, none doubled',
    KILLS,
    kill,
  )
} finally {
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function sameMatch() {
  const call = await newClient()
  const { id, revision } = await created(call)
  const answers = await atOnce(200, (number) =>
    call('PATCH', `/tasks/${id}`, { title: `By ${number}` }, { 'If-Match': `"${revision}"` }),
  )
  const counts = tally(answers)
  must(counts['200'] === 1 && counts['412'] === 199, `answers: ${JSON.stringify(counts)}`)
  const winner = answers.findIndex(({ status }) => status === 200)
  const [stored] = await everyTask(call)
  must(stored?.title === `By ${winner}`, `the winner is ${winner}, stored is ${stored?.title}`)
  return counts
}

async function differentFields() {
  const call = await newClient()
  const { id } = await created(call)
  const fields = [
    { title: 'Two' },
    { description: 'Two' },
    { status: 'in_progress' },
    { priority: 'high' },
    { due_date: '2026-11-20' },
    { tags: ['two'] },
  ]
  const answers = await atOnce(200, (number) => call('PATCH', `/tasks/${id}`, fields[number % fields.length]))
  const counts = tally(answers)
  must(counts['200'] === 200, `answers: ${JSON.stringify(counts)}`)
  const [stored] = await everyTask(call)
  for (const [name, value] of fields.flatMap((field) => Object.entries(field))) {
    must(JSON.stringify(stored?.[name]) === JSON.stringify(value), `${name} is lost`)
  }
  must(new Set(answers.map(({ text }) => parse(text).revision)).size === 200, 'two writes have one revision')
  return counts
}

async function sameKey() {
  const call = await newClient()
  const key = { 'Idempotency-Key': uuidv7() }
  const answers = await atOnce(100, () => call('POST', '/tasks', { title: 'One' }, key))
  const counts = tally(answers)
  must(counts['201'] === 100, `answers: ${JSON.stringify(counts)}`)
  must(new Set(answers.map(({ text }) => text)).size === 1, 'the answers differ')
  const replays = answers.filter(({ replayed }) => replayed).length
  must(replays === 99, `${replays} replays`)
  const rows = (await everyTask(call)).length
  must(rows === 1, `${rows} rows`)
  return { ...counts, replays }
}

async function sameId() {
  const call = await newClient()
  const id = uuidv7()
  const counts = tally(await atOnce(100, (number) => call('POST', '/tasks', { id, title: `By ${number}` })))
  must(counts['201'] === 1 && counts['409'] === 99, `answers: ${JSON.stringify(counts)}`)
  const rows = (await everyTask(call)).length
  must(rows === 1, `${rows} rows`)
  return counts
}

async function failingBulk() {
  const call = await newClient()
  const { id } = await created(call)
  const operations: unknown[] = Array.from({ length: 100 }, (_, at) => ({
    op: 'create',
    data: { title: `Task ${at}` },
  }))
  operations[3] = { op: 'update', id, data: { title: 'Changed' } }
  operations[57] = { op: 'delete', id: uuidv7() }
  const { status, text } = await call('POST', '/tasks/bulk', { operations })
  const { index } = z.object({ index: z.number() }).parse(JSON.parse(text))
  must(status === 404 && index === 57, `${status} at ${index}`)
  const rows = await everyTask(call)
  must(rows.length === 1 && rows[0]?.title === 'One', `${rows.length} rows, ${rows[0]?.title}`)
  return { '404 at 57': 1 }
}

async function overlappingBulks() {
  const call = await newClient()
  const shared = await Promise.all(Array.from({ length: 3 }, () => created(call)))
  const SIZE = 5
  const answers = await atOnce(50, (number) =>
    call('POST', '/tasks/bulk', {
      operations: [
        ...Array.from({ length: SIZE }, (_, at) => ({
          op: 'create',
          data: { title: `Bulk ${number}`, description: String(at) },
        })),
        ...shared.map(({ id }) => ({ op: 'update', id, data: { title: `Bulk ${number}`, description: id } })),
      ],
    }),
  )
  const counts = tally(answers)
  must(counts['200'] === 50, `answers: ${JSON.stringify(counts)}`)
  const rows = await everyTask(call)
  must(rows.length === 50 * SIZE + shared.length, `${rows.length} rows`)
  // In the order of revisions each bulk's rows lie together; what it updated moved on with the last bulk.
  const runs = rows.filter(({ title }, at) => title !== rows[at - 1]?.title).length
  must(runs === 50, `${runs} runs of revisions for 50 bulks`)
  const last = new Set(rows.slice(-SIZE - shared.length).map(({ title }) => title))
  must(last.size === 1, 'the shared rows are not all from the last bulk')
  return counts
}

/** A write of the storm: what was sent, under a key, and whether the Worker said that it was done. */
interface Write {
  mark: string
  path: string
  body: unknown
  key: Record<string, string>
  rows: number
  acknowledged: boolean
}

async function kill() {
  const subject = newUserId()
  const call = await newClient(subject)
  const writes: Write[] = []
  const counters = await Promise.all(Array.from({ length: CLIENTS }, () => created(call)))
  const reached = counters.map(() => ({ sent: 0, acknowledged: 0 }))
  const storm = { over: false }

  async function client(number: number): Promise<void> {
    for (let turn = 0; !storm.over; turn += 1) {
      const write = writeOf(`${number}.${turn}`, turn % 3 === 2)
      writes.push(write)
      write.acknowledged = await isDone(call, write)
      const count = reached[number]
      if (!count || storm.over) return
      count.sent = turn + 1
      const patch = call('PATCH', `/tasks/${counters[number]?.id}`, { description: `count ${turn + 1}` })
      if (
        await patch.then(
          ({ status }) => status === 200,
          () => false,
        )
      )
        count.acknowledged = turn + 1
    }
  }

  const clients = counters.map((_, number) => client(number))
  const duration = SHORTEST_STORM + Math.random() * (LONGEST_STORM - SHORTEST_STORM)
  await new Promise((resolve) => setTimeout(resolve, duration))
  await server?.crash()
  storm.over = true
  await Promise.all(clients)
  server = await startServer(folder)

  const back = await newClient(subject)
  const acknowledged = writes.filter((write) => write.acknowledged)
  const lost = writes.filter((write) => !write.acknowledged)
  const after = groups(await everyTask(back))
  for (const { mark, rows } of acknowledged) {
    must(
      after.get(mark)?.length === rows,
      `${mark} was acknowledged: ${after.get(mark)?.length ?? 0} of ${rows} rows`,
    )
  }
  for (const { mark, rows } of lost) {
    const there = after.get(mark)?.length ?? 0
    must(there === 0 || there === rows, `${mark} is torn: ${there} of ${rows} rows`)
  }
  const survived = lost.filter(({ mark }) => after.has(mark)).length
  for (const write of lost) {
    must(await isDone(back, write), `${write.mark} cannot be sent again`)
  }
  const settled = await everyTask(back)
  const all = groups(settled)
  for (const { mark, rows } of writes) {
    must(
      all.get(mark)?.length === rows,
      `${mark}: ${all.get(mark)?.length ?? 0} rows of ${rows} after the retry`,
    )
  }
  const expected = writes.reduce((sum, { rows }) => sum + rows, 0) + counters.length
  must(settled.length === expected, `${settled.length} rows, not ${expected}`)
  counters.forEach(({ id }, number) => {
    const found = settled.find((task) => task.id === id)
    const count = Number(/^count (\d+)$/.exec(found?.description ?? 'count 0')?.[1])
    const { sent = 0, acknowledged: told = 0 } = reached[number] ?? {}
    must(count >= told && count <= sent, `counter ${number} is ${count}: told ${told}, sent ${sent}`)
  })
  return {
    'acknowledged writes': acknowledged.length + reached.reduce((sum, count) => sum + count.acknowledged, 0),
    'keyed writes without an answer': lost.length,
    'of them done all the same': survived,
  }
}

/** One row, or three of a bulk; a row's description says again what its title says, so that a torn one would show. */
function writeOf(mark: string, bulk: boolean): Write {
  const data = { title: `mark ${mark}`, description: `mark ${mark} `.repeat(40).slice(0, 400) }
  const operations = Array.from({ length: 3 }, () => ({ op: 'create', data }))
  return {
    mark,
    path: bulk ? '/tasks/bulk' : '/tasks',
    body: bulk ? { operations } : data,
    key: { 'Idempotency-Key': uuidv7() },
    rows: bulk ? operations.length : 1,
    acknowledged: false,
  }
}

function isDone(call: Call, { path, body, key }: Write): Promise<boolean> {
  return call('POST', path, body, key).then(
    ({ status }) => status === 201 || status === 200,
    () => false,
  )
}

/** The storm's rows by their mark. Throws when one is not as it was sent. */
function groups(tasks: readonly Task[]): Map<string, Task[]> {
  const found = new Map<string, Task[]>()
  for (const task of tasks) {
    const [, mark] = /^mark (.*)$/.exec(task.title) ?? []
    if (mark === undefined) continue
    must(task.description === `mark ${mark} `.repeat(40).slice(0, 400), `${mark} is torn`)
    found.set(mark, [...(found.get(mark) ?? []), task])
  }
  return found
}

/** A client of the running Worker, as a new user unless told. */
async function newClient(subject = newUserId()): Promise<Call> {
  const token = await developmentToken(subject)
  return async (method, path, body, headers = {}) => {
    const response = await fetch(`${server?.url}/api/me${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const replayed = response.headers.get('Idempotent-Replayed') === 'true'
    return { status: response.status, replayed, text: await response.text() }
  }
}

function newUserId(): string {
  return `storm-${uuidv7()}`
}

async function created(call: Call): Promise<Task> {
  const { status, text } = await call('POST', '/tasks', { title: 'One' })
  must(status === 201, `${status} ${text}`)
  return parse(text)
}

/** Every live task of the user in the order of revisions, from `/changes`. */
async function everyTask(call: Call): Promise<Task[]> {
  const tasks: Task[] = []
  for (let query = '?limit=500'; ;) {
    const { status, text } = await call('GET', `/changes${query}`)
    must(status === 200, `${status} ${text}`)
    const { changes, cursor, has_more } = page.parse(JSON.parse(text))
    tasks.push(...changes.flatMap(({ data }) => data ?? []))
    if (!has_more) return tasks
    query = `?limit=500&cursor=${cursor}`
  }
}

function parse(text: string): Task {
  return row.parse(JSON.parse(text))
}
