import { createMiddleware } from 'hono/factory'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
import { Problem } from '../problems.ts'

/**
 * Only where accounts are kept: throws `accounts_off` in a deployment that leaves them to an identity provider, and
 * `misconfigured`.
 */
export const requireAccounts = createMiddleware<App>(async function requireAccounts(c, next) {
  if (!readConfig(c.env).accounts) throw new Problem('accounts_off')
  await next()
})
