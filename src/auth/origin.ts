import type { Context } from 'hono'
import { allowsOrigin } from '../config.ts'
import type { App } from '../context.ts'
import { Problem } from '../problems.ts'

/**
 * Lets a request through whose `Origin` is an allowed one, or this deployment's own. Throws `foreign_origin`, also when
 * the header is missing: browsers attach cookies to any page's requests, so the page must identify itself.
 */
export function requireAllowedOrigin(c: Context<App>): void {
  const origin = c.req.header('Origin')
  if (origin === new URL(c.req.url).origin) return
  if (origin === undefined || !allowsOrigin(c.env, origin)) throw new Problem('foreign_origin')
}
