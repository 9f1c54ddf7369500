import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { decodeJwt } from 'jose'
import { v7 as uuidv7 } from 'uuid'
import * as z from 'zod'
import { createPasskey, usePasskey } from '../test/authenticator.ts'
import { atOnce, check, must, tally } from './rounds.ts'
import { migrate, startServer } from './server.ts'

// Races over accounts and sessions, and the time a login takes, against the Worker as `wrangler dev` runs it:
// `npm run storm:accounts`, or `npm run storm:accounts -- --rounds 3 --samples 20` for a quick look.
const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '50' }, samples: { type: 'string', default: '200' } },
})
const ROUNDS = Number(options.rounds)
const SAMPLES = Number(options.samples)
/** How many clients read while one logs out. */
const READERS = 20
const PASSWORD = 'a password that nobody has'
/** How much CPU a login by passkey may take beyond what any request takes here, in milliseconds: the free plan has 10. */
const PASSKEY_CPU = 10

const pair = z.object({ access_token: z.string(), refresh_token: z.string() })
type Pair = z.output<typeof pair>

const folder = mkdtempSync(join(tmpdir(), 'freehold-storm-'))
migrate(folder)
const server = await startServer(folder)
try {
  await check('100 registrations of one e-mail: one 201', ROUNDS, sameEmail)
  await check('100 refreshes of one token: one session, no fork, nobody logged out', ROUNDS, sameToken)
  await check('a stolen refresh token, used by both: no session is left', ROUNDS, stolenToken)
  await check('logout in a storm of reads: no 2xx begun after its answer', ROUNDS, logout)
  await check('change of password in a storm of logins: no session of the old one is left', ROUNDS, change)
  await check(`login for known and unknown e-mails, ${SAMPLES} of each: the same time`, 1, () =>
    sameTime(SAMPLES, '/api/auth/login', { password: 'not the password' }, 401, newEmail),
  )
  const nobody = newEmail()
  // Nothing is hashed, so there is time for many.
  await check(`forgot for a known and an unknown e-mail, ${5 * SAMPLES} of each: the same time`, 1, () =>
    sameTime(5 * SAMPLES, '/api/auth/password/forgot', {}, 202, () => nobody),
  )
  await check(
    `CPU of ${SAMPLES} registrations, logins, refreshes and reads, a passkey's under ${PASSKEY_CPU} ms`,
    1,
    cpu,
  )
} finally {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function sameEmail() {
  const body = { email: newEmail(), password: PASSWORD }
  const counts = tally(await atOnce(100, () => send('POST', '/api/auth/register', body)))
  must(counts['201'] === 1, `answers: ${JSON.stringify(counts)}`)
  must((counts['409'] ?? 0) + (counts['503'] ?? 0) === 99, `answers: ${JSON.stringify(counts)}`)
  await login(body.email)
  return counts
}

async function sameToken() {
  const first = await login(await newEmailOfAccount())
  const answers = await atOnce(100, () => refresh(first.refresh_token))
  const counts = tally(answers)
  must(counts['200'] === 100, `answers: ${JSON.stringify(counts)}`)
  const pairs = answers.map(({ text }) => pair.parse(JSON.parse(text)))
  const sessions = new Set([first, ...pairs].map(({ access_token }) => decodeJwt(access_token).sid))
  must(sessions.size === 1, `${sessions.size} sessions`)
  const reads = await Promise.all(pairs.map(({ access_token }) => read(access_token)))
  must(
    reads.every(({ status }) => status === 200),
    'a token of a winner does not work',
  )
  const list = z.object({ count: z.number() })
  const { text } = await send('GET', '/api/auth/sessions', undefined, pairs[0]?.access_token)
  must(list.parse(JSON.parse(text)).count === 1, 'the session has forked')
  const next = await atOnce(100, (number) => refresh(pairs[number]?.refresh_token ?? ''))
  must(tally(next)['200'] === 100, `and then: ${JSON.stringify(tally(next))}`)
  return counts
}

async function stolenToken() {
  const mine = await login(await newEmailOfAccount())
  const thief = mine.refresh_token
  const second = pair.parse(JSON.parse((await refresh(mine.refresh_token)).text))
  const third = pair.parse(JSON.parse((await refresh(second.refresh_token)).text))
  const [used] = await Promise.all([refresh(thief), refresh(third.refresh_token)])
  must(used.status === 401, `the old token gets ${used.status}`)
  const after = await Promise.all([
    ...[mine, second, third].map(({ refresh_token }) => refresh(refresh_token)),
    ...[mine, second, third].map(({ access_token }) => read(access_token)),
  ])
  const counts = tally(after)
  must(counts['401'] === 6, `answers: ${JSON.stringify(counts)}`)
  return counts
}

async function logout() {
  const { access_token } = await login(await newEmailOfAccount())
  const reads: { begun: number; status: number }[] = []
  let over = Number.POSITIVE_INFINITY
  const readers = Array.from({ length: READERS }, async () => {
    for (let after = 0; after < 3;) {
      const begun = performance.now()
      const { status } = await read(access_token)
      reads.push({ begun, status })
      if (begun > over) after += 1
    }
  })
  await new Promise((resolve) => setTimeout(resolve, 30))
  const { status } = await send('POST', '/api/auth/logout', undefined, access_token)
  over = performance.now()
  must(status === 204, `logout: ${status}`)
  await Promise.all(readers)
  const late = reads.filter(({ begun }) => begun > over)
  must(
    late.every((answer) => answer.status === 401),
    `after it: ${JSON.stringify(tally(late))}`,
  )
  const early = tally(reads.filter(({ begun }) => begun <= over))
  must(Boolean(early['200']), 'nobody was logged in')
  return { '200 before': early['200'] ?? 0, '401 after': late.length }
}

async function change() {
  const email = await newEmailOfAccount()
  const { access_token } = await login(email)
  const body = { current_password: PASSWORD, new_password: `${PASSWORD}!` }
  const [changed, ...logins] = await Promise.all([
    send('PUT', '/api/auth/password', body, access_token),
    ...Array.from({ length: 6 }, () => send('POST', '/api/auth/login', { email, password: PASSWORD })),
  ])
  must(changed.status === 200, `change: ${changed.status}`)
  const made = logins.filter(({ status }) => status === 200).map(({ text }) => pair.parse(JSON.parse(text)))
  const reads = await Promise.all(made.map((one) => read(one.access_token)))
  must(
    reads.every(({ status }) => status === 401),
    `tokens of the old password: ${JSON.stringify(tally(reads))}`,
  )
  must((await read(access_token)).status === 200, 'the session that changed it has ended')
  return { 'logins before it': made.length, 'logins after it': logins.length - made.length }
}

/** Whether the times of a request tell an e-mail that has an account from `unknown` ones. */
async function sameTime(
  samples: number,
  path: string,
  rest: object,
  expected: number,
  newUnknown: () => string,
) {
  const email = await newEmailOfAccount()
  const times: Record<'known' | 'unknown', number[]> = { known: [], unknown: [] }
  for (let sample = -5; sample < samples; sample += 1) {
    for (const kind of sample % 2 ? (['known', 'unknown'] as const) : (['unknown', 'known'] as const)) {
      const body = { ...rest, email: kind === 'known' ? email : newUnknown() }
      const started = performance.now()
      const { status } = await send('POST', path, body)
      must(status === expected, `${kind}: ${status}`)
      if (sample >= 0) times[kind].push(performance.now() - started)
    }
  }
  const [known, unknown] = [times.known, times.unknown]
  const score = rankScore(known, unknown)
  const auc = rankArea(known, unknown)
  console.log(
    `      ms at 10, 50 and 90 %: known ${quantiles(known)}, unknown ${quantiles(unknown)}; z = ${score.toFixed(2)}, AUC = ${auc.toFixed(3)}`,
  )
  // Less than one in a thousand, were they the same.
  must(Math.abs(score) < 3.3, 'they can be told apart')
  // Of fewer, chance alone goes further.
  must(samples < 1_000 || Math.abs(auc - 0.5) <= 0.05, 'an AUC beyond 0.55')
  return { samples }
}

/** How often one of the first took longer than one of the second: 0.5 when nothing tells them apart. */
function rankArea(first: readonly number[], second: readonly number[]): number {
  const longer = first.flatMap((one) =>
    second.map((other): number => (one > other ? 1 : one === other ? 0.5 : 0)),
  )
  return longer.reduce((sum, each) => sum + each, 0) / longer.length
}

async function cpu() {
  const taken = async (request: (at: number) => Promise<{ status: number }>, samples = SAMPLES) => {
    const before = server.cpu()
    for (let at = 0; at < samples; at += 1) {
      const { status } = await request(at)
      must(status < 300, String(status))
    }
    return ((server.cpu() - before) * 1000) / samples
  }
  const emails = Array.from({ length: SAMPLES }, newEmail)
  const body = (at: number) => ({ email: emails[at], password: PASSWORD })
  const registering = await taken((at) => send('POST', '/api/auth/register', body(at)))
  const loggingIn = await taken((at) => send('POST', '/api/auth/login', body(at)))
  let mine = await login(emails[0] ?? '')
  const refreshing = await taken(async () => {
    const answer = await refresh(mine.refresh_token)
    mine = pair.parse(JSON.parse(answer.text))
    return answer
  })
  const reading = await taken(() => read(mine.access_token))
  const answers = await passkeyLogins(5 * SAMPLES)
  const byPasskey = await taken((at) => send('POST', '/api/auth/login/passkey', answers[at]), answers.length)
  // The development server's share of any request.
  const serving = await taken(() => send('GET', '/health'), answers.length)
  const line = Object.entries({
    register: registering,
    'log in': loggingIn,
    'log in by passkey': byPasskey,
    refresh: refreshing,
    read: reading,
    'nothing, /health': serving,
  })
  console.log(
    `      ms of workerd's CPU each, D1 included: ${line.map(([what, ms]) => `${what} ${ms.toFixed(1)}`).join(', ')}`,
  )
  must(byPasskey - serving < PASSKEY_CPU, 'a login by passkey takes too much')
  return { samples: SAMPLES }
}

/** What a browser sends to log in with the passkey of a new account, so many times, each with a challenge of its own. */
async function passkeyLogins(count: number): Promise<object[]> {
  const client = { origin: server.url }
  const ask = async (path: string, body?: object) =>
    z.record(z.string(), z.unknown()).parse(JSON.parse((await send('POST', `/api/auth${path}`, body)).text))
  const email = newEmail()
  const made = createPasskey(await ask('/register/passkey/options', { email }), 'ES256', { client })
  const passkey: unknown = made.answer
  const { status } = await send('POST', '/api/auth/register', { email, passkey })
  must(status === 201, `register by passkey: ${status}`)
  const answers: object[] = []
  while (answers.length < count) {
    answers.push(usePasskey(made.passkey, await ask('/login/passkey/options'), { client }))
  }
  return answers
}

/** The normal score of the Mann–Whitney U test: how unlikely it is that both are samples of the same. */
function rankScore(a: readonly number[], b: readonly number[]): number {
  const all = [...a.map((time) => ({ time, of: 'a' })), ...b.map((time) => ({ time, of: 'b' }))]
  const ranked = all.toSorted((one, other) => one.time - other.time)
  const ranks = ranked.reduce((sum, { of }, at) => (of === 'a' ? sum + at + 1 : sum), 0)
  const u = ranks - (a.length * (a.length + 1)) / 2
  const deviation = Math.sqrt((a.length * b.length * (a.length + b.length + 1)) / 12)
  return (u - (a.length * b.length) / 2) / deviation
}

function quantiles(samples: readonly number[]): string {
  const sorted = samples.toSorted((one, other) => one - other)
  return [0.1, 0.5, 0.9].map((share) => sorted[Math.floor(sorted.length * share)]?.toFixed(1)).join(' / ')
}

async function send(method: string, path: string, body?: unknown, token?: string) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, text: await response.text() }
}

function read(token: string) {
  return send('GET', '/api/me/tasks', undefined, token)
}

function refresh(refresh_token: string) {
  return send('POST', '/api/auth/refresh', { refresh_token })
}

async function login(email: string): Promise<Pair> {
  const { status, text } = await send('POST', '/api/auth/login', { email, password: PASSWORD })
  must(status === 200, `login: ${status} ${text}`)
  return pair.parse(JSON.parse(text))
}

async function newEmailOfAccount(): Promise<string> {
  const email = newEmail()
  const { status, text } = await send('POST', '/api/auth/register', { email, password: PASSWORD })
  must(status === 201, `register: ${status} ${text}`)
  return email
}

function newEmail(): string {
  return `storm-${uuidv7()}@example.com`
}
