import { sql } from 'drizzle-orm'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { App } from '../context.ts'
import { assertion, raise } from '../d1/assertion.ts'
import type { Guard } from '../d1/database.ts'
import { bind, compileOwned, OWNER, slot } from '../d1/statement.ts'
import { Problem } from '../problems.ts'
import { addGuards } from './authenticate.ts'
import { sessions } from './schema.ts'
import { isLiveSession } from './session-guard.ts'

/** How long ago the login may be, in milliseconds. */
const RECENT = 10 * 60_000

/** A guest has no other way in than the session that began long ago, and could never log in again. */
const recent = sql`SELECT 1 FROM ${sessions} WHERE ${isLiveSession}
  AND (created_at > ${slot('since')} OR idle_ttl IS NOT NULL)`
const recentStatement = compileOwned(recent)
const recentAssertion = compileOwned(assertion(sql`EXISTS (${recent})`))

/**
 * Lets through what cannot be undone only within ten minutes of a login: decided in each batch of the request, for a token
 * with a session by when that began, for another by its `auth_time` (OpenID Connect Core §2) if it has one. Any other token
 * passes: its issuer keeps no sessions here. Goes after `authenticate`. Throws `reauthentication_required`.
 */
export const requireRecentLogin = createMiddleware<App>(async function requireRecentLogin(c, next) {
  const guard = recentLoginGuard(c)
  if (guard) addGuards(c, (selects) => [guard(selects)])
  await next()
})

/** {@link requireRecentLogin} for one batch; undefined where there is nothing to decide in it. */
export function recentLoginGuard(c: Context<App>): ((selects: boolean) => Guard) | undefined {
  const { userId, sessionId, loggedInAt } = c.get('identity')
  // One moment for the whole request: a long download may end later.
  const since = Date.now() - RECENT
  if (sessionId) {
    const values = {
      [OWNER]: userId,
      session: sessionId,
      since: new Date(since).toISOString(),
      problem: raise('reauthentication_required'),
    }
    return (selects) => ({
      statement: bind(selects ? recentStatement : recentAssertion, values),
      problem: 'reauthentication_required',
      selects,
    })
  }
  if (loggedInAt !== undefined && loggedInAt * 1000 < since) throw new Problem('reauthentication_required')
  return undefined
}
