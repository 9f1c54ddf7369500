import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type * as z from 'zod/mini'
import type { App } from '../context.ts'
import { Problem } from '../problems.ts'
import { sha256 } from '../sha256.ts'
import { OWNER, type BoundStatement } from '../d1/statement.ts'
import { admit, identify } from '../auth/authenticate.ts'
import type { logoutBody } from './bodies.ts'
import { accessCookie, clearTokenCookies, refreshCookie } from '../auth/cookies.ts'
import { requireAllowedOrigin } from '../auth/origin.ts'
import { decodeRefreshToken } from './refresh-token.ts'
import { end } from './sessions.ts'

/**
 * Authenticates a logout by its access token. One that carries a refresh token needs no access token, which may have
 * expired by then; a malformed refresh cookie does not count, so that the access cookie still ends its session.
 */
export const authenticateLogout = createMiddleware<App>(async function authenticateLogout(c, next) {
  const header = c.req.header('Authorization') !== undefined
  if (header || (accessCookie(c) !== undefined && !decodeRefreshToken(refreshCookie(c) ?? ''))) {
    const identity = await identify(c)
    if (identity) admit(c, identity)
  }
  await next()
})

/**
 * `POST /logout`: ends the session of the access token, or of the refresh token in the body or, when that is malformed,
 * in the cookie; with `all` every session of that user. A refresh token whose session has ended already succeeds too.
 * Throws `missing_credentials`, `session_ended`, `foreign_origin`.
 */
export async function logout(
  c: Context<App>,
  { refresh_token: sent, all = false }: z.output<typeof logoutBody>,
): Promise<Response> {
  const identity = c.get('identity')
  const cookie = identity ? undefined : refreshCookie(c)
  if (!identity && (sent ?? cookie) === undefined) throw new Problem('missing_credentials')
  let token = sent === undefined ? undefined : decodeRefreshToken(sent)
  if (!token && cookie !== undefined) {
    requireAllowedOrigin(c)
    token = decodeRefreshToken(cookie)
  }

  const ends: BoundStatement[] = []
  if (identity) {
    const values = { [OWNER]: identity.userId, session: identity.sessionId ?? '' }
    ends.push(...end(c, all ? 'all' : 'one', values))
  }
  if (token) {
    const family = await sha256(token.family)
    const values = { [OWNER]: token.userId, session: token.session, family }
    ends.push(...end(c, all ? 'allByToken' : 'byToken', values))
  }
  if (ends.length) await c.get('database').batch(ends)
  if (accessCookie(c) !== undefined || refreshCookie(c) !== undefined) clearTokenCookies(c)
  return c.body(null, 204)
}
