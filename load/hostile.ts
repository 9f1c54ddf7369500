import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request as send, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { v7 as uuidv7 } from 'uuid'
import * as z from 'zod'
import { operationsOf, type Operation } from '../openapi/operations.ts'
import { developmentToken } from '../scripts/token.ts'
import { hostility, type Hostility } from './hostile-values.ts'
import { migrate, startServer } from './server.ts'

// Requests of which every slot that the OpenAPI document lists (path, query, headers, each value of a body) is at some time
// filled with what it does not expect: none may be answered with a 5xx, with an error that is no problem document, or three
// times after more than a second. `npm run test:hostile -- --requests 200000 --seed 1 --from 0`: a request is made of the
// seed and its number alone, so a run goes on where another ended, and one request can be sent again.
const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
  },
})
const [COUNT, SEED, FROM] = [Number(options.requests), Number(options.seed), Number(options.from)]

/** How many requests wait for an answer at once. */
const AT_ONCE = 8
/** After so many requests there is a new user, with rows that nobody has deleted yet. */
const USER_EVERY = 1_000
/** What is too long, in milliseconds, and how often it must be. */
const SLOW = 1_000
const TRIES = 3
/** The status of an answer that broke off. */
const BROKEN = 599
/** How long an answer may fail to come, in milliseconds. */
const PATIENCE = 30_000

interface Sent {
  method: string
  path: string
  headers: Record<string, string>
  body: string | undefined
}

interface Got {
  status: number
  headers: IncomingMessage['headers']
  text: string
  ms: number
}

/** A user, and the id of a row or a team of theirs by what it is called in a path. */
interface User {
  token: string
  ids: Map<string, string>
}

const folder = mkdtempSync(join(tmpdir(), 'freehold-hostile-'))
migrate(folder)
const server = await startServer(folder)
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
const faults: string[] = []
const statuses = new Map<number, number>()
try {
  const document: unknown = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', 'public', 'openapi.json'), 'utf8'),
  )
  const operations = operationsOf(document)
  for (let from = FROM; from < FROM + COUNT; from += USER_EVERY) {
    const user = await newUser(operations)
    const end = Math.min(from + USER_EVERY, FROM + COUNT)
    let next = from
    const work = async () => {
      while (next < end) await attack(operations, user, next++)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    const told = [...statuses]
      .toSorted(([one], [other]) => one - other)
      .map(([status, n]) => `${n} × ${status}`)
    console.log(`${end} of --seed ${SEED}: ${told.join(', ')}; ${faults.length} faults`)
  }
} finally {
  agent.destroy()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}
for (const fault of faults) console.log(fault)
process.exitCode = faults.length ? 1 : 0

/** A user with a team and a row in each collection. */
async function newUser(operations: readonly Operation[]): Promise<User> {
  const user: User = { token: await developmentToken(`hostile-${uuidv7()}`), ids: new Map() }
  const headers = { Authorization: `Bearer ${user.token}`, 'Content-Type': 'application/json' }
  const creates = operations
    .filter(
      ({ method, path }) =>
        method === 'POST' && /(^\/api\/teams|\{user_id\}(\/\w+|\/\w+\/\{\w+\}\/\w+))$/.test(path),
    )
    .toSorted((one, other) => one.path.length - other.path.length)
  for (const { method, path, body } of creates) {
    const example = body.get('application/json')?.examples[0]
    const made = {
      method,
      path: filled(path, user),
      headers,
      body: JSON.stringify(withoutReferences(example)),
    }
    const { status, text } = await ask(made)
    if (status !== 201) continue
    user.ids.set(path.split('/').at(-1) ?? '', z.looseObject({ id: z.string() }).parse(JSON.parse(text)).id)
  }
  return user
}

/** An example names rows of the user it was recorded with. */
function withoutReferences(example: unknown): unknown {
  const { success, data } = z.record(z.string(), z.unknown()).safeParse(example)
  return success
    ? Object.fromEntries(Object.entries(data).filter(([name]) => !/^id$|_id$/.test(name)))
    : example
}

/** The path with the id of what stands before each parameter. */
function filled(path: string, { ids }: User): string {
  return path.replace(/(\w+)\/\{(\w+)\}/g, (_, before: string, name: string) =>
    name === 'user_id' ? `${before}/me` : `${before}/${ids.get(before) ?? uuidv7()}`,
  )
}

async function attack(operations: readonly Operation[], user: User, number: number): Promise<void> {
  const hostile = hostility(SEED * 100_000_000 + number)
  const operation = hostile.pick(operations)
  if (!operation) return
  const sent = requestOf(operation, user, hostile)
  let got = await ask(sent)
  statuses.set(got.status, (statuses.get(got.status) ?? 0) + 1)
  // What the machine is too busy for, or an export whose user is erased meanwhile, is well the next time.
  const isDoubtful = () => got.status === BROKEN || got.ms > SLOW
  for (let tries = 1; isDoubtful() && tries < TRIES; tries += 1) got = await ask(sent)
  const fault =
    faultOf(operation, got) ?? (isDoubtful() ? `${Math.round(got.ms)} ms, ${TRIES} times` : undefined)
  if (fault) {
    faults.push(
      `--from ${number} --requests 1: ${operation.id}: ${fault}\n  ${JSON.stringify(sent).slice(0, 400)}`,
    )
  }
}

