import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { SignJWT } from 'jose'
import { v7 as uuidv7 } from 'uuid'
import * as z from 'zod'
import { createApp } from '../src/app.ts'
import { decodeOpaque, encodeOpaque } from '../src/engine/cursor.ts'
import { problemTypes } from '../src/problems.ts'
import { declarationsOf } from './declarations.ts'
import { exampleFile, root } from './project.ts'
import { applyMigrations, withLocalDatabase } from './local-database.ts'
import { openApiFor } from '../openapi/document.ts'
import { newMailbox } from '../openapi/mailbox.ts'
import { driverFor, type Deployment, type Exchange } from '../openapi/drive.ts'
import { recorded, type Examples } from '../openapi/examples.ts'
import { operationsOf } from '../openapi/operations.ts'
import { ceremonies, WAYS_IN } from '../test/ceremonies.ts'
import { openIdProvider } from '../test/openid-provider.ts'

// The examples of the OpenAPI document: what every operation answered to requests made from its own description.
// `npm run examples` writes docs/examples.json; another path may follow, so that a test can compare. With `--new` it keeps
// what is there of operations that have examples, and records the others and those over all collections: much quicker.
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { new: { type: 'boolean', default: false } },
})
const [target = exampleFile] = positionals
mkdirSync(dirname(target), { recursive: true })
const OVER_ALL = new Set(['listChanges', 'exportAccount'])

const { resources, verbs } = await declarationsOf(root)

const SECRET = 'the secret of examples that nobody keeps'
const USER = 'ada'
const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl'
/** When everything happened, and when it really did. */
const THEN = Date.parse('2026-11-20T09:30:00.000Z')
const NOW = Date.now()
/** What is random in ceremonies: bytes in base64url, tickets and codes. */
const RANDOM = /^(?!eyJ|WyJ|[\da-f]{8}-)[\w.-]{43,}$|(?<=\b(?:state|code_challenge)=)[\w-]{43,}/g

// No request leaves this machine: users sign in at a provider of the tests.
const provider = openIdProvider()
const realFetch = globalThis.fetch
globalThis.fetch = async (input, init) => {
  const request = new Request(input, init)
  return provider.isAt(new URL(request.url)) ? provider.serve(request) : realFetch(request)
}

await withLocalDatabase(async (database) => {
  const files = await applyMigrations(database, 'migrations')
  // As wrangler keeps the account of them.
  await database.exec('CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT)')
  await database.batch(
    files.map((file) => database.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(file)),
  )
  writeFileSync(target, `${JSON.stringify(await record(database), null, 2)}\n`)
})

async function record(database: D1Database): Promise<Examples> {
  const document = openApiFor(resources, verbs)
  const app = createApp(resources, verbs)
  const mailbox = newMailbox()
  const bindings = {
    ...WAYS_IN,
    EMAIL: mailbox.EMAIL,
    DB: database,
    JWT_SECRET: SECRET,
    ENVIRONMENT: 'development',
    // So that answers show the bookmark that they can carry.
    READ_REPLICAS: 'on',
    RATE_LIMITS: 'off',
  }
  const sender =
    (settings: object): Deployment['send'] =>
    async ({ method, path, headers, body }) => {
      const init = { method, headers, ...(body !== undefined && { body }) }
      const response = await app.request(path, init, { ...bindings, ...settings })
      return { status: response.status, headers: response.headers, text: await response.text() }
    }
  const newToken = (role?: 'admin') =>
    new SignJWT({ sub: `${USER}-${uuidv7()}`, role })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(SECRET))
  const drive = driverFor(document, { send: sender({}), newToken, mailed: mailbox.token, ceremonies })
  const known =
    options.new && existsSync(exampleFile)
      ? recorded.parse(JSON.parse(readFileSync(exampleFile, 'utf8')))
      : undefined
  const examples: Examples = {
    operations: {},
    problems: { ...known?.problems },
    headers: { ...known?.headers },
  }
  for (const operation of operationsOf(document)) {
    const kept = OVER_ALL.has(operation.id) ? undefined : known?.operations[operation.id]
    if (kept) {
      examples.operations[operation.id] = kept
      continue
    }
    // One example of each problem is enough.
    const isWanted = (status: number) =>
      Object.entries(problemTypes).some(([type, [of]]) => of === status && !(type in examples.problems))
    for (const exchange of await quietly(() => drive(operation, isWanted))) note(examples, exchange)
  }
  // So that the recording need not send as many requests as that takes.
  const limited = { RATE_LIMITS: '', USER_LIMIT: { limit: async () => ({ success: false }) } }
  for (const operation of operationsOf(document).filter(({ id }) => id === 'listChanges')) {
    const headers = { Authorization: `Bearer ${await newToken()}` }
    const request = { method: 'GET', path: '/api/me/changes', headers }
    note(examples, { operation, request, response: await quietly(() => sender(limited)(request)) })
  }
  return examples
}

