import type { Clock } from './clock.ts'
import { OfflineError, OriginRefusedError, ProblemError, problemOf } from './problems.ts'
import { parse, platform } from './storage.ts'

/** Sends a request. */
export type Fetch = (request: Request) => Promise<Response>

/** A request before it is made: each try makes it anew. */
export interface Outgoing extends Omit<RequestInit, 'method' | 'headers' | 'body'> {
  url: string
  method: string
  headers: Headers
  body: string | null
}

/** How long it waits for a server that says when to come back, in milliseconds; a longer wait is the caller's to take. */
const LONGEST_WAIT = 30_000

/** How a request may be sent again. */
export interface Retrying {
  fetch: Fetch
  /** How many times more. */
  retries: number
  /** The longest first wait, in milliseconds; it doubles each time, and the actual one is random below it (full jitter). */
  backoff: number
  /** How long one try may take, in milliseconds. */
  timeout: number
  clock: Clock
}

/**
 * Tries to send a request once, for as long as it may take. Throws a `ProblemError` for a redirect: it would carry
 * credentials who knows where.
 */
async function reach(
  { url, signal, ...request }: Outgoing,
  { fetch, timeout, clock }: Retrying,
): Promise<Response> {
  const late = new AbortController()
  const signals = signal ? AbortSignal.any([signal, late.signal]) : late.signal
  // Workers know no `redirect: 'error'`.
  const ready = new Request(url, { ...request, signal: signals, redirect: 'manual' })
  const response = await within(timeout, fetch(ready)).catch((error: unknown) => {
    late.abort()
    signal?.throwIfAborted()
    throw new OfflineError('No answer', { cause: error })
  })
  const { status, redirected } = response
  // In a browser the status of a redirect is 0.
  if (redirected || status === 0 || (status >= 300 && status < 400 && status !== 304)) {
    throw new ProblemError(response, { title: 'Redirects are not followed' })
  }
  clock.follow(response)
  return response
}

/** What is not settled in time, in milliseconds, throws `OfflineError`. */
export async function within<Result>(timeout: number, result: Promise<Result>): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new OfflineError(`No answer within ${timeout} ms`)), timeout)
  })
  return Promise.race([result, late]).finally(() => clearTimeout(timer))
}

/**
 * Why no answer came. A browser tells a page of a refused origin no more than that a request failed; what it lets
 * through when nothing may be read shows that the API is there.
 */
async function silence(url: string, { fetch, timeout }: Retrying, cause: unknown): Promise<Error> {
  const page = platform.location?.origin
  const { origin } = new URL(url)
  const reaches = (mode: 'cors' | 'no-cors') => {
    const probe = { mode, cache: 'no-store' as const }
    return within(timeout, fetch(new Request(`${origin}/health`, probe))).then(
      () => true,
      () => false,
    )
  }
  const isRefused =
    page !== undefined && page !== origin && !(await reaches('cors')) && (await reaches('no-cors'))
  if (!isRefused) return new OfflineError('No answer', { cause })
  const message = `${origin} answers, but not to pages of ${page}: see its CORS_ORIGINS`
  return new OriginRefusedError(message, { cause })
}

/**
 * Sends a request, again after network errors, 429, 503 and 504, if that cannot do twice what was asked once. Resolves
 * to any other answer; throws `OfflineError`, `OriginRefusedError`, or a `ProblemError` when it gives up.
 */
export async function send(
  request: Outgoing,
  retrying: Retrying,
  repeatable = isRepeatable(request),
): Promise<Response> {
  const { signal } = request
  const { retries, backoff, clock } = retrying
  for (let attempt = 0, unsure = false; ; attempt += 1) {
    let response: Response | undefined
    let cause: unknown
    try {
      response = await reach(request, retrying)
    } catch (error) {
      if (!(error instanceof OfflineError)) throw error
      cause = error
    }
    if (response && ![429, 503, 504].includes(response.status)) {
      return unsure ? settled(request, response, retrying) : response
    }
    // Over its limit, the server has done nothing; otherwise it may have done everything but answer.
    const refused = response?.status === 429
    const asked = waitOf(response, clock)
    if (attempt >= retries || !(refused || repeatable) || asked > LONGEST_WAIT) {
      throw response ? await problemOf(response) : await silence(request.url, retrying, cause)
    }
    unsure ||= !refused
    await sleep(asked + Math.random() * backoff * 2 ** attempt, signal)
    signal?.throwIfAborted()
  }
}

/**
 * Whether doing it twice is doing it once: by its method (RFC 9110 §9.2.2), by its key or precondition, or because it
 * sets fields. A PATCH without either is a toggle.
 */
function isRepeatable({ method, headers, body }: Outgoing): boolean {
  const matched = headers.get('If-Match') ?? '*'
  return method === 'POST'
    ? headers.has('Idempotency-Key')
    : method !== 'PATCH' || matched !== '*' || body !== null
}

/** The answer to a write that may have been done by a try before: then it is gone already, or changed by ourselves. */
async function settled(request: Outgoing, response: Response, retrying: Retrying): Promise<Response> {
  const { method, headers, body } = request
  if (method === 'DELETE' && response.status === 404) return new Response(null, { status: 204 })
  if (response.status !== 412 || body === null) return response
  headers.delete('If-Match')
  const answer = await reach({ ...request, method: 'GET', body: null }, retrying)
  return answer.ok && holds(await answer.clone().json(), parse(body)) ? answer : response
}

/** Whether a row has all of these fields' values. */
function holds(row: object, fields: object): boolean {
  const have = new Map(Object.entries(row))
  return Object.entries(fields).every(
    ([name, value]) => JSON.stringify(have.get(name)) === JSON.stringify(value),
  )
}

/** `Retry-After` (RFC 9110 §10.2.3) in milliseconds: seconds, or a date. */
function waitOf(response: Response | undefined, clock: Clock): number {
  const after = response?.headers.get('Retry-After')
  if (!after) return 0
  return Math.max(0, Number(after) * 1000 || Date.parse(after) - clock.now() || 0)
}

function sleep(milliseconds: number, signal: AbortSignal | null | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal?.addEventListener('abort', done)
  })
}
