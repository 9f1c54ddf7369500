import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as ask, type ClientRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { parseArgs } from 'node:util'
import { migrate, startServer } from '../load/server.ts'
import { developmentToken } from '../scripts/token.ts'
import { FAULTS, type Fault, type Reply, type Request } from './faults.ts'
import { verification } from './verification.ts'

// Who verifies the verifier: each fault is planted in a proxy before the real Worker, and just the checks that are about it
// must fail. `node verify/plant.ts`, or with the number of one fault.
const { positionals } = parseArgs({ allowPositionals: true })
/** How long one run may take, in milliseconds. */
const DEADLINE = 300_000
/** Headers of one connection, which are not passed on. */
const HOP = new Set([
  'host',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'content-encoding',
  'expect',
])

const folder = mkdtempSync(join(tmpdir(), 'freehold-faults-'))
migrate(folder)
const server = await startServer(folder)
let wrong = 0
try {
  const none: Fault = { name: 'no fault', expected: [], plant: () => (request, send) => send(request) }
  const faults = [none, ...FAULTS].filter((_, at) => !positionals.length || positionals.includes(String(at)))
  for (const fault of faults) {
    const started = performance.now()
    const failed = await failedWith(fault)
    const seconds = ((performance.now() - started) / 1_000).toFixed(1)
    const exact = JSON.stringify(failed) === JSON.stringify(fault.expected.toSorted())
    wrong += exact ? 0 : 1
    console.log(
      `${exact ? '✓' : '✗'} ${fault.name} (${seconds} s)${failed.map((name) => `\n    ${name}`).join('')}`,
    )
    if (!exact) console.log(`  expected${fault.expected.map((name) => `\n    ${name}`).join('') || ' none'}`)
  }
} finally {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = wrong ? 1 : 0

/** `subject: name` of the checks that fail behind a fault. */
async function failedWith({ plant }: Fault): Promise<string[]> {
  const intercept = plant()
  const proxy = createServer((incoming, outgoing) => {
    const streams = incoming.headers.accept === 'text/event-stream' && incoming.url?.endsWith('/events')
    if (streams && incoming.method === 'GET') {
      passOn(incoming).on('response', (response) => {
        outgoing.writeHead(response.statusCode ?? 500, response.headers)
        response.pipe(outgoing)
        outgoing.on('close', () => response.destroy())
      })
      return
    }
    void requestOf(incoming)
      .then((request) => intercept(request, forward))
      .then(({ status, headers, text }) => {
        outgoing.writeHead(status, headers)
        outgoing.end(text)
      })
      .catch((error: unknown) => outgoing.destroy(error instanceof Error ? error : undefined))
  }).listen(0, 'localhost')
  proxy.on('upgrade', (incoming: IncomingMessage, socket: Duplex) => {
    passOn(incoming)
      .on('upgrade', ({ rawHeaders }, upstream: Duplex, head: Buffer) => {
        const lines = rawHeaders.map((text, at) => (at % 2 ? `${text}\r\n` : `${text}: `))
        socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`)
        socket.write(head)
        upstream.pipe(socket).pipe(upstream)
        for (const end of [socket, upstream]) end.on('error', () => end.destroy())
      })
      .on('response', () => socket.destroy())
  })
  await once(proxy, 'listening')
  const address = proxy.address()
  if (typeof address !== 'object' || !address) throw new Error('the proxy has no port')
  try {
    const results = await verification(`http://localhost:${address.port}`, {
      tokens: [
        await developmentToken(`a-${crypto.randomUUID()}`),
        await developmentToken(`b-${crypto.randomUUID()}`),
      ],
      only: ['projects'],
      signal: AbortSignal.timeout(DEADLINE),
      show: () => {},
    })
    const failed = results.filter(({ outcome }) => outcome === 'failed')
    return [...new Set(failed.map(({ subject, name }) => `${subject}: ${name}`))].toSorted()
  } finally {
    proxy.closeAllConnections()
    proxy.close()
  }
}

/** Sends a request for live changes to the Worker as it is: no fault is planted in what does not end. */
function passOn({ url = '', headers }: IncomingMessage): ClientRequest {
  return ask(server.url + url, { headers: { ...headers, host: new URL(server.url).host } }).end()
}

async function requestOf(incoming: IncomingMessage): Promise<Request> {
  const chunks: Uint8Array[] = []
  for await (const chunk of incoming) if (chunk instanceof Uint8Array) chunks.push(chunk)
  const headers = Object.entries(incoming.headers).filter(([name]) => !HOP.has(name))
  const body = await new Blob(chunks.map((chunk) => new Uint8Array(chunk))).text()
  return {
    method: incoming.method ?? 'GET',
    path: incoming.url ?? '/',
    headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
    ...((body || incoming.headers['content-type']) && { body }),
  }
}

async function forward({ method, path, headers, body }: Request): Promise<Reply> {
  const response = await fetch(server.url + path, {
    method,
    headers,
    redirect: 'manual',
    ...(body !== undefined && method !== 'GET' && { body }),
  })
  const passed = [...response.headers].filter(([name]) => !HOP.has(name))
  return { status: response.status, headers: Object.fromEntries(passed), text: await response.text() }
}
