import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as z from 'zod'
import { must } from './rounds.ts'
import { migrate, startServer } from './server.ts'
import { developmentToken } from '../scripts/token.ts'

// Live changes over real sockets, against the Worker as `wrangler dev` runs it: `npm run storm:live`, or
// `npm run storm:live -- --writes 500 --timed 100` for a quick look.
const { values: options } = parseArgs({
  options: {
    writes: { type: 'string', default: '10000' },
    timed: { type: 'string', default: '1000' },
    logouts: { type: 'string', default: '20' },
  },
})
/** How many users write at once. */
const USERS = 20

const row = z.object({ id: z.string(), revision: z.number() })
const message = z.object({ type: z.string(), revisions: z.record(z.string(), z.number()).default({}) })
const pair = z.object({ access_token: z.string() })

interface Heard {
  revision: number
  at: number
}

const folder = mkdtempSync(join(tmpdir(), 'freehold-storm-live-'))
migrate(folder)
const server = await startServer(folder)
try {
  await isolation(Number(options.writes))
  await logouts(Number(options.logouts))
  await latency(Number(options.timed))
} finally {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}

/** Every user hears of each of their own writes, in order, and of nobody else's. */
async function isolation(writes: number): Promise<void> {
  const started = performance.now()
  const users = await Promise.all(
    Array.from({ length: USERS }, async () => {
      const token = await developmentToken(`live-${crypto.randomUUID()}`)
      return { token, ears: await listen(token), own: new Set<number>() }
    }),
  )
  await Promise.all(
    users.map(async ({ token, own }) => {
      for (let made = 0; made < writes / USERS; made += 1) own.add(await write(token))
    }),
  )
  let hints = 0
  for (const { ears, own } of users) {
    await ears.reached(Math.max(...own))
    const told = ears.heard.map(({ revision }) => revision)
    must(
      told.every((revision) => own.has(revision)),
      'a hint of a revision that is not the user’s',
    )
    must(
      told.every((revision, at) => at === 0 || revision >= (told[at - 1] ?? 0)),
      'a hint that goes back',
    )
    hints += told.length
    ears.close()
  }
  console.log(
    `ok    ${writes} interleaved writes of ${USERS} users: ${hints} hints, every one its own user's and in order (${since(started)})`,
  )
}

/** No hint of a write that began after a logout was answered reaches the connection that it ended. */
async function logouts(rounds: number): Promise<void> {
  const started = performance.now()
  for (let round = 0; round < rounds; round += 1) {
    const account = { email: `${crypto.randomUUID()}@example.com`, password: 'a password that nobody has' }
    const register = await send('POST', '/api/auth/register', undefined, account)
    const { id } = z.object({ id: z.string() }).parse(await register.json())
    const login = pair.parse(await (await send('POST', '/api/auth/login', undefined, account)).json())
    const other = await developmentToken(id)
    const [ended, kept] = [await listen(login.access_token), await listen(other)]
    // Writes are on their way when the session ends.
    const before = Array.from({ length: 5 }, () => write(other))
    const { status } = await send('POST', '/api/auth/logout', login.access_token)
    must(status === 204, `logout: ${status}`)
    const after = await write(other)
    await Promise.all(before)
    await kept.reached(after)
    must((await ended.closed) === 4401, 'another code than 4401')
    must(!ended.heard.some(({ revision }) => revision === after), 'a hint after the logout')
    kept.close()
  }
  console.log(`ok    ${rounds} logouts amid writes: closed with 4401, not one hint after (${since(started)})`)
}

/** How long after the answer to a write its hint arrives, beside what a plain request takes. */
async function latency(writes: number): Promise<void> {
  const token = await developmentToken(`live-${crypto.randomUUID()}`)
  const ears = await listen(token)
  const { id } = row.parse(await (await send('POST', '/api/me/tasks', token, { title: 'plain' })).json())
  const [plain, answered, heard, lag]: [number[], number[], number[], number[]] = [[], [], [], []]
  for (let made = 0; made < writes; made += 1) {
    const asked = performance.now()
    await (await send('GET', `/api/me/tasks/${id}`, token)).text()
    plain.push(performance.now() - asked)
    const began = performance.now()
    const revision = await write(token)
    const answer = performance.now()
    const hint = await ears.reached(revision)
    answered.push(answer - began)
    heard.push(hint - began)
    lag.push(hint - answer)
  }
  ears.close()
  console.log(`      ${writes} writes, one after the other, in milliseconds:`)
  for (const [name, times] of [
    ['a plain GET of a row', plain],
    ['write sent → answered', answered],
    ['write sent → hint received', heard],
    ['answered → hint received', lag],
  ] as const) {
    console.log(`      ${name.padEnd(28)} p50 ${quantile(times, 0.5)}  p99 ${quantile(times, 0.99)}`)
  }
  const [late, usual] = [quantile(lag, 0.5), quantile(plain, 0.5)]
  must(Number(late) <= Number(usual) + 50, `a hint takes ${late} ms, and a plain request ${usual}`)
}

/** A connection of a browser's kind, and what it hears. */
async function listen(token: string) {
  const url = `${server.url.replace('http', 'ws')}/api/me/events`
  const socket = new WebSocket(url, ['freehold', `bearer.${token}`])
  const heard: Heard[] = []
  const closed = Promise.withResolvers<number>()
  const ready = Promise.withResolvers<void>()
  let wake = Promise.withResolvers<undefined>()
  socket.addEventListener('close', ({ code }) => {
    closed.resolve(code)
    ready.reject(new Error(`closed with ${code}`))
  })
  socket.addEventListener('message', ({ data }) => {
    const { type, revisions } = message.parse(JSON.parse(String(data)))
    if (type === 'ready') ready.resolve()
    else heard.push({ revision: revisions.tasks ?? 0, at: performance.now() })
    wake.resolve(undefined)
    wake = Promise.withResolvers<undefined>()
  })
  await ready.promise
  return {
    heard,
    closed: closed.promise,
    close: () => socket.close(),
    /** When it heard of a revision, or of a later one. */
    async reached(revision: number): Promise<number> {
      for (;;) {
        const hint = heard.find((one) => one.revision >= revision)
        if (hint) return hint.at
        const code = await Promise.race([closed.promise, wake.promise])
        must(code === undefined, `a connection closed with ${code}`)
      }
    },
  }
}

/** Makes a task and resolves to its revision. */
async function write(token: string): Promise<number> {
  const response = await send('POST', '/api/me/tasks', token, { title: 'live' })
  must(response.status === 201, `a write: ${response.status}`)
  return row.parse(await response.json()).revision
}

function send(method: string, path: string, token?: string, body?: unknown): Promise<Response> {
  return fetch(server.url + path, {
    method,
    headers: {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

function quantile(times: readonly number[], share: number): string {
  const sorted = times.toSorted((one, other) => one - other)
  return (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(1)
}

function since(started: number): string {
  return `${((performance.now() - started) / 1_000).toFixed(1)} s`
}
