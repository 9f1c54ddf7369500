import { bookmark } from '../http/bookmark.ts'
import { otherMethods } from '../http/methods.ts'
import { validJson, validJsonOrForm, validQuery } from '../http/validators.ts'
import { limitAddress, limitUser } from '../http/rate-limit.ts'
import { Routes } from '../http/routes.ts'
import { pageOf, pageQuery, pageValues } from '../engine/page.ts'
import { Problem } from '../problems.ts'
import { rowId } from '../engine/routes.ts'
import { bind, OWNER } from '../d1/statement.ts'
import { authenticate } from '../auth/authenticate.ts'
import { activityOf, activityStatement } from './activity.ts'
import {
  credentials,
  loginForm,
  loginQuery,
  logoutBody,
  passwordChange,
  refreshBody,
  refreshGrant,
  registration,
} from './bodies.ts'
import { changePassword } from './change-password.ts'
import { emailRoutes } from './email-routes.ts'
import { login, refuseForeignLogin } from './login.ts'
import { admitGuest, newGuest, requireGuests } from './guests.ts'
import { authenticateLogout, logout } from './logout.ts'
import { passkeyRoutes } from './passkey-routes.ts'
import { providerRoutes } from './providers/routes.ts'
import { refresh } from './refresh.ts'
import { register } from './register.ts'
import { requireAccounts } from './require-accounts.ts'
import { end, sessionOf, sessionsStatement } from './sessions.ts'
import { accountOf, accountStatement } from './users.ts'

/** `/api/auth`: accounts and sessions kept here. A path knows its methods before it asks for credentials. */
export const auth = new Routes()

auth.post(
  '/register',
  requireAccounts,
  limitAddress('register'),
  validJson(registration),
  admitGuest,
  bookmark,
  (c) => register(c, c.req.valid('json')),
)

auth.post(
  '/guest',
  requireGuests,
  requireAccounts,
  limitAddress('guest'),
  validQuery(loginQuery),
  refuseForeignLogin,
  bookmark,
  (c) => newGuest(c, c.req.valid('query').cookie === 'true'),
)

auth.post(
  '/login',
  requireAccounts,
  limitAddress('login'),
  validQuery(loginQuery),
  refuseForeignLogin,
  validJsonOrForm(credentials, loginForm),
  bookmark,
  (c) => {
    const sent = c.req.valid('json')
    if ('refresh_token' in sent) return refresh(c, sent.refresh_token)
    return login(c, sent, c.req.valid('query').cookie === 'true')
  },
)

auth.post(
  '/refresh',
  requireAccounts,
  limitAddress('refresh'),
  validJsonOrForm(refreshBody, refreshGrant, { optional: true }),
  bookmark,
  (c) => refresh(c, c.req.valid('json').refresh_token),
)

auth.post(
  '/logout',
  authenticateLogout,
  limitAddress('logout'),
  validJson(logoutBody, { optional: true }),
  bookmark,
  (c) => logout(c, c.req.valid('json')),
)

auth.put('/password', requireAccounts, authenticate, limitUser, validJson(passwordChange), bookmark, (c) =>
  changePassword(c, c.req.valid('json')),
)

auth.route('/', emailRoutes)
auth.route('/', passkeyRoutes)
auth.route('/', providerRoutes)

auth.get('/me', authenticate, limitUser, bookmark, async (c) => {
  const account = bind(accountStatement, { [OWNER]: c.get('identity').userId })
  const [[row] = []] = await c.get('database').batch([account], { repeatable: true })
  if (!row) throw new Problem('no_account')
  return c.json(accountOf(row))
})

auth.get('/sessions', authenticate, limitUser, validQuery(pageQuery), bookmark, async (c) => {
  const { userId, sessionId } = c.get('identity')
  const query = c.req.valid('query')
  const page = bind(sessionsStatement, { [OWNER]: userId, ...pageValues('sessions', query) })
  const [rows = []] = await c.get('database').batch([page], { repeatable: true })
  return c.json(pageOf('sessions', query.limit, rows, (row) => sessionOf(row, sessionId)))
})

auth.delete('/sessions/:id', authenticate, limitUser, bookmark, async (c) => {
  const ending = end(c, 'one', { [OWNER]: c.get('identity').userId, session: rowId(c) })
  const ended = (await c.get('database').batch(ending)).at(-1)
  if (!ended?.length) throw new Problem('row_not_found')
  return c.body(null, 204)
})

auth.get(
  '/activity',
  requireAccounts,
  authenticate,
  limitUser,
  validQuery(pageQuery),
  bookmark,
  async (c) => {
    const query = c.req.valid('query')
    const values = { [OWNER]: c.get('identity').userId, ...pageValues('activity', query) }
    const [rows = []] = await c.get('database').batch([bind(activityStatement, values)], { repeatable: true })
    return c.json(pageOf('activity', query.limit, rows, activityOf))
  },
)

for (const path of new Set(auth.routes.map((route) => route.path))) otherMethods(auth, path)
