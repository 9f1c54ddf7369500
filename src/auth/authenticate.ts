import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
import type { Guards } from '../d1/database.ts'
import { subprotocols, wantsWebSocket } from '../http/websocket.ts'
import { Problem } from '../problems.ts'
import { accessCookie } from './cookies.ts'
import { requireAllowedOrigin } from './origin.ts'
import { sessionGuard } from './session-guard.ts'
import { subjectGuard } from './subject-guard.ts'
import { invalidToken, verifyToken, type Verified } from './tokens.ts'

const BEARER = 'bearer.'

/**
 * Puts the verified caller into `c.var.identity`. Throws `missing_credentials` or `invalid_token` (RFC 6750),
 * `foreign_origin`, and `misconfigured` or `keys_unavailable` when no token can be verified.
 */
export const authenticate = createMiddleware<App>(async function authenticate(c, next) {
  const started = performance.now()
  const identity = await identify(c)
  if (!identity) throw new Problem('missing_credentials')
  admit(c, identity)
  c.set('authMs', performance.now() - started)
  await next()
})

/**
 * Makes a verified caller this request's; every batch then checks that the session of its token has not ended, or, if it
 * names none, that its user may come without one.
 */
export function admit(c: Context<App>, caller: Verified): void {
  const { expires, own: _own, ...identity } = caller
  c.set('identity', identity)
  c.set('expires', expires)
  const { userId, sessionId } = identity
  c.set('guards', [
    (selects, home) => [
      sessionId ? sessionGuard(userId, sessionId, selects, home) : subjectGuard(caller, selects, home),
    ],
  ])
}

/** Adds what must hold for every batch of the request, after what must hold already. */
export function addGuards(c: Context<App>, guards: Guards): void {
  c.set('guards', [...(c.get('guards') ?? []), guards])
}

/**
 * The caller by the access token in the `Authorization` header (a WebSocket: or in a subprotocol) or, only where there is
 * none, in the cookie: then a method that changes something, and a WebSocket, needs an allowed `Origin`, since browsers
 * attach cookies to any page's requests. Undefined when neither is sent. Throws like {@link authenticate}.
 */
export async function identify(c: Context<App>): Promise<Verified | undefined> {
  const config = readConfig(c.env)
  const upgrade = wantsWebSocket(c)
  const authorization = c.req.header('Authorization') ?? (upgrade ? bearerProtocol(c) : undefined)
  if (authorization !== undefined) {
    if (!/^bearer\b/i.test(authorization)) throw new Problem('missing_credentials')
    const [, token] = /^bearer(?: +(.*))?$/i.exec(authorization) ?? []
    if (!token) throw invalidToken('it is empty')
    return verifyToken(token, config)
  }
  const cookie = accessCookie(c)
  if (cookie === undefined) return undefined
  if (!isSafe(c.req.method) || upgrade) requireAllowedOrigin(c)
  return verifyToken(cookie, config)
}

/** The token that a browser's WebSocket carries as the subprotocol `bearer.<token>`, having no headers, as one. */
function bearerProtocol(c: Context<App>): string | undefined {
  const protocol = subprotocols(c).find((offered) => offered.startsWith(BEARER))
  return protocol === undefined ? undefined : `Bearer ${protocol.slice(BEARER.length)}`
}

/** Whether a method only reads (RFC 9110 §9.2.1). */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}