/** A valid request of the operation, but for one or two of its slots. */
function requestOf(operation: Operation, user: User, hostile: Hostility): Sent {
  const [media] = operation.body.keys()
  const example = media === undefined ? undefined : operation.body.get(media)?.examples[0]
  const json = example === undefined ? undefined : JSON.stringify(example)
  const sent: Sent & { query: string[] } = {
    method: operation.method,
    path: filled(operation.path, user),
    headers: {
      Authorization: `Bearer ${user.token}`,
      ...(media !== undefined && { 'Content-Type': media }),
    },
    body: json,
    query: [],
  }
  const slots: (() => void)[] = [
    ...operation.parameters.map(({ name, in: place }) => () => {
      if (place === 'path') sent.path = replaced(operation.path, name, sent.path, escaped(hostile))
      else if (place === 'query') sent.query.push(`${name}=${escaped(hostile)}`)
      else sent.headers[name] = headerValue(hostile.text())
    }),
    ...['Authorization', 'Content-Type', 'Origin', 'Cookie', 'Accept', 'x-d1-bookmark'].map((name) => () => {
      sent.headers[name] = headerValue(hostile.text())
    }),
    () => sent.query.push(`${escaped(hostile)}=${escaped(hostile)}`),
  ]
  if (json !== undefined) {
    const leaves = [
      ...json.matchAll(/"(?:[^"\\]|\\.)*"(?=\s*[,}\]])|[:,[]\s*(?:-?\d[\d.eE+-]*|true|false|null)/g),
    ]
    const value = () => {
      const leaf = hostile.pick(leaves)
      if (!leaf) return
      const before = leaf[0].startsWith('"') ? '' : leaf[0].slice(0, 1)
      sent.body = `${json.slice(0, leaf.index)}${before}${hostile.json()}${json.slice(leaf.index + leaf[0].length)}`
    }
    // The values of the body are many: as often as all the rest.
    slots.push(...slots.map(() => value))
    slots.push(
      () => (sent.body = hostile.below(2) ? hostile.json() : hostile.text()),
      () => (sent.body = json.replace(/\}$/, `,${JSON.stringify(hostile.text())}:${hostile.json()}}`)),
    )
  }
  for (let times = 1 + hostile.below(2); times > 0; times -= 1) hostile.pick(slots)?.()
  const { query, ...rest } = sent
  return { ...rest, path: query.length ? `${rest.path}?${query.join('&')}` : rest.path }
}

/** The path with another value for one of its parameters. */
function replaced(template: string, name: string, path: string, value: string): string {
  const at = template.split('/').indexOf(`{${name}}`)
  return path.split('/').with(at, value).join('/')
}

/** Text as it may stand in a path or a query: escaped, or as far as possible as it is. */
function escaped(hostile: Hostility): string {
  const text = hostile.text().slice(0, 8_000)
  if (hostile.below(4) === 0) return encodeURI(text.toWellFormed()).replace(/[^\x21-\x7e]/g, '')
  return encodeURIComponent(text.toWellFormed())
}

/** As a header can carry it: no line ends, no control characters, bytes. */
function headerValue(text: string): string {
  return Array.from(text.slice(0, 4_000), (character) => character.charCodeAt(0))
    .filter((code) => code > 31 && code < 256 && code !== 127)
    .map((code) => String.fromCharCode(code))
    .join('')
    .trim()
}

/** What is wrong with an answer. */
function faultOf({ method }: Operation, { status, headers, text }: Got): string | undefined {
  if (status >= 500) return `${status} ${text.slice(0, 200)}`
  // What the server in front refuses is not ours: it does not carry our id.
  if (status < 400 || method === 'HEAD' || headers['x-request-id'] === undefined) return undefined
  if (!headers['content-type']?.startsWith('application/problem+json'))
    return `${status} ${headers['content-type']}`
  const problem = z.looseObject({ type: z.string(), title: z.string(), status: z.literal(status) })
  return problem.safeParse(parsed(text)).success ? undefined : `${status} with ${text.slice(0, 200)}`
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Sends a request as it is: fetch() would tidy its path. */
function ask({ method, path, headers, body }: Sent): Promise<Got> {
  const started = performance.now()
  const { port } = new URL(server.url)
  return new Promise((resolve) => {
    const fail = (error: Error) =>
      resolve({ status: BROKEN, headers: {}, text: error.message, ms: performance.now() - started })
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }
    const outgoing = send(
      { host: 'localhost', port, agent, method, path, headers: { ...headers, ...length }, timeout: PATIENCE },
      (answer) => {
        const done = (text: string) =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            text,
            ms: performance.now() - started,
          })
        // Live changes are endless.
        if (answer.headers['content-type']?.startsWith('text/event-stream')) {
          done('')
          answer.destroy()
          return
        }
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (part: string) => (text += part))
        answer.on('end', () => done(text))
        answer.on('error', fail)
      },
    )
    outgoing.on('error', fail)
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')))
    outgoing.end(body)
  })
}
