import { createMiddleware } from 'hono/factory'
import { matchedRoutes, routePath } from 'hono/route'
import type { App } from '../context.ts'
import { log } from '../log.ts'
import { addressKey } from './rate-limit.ts'

/** Problems of attempts at what the caller may not do; a log pipeline alerts on `security`. */
const securityEvents: Partial<Record<string, string>> = {
  missing_credentials: 'unauthenticated',
  invalid_token: 'unauthenticated',
  invalid_credentials: 'failed_login',
  invalid_refresh_token: 'unauthenticated',
  session_ended: 'unauthenticated',
  foreign_origin: 'foreign_origin',
  admin_only: 'forbidden',
  not_your_path: 'forbidden',
  insufficient_role: 'forbidden',
  not_your_invitation: 'forbidden',
  row_not_found: 'missing_row',
  rate_limited: 'rate_limited',
}

/**
 * One JSON line per request: what was asked (the route's pattern, never its parameters), by whom, how it ended, what it
 * cost; of a login or a security event also from where, as the limits know an address.
 */
export const requestLog = createMiddleware<App>(async function requestLog(c, next) {
  const started = performance.now()
  await next()
  const { batches, rowsRead, rowsWritten, ms } = c.get('cost')
  const problem = c.get('problem')
  const security = (problem && securityEvents[problem]) ?? c.get('security')
  const user = c.get('identity')?.userId
  const account = c.get('account')
  const owner = c.get('owner')
  log(c.res.status >= 500 ? 'error' : security ? 'warn' : 'info', {
    event: 'request',
    request_id: c.get('requestId'),
    method: c.req.method,
    // Handlers for all methods come after: what refuses other methods of `/:id` matches `/bulk` as well.
    route: matchedRoutes(c).findLast(({ method }) => method !== 'ALL')?.path ?? routePath(c, -1),
    status: c.res.status,
    user: user ?? account?.id,
    // Whose rows, where they are not the caller's own.
    owner: owner === user ? undefined : owner,
    email_key: account?.emailKey,
    address: security || account ? addressKey(c.req.header('CF-Connecting-IP') ?? '') : undefined,
    problem,
    security,
    duration_ms: performance.now() - started,
    db_ms: ms,
    db_batches: batches,
    rows_read: rowsRead,
    rows_written: rowsWritten,
  })
})
