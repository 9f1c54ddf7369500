import { createMiddleware } from 'hono/factory'
import { readConfig, type App } from '../env.ts'
import { Problem } from '../problems.ts'
import { invalidToken, verifyToken } from './tokens.ts'

/**
 * Puts the verified caller into `c.var.identity`. Throws `missing_credentials` or `invalid_token` (RFC 6750), and
 * `misconfigured` or `keys_unavailable` when nobody can be verified.
 */
export const authenticate = createMiddleware<App>(async function authenticate(c, next) {
  const started = performance.now()
  const config = readConfig(c.env)
  const authorization = c.req.header('Authorization') ?? ''
  const [, token] = /^bearer(?: +(.*))?$/i.exec(authorization) ?? []
  if (!/^bearer\b/i.test(authorization)) {
    throw new Problem('missing_credentials', { headers: { 'WWW-Authenticate': 'Bearer' } })
  }
  if (!token) throw invalidToken('it is empty')
  c.set('identity', await verifyToken(token, config))
  c.set('authMs', performance.now() - started)
  await next()
})
