import { env, exports } from 'cloudflare:workers'
import { SignJWT, type JWTPayload } from 'jose'
import { v7 as uuidv7 } from 'uuid'

/** The body of any answer of the API, loosely typed: the tests say what it must hold. */
// oxlint-disable-next-line typescript/no-explicit-any -- a JSON document of any shape
export type Json = any

/** An answer with its body read. */
export interface Answer {
  status: number
  headers: Headers
  /** The body as JSON; undefined without one. */
  body: Json
  text: string
}

/** What a request carries besides its method and path. */
export interface Parts {
  body?: unknown
  headers?: Record<string, string>
}

/** What answers a request: the deployed Worker, unless a test asks another way. */
export type Fetch = (request: Request) => Response | Promise<Response>

/** Sends a request to the deployed Worker; an object as body goes as JSON. */
export async function call(
  method: string,
  path: string,
  parts: Parts = {},
  fetch: Fetch = (request) => exports.default.fetch(request),
): Promise<Answer> {
  return answerOf(await fetch(requestOf(method, path, parts)))
}

/** A request as {@link call} sends it. */
export function requestOf(method: string, path: string, { body, headers }: Parts = {}): Request {
  const raw = typeof body === 'string' || body instanceof ReadableStream || body instanceof Uint8Array
  return new Request(`https://api.test${path}`, {
    method,
    headers: {
      'CF-Connecting-IP': newAddress(),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: raw ? body : JSON.stringify(body) }),
  })
}

/** A new client address, alone in its IPv6 /64: rate limits are counted by it. */
export function newAddress(): string {
  const groups = crypto.getRandomValues(new Uint16Array(3))
  return `2001:${Array.from(groups, (group) => group.toString(16)).join(':')}::1`
}

/** A response with its body read. */
export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  const json = response.headers.get('Content-Type')?.includes('json')
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: json && text ? JSON.parse(text) : undefined,
  }
}

/** An access token signed with the secret of the tests; claims given as undefined are left out. */
export async function tokenFor(userId: string, claims: JWTPayload = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return new SignJWT({ sub: userId, iat: now, exp: now + 600, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(env.JWT_SECRET))
}

/** A new user, who can call the API. `call` takes paths under `/api/me`. */
export async function newUser(id = `user-${crypto.randomUUID()}`, fetch?: Fetch) {
  const authorization = { Authorization: `Bearer ${await tokenFor(id)}` }
  const request = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    call(method, path, { body, headers: { ...authorization, ...headers } }, fetch)
  return {
    id,
    authorization,
    request,
    call: (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
      request(method, `/api/me${path}`, body, headers),
  }
}

/** A new id, as a client makes one. */
export function newId(): string {
  return uuidv7()
}