/** Keeps of an exchange what there is no example of yet. */
function note(examples: Examples, { operation, request, response }: Exchange): void {
  const settled = settling()
  const { body, answers } = (examples.operations[operation.id] ??= { body: {}, answers: {} })
  const described = operation.responses.get(response.status)
  const sent = mediaType(new Headers(request.headers))
  if (response.status < 400 && request.body && operation.body.has(sent)) {
    body[sent] ??=
      sent === 'application/json'
        ? settled(JSON.parse(request.body))
        : settled(Object.fromEntries(new URLSearchParams(request.body)))
  }
  const type = mediaType(response.headers)
  const value = response.text ? settled(JSON.parse(response.text)) : undefined
  if (type === 'application/problem+json') {
    const problem = z.object({ type: z.string() }).parse(value)
    examples.problems[problem.type.replace(/^.*#/, '')] ??= value
  } else if (described?.content.has(type)) {
    const known = answers[response.status]?.[type]
    // The shorter of two is the better example.
    if (known === undefined || JSON.stringify(value).length < JSON.stringify(known).length) {
      answers[response.status] = { ...answers[response.status], [type]: value }
    }
  }
  for (const [name, { schema }] of described?.headers ?? []) {
    const text = response.headers.get(name)
    if (text !== null)
      examples.headers[name] ??= schema.type === 'integer' ? Number(text) : String(settled(text))
  }
}

/**
 * Makes what differs from run to run the same in all of them, and keeps equal what is equal: users, ids, times and
 * revisions, also inside of cursors.
 */
function settling() {
  const known = new Map<string, string>()
  const nth = (found: string, kind: string, make: (n: number) => string) => {
    const n = [...known.keys()].filter((key) => key.startsWith(kind)).length + 1
    const settled = known.get(`${kind} ${found}`) ?? make(n)
    known.set(`${kind} ${found}`, settled)
    return settled
  }
  const inText = (text: string): string =>
    text
      .replaceAll(RANDOM, 'A'.repeat(43))
      .replaceAll(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, TOKEN)
      .replaceAll(/(?<=__Host-refresh_token=)[^;]+/g, 'refresh-token')
      .replaceAll(/(?<=cursor=)[\w-]+|^(?:eyJ|WyJ)[\w-]+$/g, (cursor) =>
        encodeOpaque(settled(decodeOpaque(cursor))),
      )
      .replaceAll(
        /[\da-f]{8}-[\da-f]{8}-[\da-f]{8}-[\da-f]{32}/g,
        `00000001-00000002-00000003-${'0'.repeat(32)}`,
      )
      .replaceAll(new RegExp(`${USER}-[\\da-f-]{36}`, 'g'), USER)
      .replaceAll(/[\da-f]{8}-[\da-f]{4}-[47][\da-f-]{21}/g, (id) => nth(id, 'id', settledId))
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, settledTime)
      .replaceAll(/(?<="?)\b1\d{12}\b/g, (revision) => nth(revision, 'revision', (n) => String(THEN + n)))
      .replaceAll(/(?<=export-)[\d-]{10}/g, new Date(THEN).toISOString().slice(0, 10))
      .replaceAll(/(?<=dur=)[\d.]+/g, '1')
  const settled = (value: unknown): unknown => {
    if (typeof value === 'string') return inText(value)
    if (typeof value === 'number') return Number(inText(String(value)))
    if (Array.isArray(value)) return value.map(settled)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [
        key,
        key === 'refresh_token' ? 'refresh-token' : settled(each),
      ]),
    )
  }
  return settled
}

/** The nth id that was made then (RFC 9562 §5.7). */
function settledId(n: number): string {
  const [high, low] = [THEN.toString(16).padStart(12, '0').slice(0, 8), THEN.toString(16).slice(-4)]
  return `${high}-${low}-7000-8000-${String(n).padStart(12, '0')}`
}

/** A time as far from then as it was from now, to the hour. */
function settledTime(text: string): string {
  const time = Date.parse(text)
  const hours = time === THEN ? 0 : Math.round((time - NOW) / 3_600_000)
  return new Date(THEN + hours * 3_600_000).toISOString()
}

function mediaType(headers: Headers): string {
  const [type = ''] = (headers.get('Content-Type') ?? '').split(';')
  return type
}

/** Without the lines that the engine logs of every request. */
async function quietly<Result>(work: () => Promise<Result>): Promise<Result> {
  const { info, warn, error } = console
  Object.assign(console, { info() {}, warn() {}, error() {} })
  try {
    return await work()
  } finally {
    Object.assign(console, { info, warn, error })
  }
}
