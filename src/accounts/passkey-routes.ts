import type { Context } from 'hono'
import { record } from '../auth/activity.ts'
import { authenticate } from '../auth/authenticate.ts'
import { requireRecentLogin } from '../auth/recent-login.ts'
import type { App } from '../context.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER } from '../d1/statement.ts'
import { pageOf, pageQuery, pageValues } from '../engine/page.ts'
import { rowId } from '../engine/routes.ts'
import { bookmark } from '../http/bookmark.ts'
import { otherMethods } from '../http/methods.ts'
import { validJson, validQuery } from '../http/validators.ts'
import { limitAddress, limitUser } from '../http/rate-limit.ts'
import { Routes } from '../http/routes.ts'
import { Problem } from '../problems.ts'
import { loginQuery, newPasskey, passkeyName, passkeyRegistrant } from './bodies.ts'
import { admitGuest, callingGuest, settle } from './guests.ts'
import { refuseForeignLogin } from './login.ts'
import { loginByPasskey, passkeyLoginOptions } from './passkey-login.ts'
import { creationOptions, expectedAnswer, newChallenge, registrant } from './passkey-options.ts'
import {
  addPasskey,
  beforeAddingStatement,
  ownPasskeyAssertion,
  passkeyOf,
  passkeysStatement,
  removePasskeyStatement,
  renamePasskeyStatement,
  roomAssertion,
} from './passkeys.ts'
import { requireAccounts } from './require-accounts.ts'
import { spend, ticketId } from './tickets.ts'
import { notLastWayInAssertion } from './ways-in.ts'
import { authenticationResponse } from './webauthn/bodies.ts'
import { verifyRegistration } from './webauthn/ceremony.ts'

/** What a browser shows beside the passkey of an account without an e-mail. */
const NO_EMAIL = 'Guest'

/** `/passkeys` and the ways in by them, below `/api/auth`. */
export const passkeyRoutes = new Routes()

passkeyRoutes.post('/login/passkey/options', requireAccounts, limitAddress('login'), passkeyLoginOptions)
passkeyRoutes.post(
  '/login/passkey',
  requireAccounts,
  limitAddress('login'),
  validQuery(loginQuery),
  refuseForeignLogin,
  validJson(authenticationResponse),
  bookmark,
  (c) => loginByPasskey(c, c.req.valid('json'), c.req.valid('query').cookie === 'true'),
)

// A new account gets the id of the challenge, so that the passkey can be made for it before anything is stored.
passkeyRoutes.post(
  '/register/passkey/options',
  requireAccounts,
  limitAddress('register'),
  validJson(passkeyRegistrant),
  admitGuest,
  bookmark,
  async (c) => {
    const { email } = c.req.valid('json')
    const guest = await callingGuest(c)
    const challenge = await newChallenge(c, 'registration by passkey', registrant(email, guest))
    const id = guest ?? ticketId(challenge) ?? ''
    return c.json(creationOptions(c, challenge, { id, name: email, exclude: [] }))
  },
)

passkeyRoutes.post('/passkeys/options', requireAccounts, authenticate, limitUser, bookmark, async (c) => {
  const { userId } = c.get('identity')
  const look = bind(beforeAddingStatement, { [OWNER]: userId })
  const [rows = []] = await c.get('database').batch([look], { repeatable: true })
  const [account] = rows
  if (!account) throw new Problem('no_account')
  const exclude = rows.flatMap(({ credential_id, transports }) =>
    typeof credential_id === 'string'
      ? [{ type: 'public-key' as const, id: credential_id, transports: parse(String(transports)) }]
      : [],
  )
  const challenge = await newChallenge(c, 'new passkey', [userId])
  const name = typeof account.email === 'string' ? account.email : NO_EMAIL
  return c.json(creationOptions(c, challenge, { id: userId, name, exclude }))
})

passkeyRoutes.post(
  '/passkeys',
  requireAccounts,
  authenticate,
  requireRecentLogin,
  limitUser,
  validJson(newPasskey),
  bookmark,
  async (c) => {
    const { name, ...answer } = c.req.valid('json')
    const { userId, sessionId } = c.get('identity')
    const { ticket, credential } = await verifyRegistration(
      answer,
      expectedAnswer(c, 'new passkey', [userId]),
    )
    const results = await c
      .get('database')
      .batch([
        ...spend(ticket, 'invalid_passkey'),
        bind(roomAssertion, { [OWNER]: userId, problem: raise('too_many_passkeys') }),
        record(c, 'passkey_added', userId, sessionId),
        settle(c, userId),
        ...addPasskey(userId, credential, answer, name),
      ])
    const row = results.at(-1)?.[0]
    if (!row) throw new Error('an insert returned no row')
    c.header('Location', `${new URL(c.req.url).pathname}/${String(row.id)}`)
    return c.json(passkeyOf(row), 201)
  },
)

passkeyRoutes.get('/passkeys', authenticate, limitUser, validQuery(pageQuery), bookmark, async (c) => {
  const query = c.req.valid('query')
  const page = bind(passkeysStatement, {
    [OWNER]: c.get('identity').userId,
    ...pageValues('passkeys', query),
  })
  const [rows = []] = await c.get('database').batch([page], { repeatable: true })
  return c.json(pageOf('passkeys', query.limit, rows, passkeyOf))
})

passkeyRoutes.patch('/passkeys/:id', authenticate, limitUser, validJson(passkeyName), bookmark, async (c) => {
  const { name } = c.req.valid('json')
  const renaming = bind(renamePasskeyStatement, { ...ownPasskey(c), name })
  const [[row] = []] = await c.get('database').batch([renaming], { repeatable: true })
  if (!row) throw new Problem('row_not_found')
  return c.json(passkeyOf(row))
})

passkeyRoutes.delete('/passkeys/:id', authenticate, limitUser, bookmark, async (c) => {
  const values = ownPasskey(c)
  const { userId, sessionId } = c.get('identity')
  await c
    .get('database')
    .batch([
      bind(ownPasskeyAssertion, { ...values, problem: raise('row_not_found') }),
      bind(notLastWayInAssertion, { ...values, problem: raise('last_way_in') }),
      bind(removePasskeyStatement, values),
      record(c, 'passkey_removed', userId, sessionId),
    ])
  return c.body(null, 204)
})

// Before the paths of providers, one of which could be called so.
for (const path of new Set(passkeyRoutes.routes.map((route) => route.path))) otherMethods(passkeyRoutes, path)

function ownPasskey(c: Context<App>) {
  return { [OWNER]: c.get('identity').userId, id: rowId(c) }
}

/** JSON that {@link addPasskey} wrote. */
const parse: (json: string) => string[] = JSON.parse
