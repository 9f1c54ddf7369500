import { setTimeout as sleep } from 'node:timers/promises'

/** A user to send requests as. The label is all that is ever printed of them. */
export interface User {
  label: string
  id: string
  token: string
}

/** A request. Its body is JSON, unless it is text already. */
export interface Sent {
  method: string
  path: string
  as?: User | undefined
  body?: unknown
  headers?: Readonly<Record<string, string>>
}

/** An answer, and its request. */
export interface Answer {
  sent: Sent
  status: number
  headers: Headers
  text: string
  /** The body when it is JSON. */
  body: unknown
}

/** Sends requests to one deployment. Throws when it cannot be reached, or no longer may. */
export interface Client {
  url: string
  send(sent: Sent): Promise<Answer>
  get(path: string, as?: User, headers?: Readonly<Record<string, string>>): Promise<Answer>
}

/** How many requests may be under way at once. */
const CONCURRENCY = 50
/** How long a 429 makes wait at least and at most, in seconds. */
const SHORTEST_WAIT = 1
const LONGEST_WAIT = 120
/** How long one request may take, in milliseconds. */
const PATIENCE = 30_000

/**
 * A client of the deployment at `url`. A 429 is waited out by its `Retry-After`, and the request repeated. `observe` is
 * shown every answer, a 429 too.
 */
export function clientOf(url: string, signal: AbortSignal, observe: (answer: Answer) => void): Client {
  let underWay = 0
  const waiting: (() => void)[] = []

  async function send(sent: Sent): Promise<Answer> {
    if (underWay >= CONCURRENCY) await new Promise<void>((resolve) => waiting.push(resolve))
    underWay += 1
    try {
      for (;;) {
        const answer = await once(sent)
        observe(answer)
        if (answer.status !== 429) return answer
        const seconds = Number(answer.headers.get('Retry-After')) || SHORTEST_WAIT
        await sleep(Math.min(seconds, LONGEST_WAIT) * 1_000, undefined, { signal })
      }
    } finally {
      underWay -= 1
      waiting.shift()?.()
    }
  }

  async function once(sent: Sent): Promise<Answer> {
    const response = await fetch(url + sent.path, {
      method: sent.method,
      headers: headersOf(sent),
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]),
      ...(sent.body !== undefined && { body: bodyOf(sent) }),
    })
    const text = await response.text()
    return { sent, status: response.status, headers: response.headers, text, body: parsed(text) }
  }

  return {
    url,
    send,
    get: (path, as, headers) => send({ method: 'GET', path, as, ...(headers && { headers }) }),
  }
}

/** The request as a line for a shell, without anything secret: tokens are `$TOKEN_A` and `$TOKEN_B`. */
export function curlOf(url: string, sent: Sent): string {
  const shown = Object.entries(headersOf({ ...sent, as: undefined })).map(
    ([name, value]) => `${name}: ${/^(authorization|cookie)$/i.test(name) ? '…' : value}`,
  )
  if (sent.as) shown.unshift(`Authorization: Bearer $TOKEN_${sent.as.label}`)
  const headers = shown.map((header) => ` -H ${quoted(header)}`)
  const body = sent.body === undefined ? '' : ` -d ${quoted(shortened(withoutSecrets(bodyOf(sent))))}`
  return `curl -i -X ${sent.method} ${quoted(url + sent.path)}${headers.join('')}${body}`
}

/** A text cut to a length that a terminal bears. */
export function shortened(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text
}

function headersOf({ as, body, headers }: Sent): Record<string, string> {
  return {
    ...(as && { Authorization: `Bearer ${as.token}` }),
    ...(body !== undefined && { 'Content-Type': 'application/json' }),
    ...headers,
  }
}

function bodyOf({ body }: Sent): string {
  return typeof body === 'string' ? body : JSON.stringify(body)
}

function withoutSecrets(body: string): string {
  return body.replaceAll(/("?\w*(?:password|token)"?\s*[:=]\s*)("[^"]*"|[^&"]+)/g, '$1"…"')
}

function quoted(text: string): string {
  return `'${text.replaceAll(`'`, `'\\''`)}'`
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
