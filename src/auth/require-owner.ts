import { isUserId } from '../ids.ts'
import { createMiddleware } from 'hono/factory'
import type { App } from '../context.ts'
import { Problem } from '../problems.ts'
import { recordVisit } from './activity.ts'

/**
 * Proves that the `{user_id}` of the path is the caller (or `me`), or that the caller is an administrator, which the log
 * then says, and that user's activity. Puts it into `c.var.owner`, the only user whose rows the rest of the request can reach. Anybody else's path
 * throws `not_your_path`, whether or not that user exists.
 */
export const requireOwner = createMiddleware<App>(async function requireOwner(c, next) {
  const { userId, role } = c.get('identity')
  const named = c.req.param('user_id') ?? ''
  const owner = named === 'me' ? userId : named
  if (!isUserId(owner) || (owner !== userId && role !== 'admin')) throw new Problem('not_your_path')
  if (owner !== userId) {
    c.set('security', 'admin_access')
    const visit = { statement: recordVisit(owner), selects: false }
    c.set('guards', [...(c.get('guards') ?? []), visit])
  }
  c.set('owner', owner)
  await next()
})
