import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { readConfig } from '../config.ts'
import type { App, Identity } from '../context.ts'
import { Problem } from '../problems.ts'
import { accessCookie } from './cookies.ts'
import { requireAllowedOrigin } from './origin.ts'
import { sessionGuard } from './session-guard.ts'
import { invalidToken, verifyToken } from './tokens.ts'

/**
 * Puts the verified caller into `c.var.identity`. Throws `missing_credentials` or `invalid_token` (RFC 6750),
 * `foreign_origin`, and `misconfigured` or `keys_unavailable` when nobody can be verified.
 */
export const authenticate = createMiddleware<App>(async function authenticate(c, next) {
  const started = performance.now()
  const identity = await identify(c)
  if (!identity) throw new Problem('missing_credentials')
  admit(c, identity)
  c.set('authMs', performance.now() - started)
  await next()
})

/** Makes a verified caller this request's; every batch then checks that the session of its token, if any, has not ended. */
export function admit(c: Context<App>, identity: Identity): void {
  c.set('identity', identity)
  const { userId, sessionId } = identity
  if (sessionId) c.set('guards', [sessionGuard(userId, sessionId, isSafe(c.req.method))])
}

/**
 * The caller by the access token in the `Authorization` header or, only where there is no such header, in the cookie:
 * then a method that changes something needs an allowed `Origin`, since a browser sends cookies whoever asks. Undefined
 * when neither is sent. Throws like {@link authenticate}.
 */
export async function identify(c: Context<App>): Promise<Identity | undefined> {
  const config = readConfig(c.env)
  const authorization = c.req.header('Authorization')
  if (authorization !== undefined) {
    if (!/^bearer\b/i.test(authorization)) throw new Problem('missing_credentials')
    const [, token] = /^bearer(?: +(.*))?$/i.exec(authorization) ?? []
    if (!token) throw invalidToken('it is empty')
    return verifyToken(token, config)
  }
  const cookie = accessCookie(c)
  if (cookie === undefined) return undefined
  if (!isSafe(c.req.method)) requireAllowedOrigin(c)
  return verifyToken(cookie, config)
}

/** Whether a method only reads (RFC 9110 §9.2.1). */
function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}
