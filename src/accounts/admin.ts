import { createMiddleware } from 'hono/factory'
import type { App } from '../context.ts'
import { bookmark } from '../http/bookmark.ts'
import { otherMethods } from '../http/methods.ts'
import { validQuery } from '../http/validators.ts'
import { limitUser } from '../http/rate-limit.ts'
import { Routes } from '../http/routes.ts'
import { pageOf, pageQuery, pageValues } from '../engine/page.ts'
import { Problem } from '../problems.ts'
import { bind, OWNER } from '../d1/statement.ts'
import { authenticate } from '../auth/authenticate.ts'
import { recordVisit } from '../auth/activity.ts'
import { isUserId } from '../ids.ts'
import { end } from './sessions.ts'
import { accountOf, accountStatement, usersStatement } from './users.ts'

/** Lets administrators through and says so in the log. Throws `admin_only`. */
const requireAdmin = createMiddleware<App>(async function requireAdmin(c, next) {
  if (c.get('identity').role !== 'admin') throw new Problem('admin_only')
  c.set('security', 'admin_access')
  await next()
})

/** `/api/admin`: what only administrators see. */
export const admin = new Routes()

admin.get('/users', authenticate, requireAdmin, limitUser, validQuery(pageQuery), bookmark, async (c) => {
  const query = c.req.valid('query')
  const page = bind(usersStatement, pageValues('users', query))
  const [rows = []] = await c.get('database').batch([page], { repeatable: true })
  return c.json(pageOf('users', query.limit, rows, accountOf))
})
otherMethods(admin, '/users')

admin.delete('/users/:id/sessions', authenticate, requireAdmin, limitUser, bookmark, async (c) => {
  const userId = c.req.param('id')
  if (!isUserId(userId)) throw new Problem('row_not_found')
  const ending = end(c, 'all', { [OWNER]: userId })
  const account = bind(accountStatement, { [OWNER]: userId })
  const [[row] = []] = await c.get('database').batch([account, recordVisit(userId), ...ending])
  if (!row) throw new Problem('row_not_found')
  return c.body(null, 204)
})
otherMethods(admin, '/users/:id/sessions')
