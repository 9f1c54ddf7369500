import type { Context } from 'hono'
import { v7 as uuidv7 } from 'uuid'
import type * as z from 'zod/mini'
import { record } from '../auth/activity.ts'
import type { App } from '../context.ts'
import type { Row } from '../d1/database.ts'
import { limitAccount } from '../http/rate-limit.ts'
import { Problem } from '../problems.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER } from '../d1/statement.ts'
import type { Credentials, passkeyRegistration, registration } from './bodies.ts'
import { callingGuest, settle } from './guests.ts'
import { expectedAnswer, registrant } from './passkey-options.ts'
import { addPasskey } from './passkeys.ts'
import { refuseGuessable } from './new-password.ts'
import { hashPassword } from './passwords.ts'
import { inTurn } from './turns.ts'
import { spend } from './tickets.ts'
import { verifyRegistration } from './webauthn/ceremony.ts'
import { newVerification } from './verification.ts'
import {
  accountOf,
  completeStatement,
  freeEmailAssertion,
  registerStatement,
  takenStatement,
} from './users.ts'

/**
 * `POST /register`: makes an account with a password or a passkey, and no session; its address gets a mail. A guest who is signed in gets the
 * e-mail and the way in instead, and keeps session and rows. Throws `email_taken`, `rate_limited`,
 * `busy`, and for a passkey `invalid_passkey`, `passkey_taken`.
 */
export async function register(c: Context<App>, body: z.output<typeof registration>): Promise<Response> {
  await limitAccount(c, 'register', body.email)
  const guest = await callingGuest(c)
  const row = await ('passkey' in body ? byPasskey(c, body, guest) : byPassword(c, body, guest))
  // Another request has made the guest's account an ordinary one meanwhile.
  if (!row && guest !== undefined) throw new Problem('email_taken')
  if (!row) throw new Error('an insert returned no row')
  c.header('Location', '/api/auth/me')
  return c.json(accountOf(row), 201)
}

async function byPassword(
  c: Context<App>,
  { email, password }: Credentials,
  guest: string | undefined,
): Promise<Row | undefined> {
  refuseGuessable(password, 'password', email)
  const database = c.get('database')
  // Looked up once it is our turn: of a hundred registrations that wait with the same e-mail only one is worth a hash.
  const hash = await inTurn(async () => {
    const [taken = []] = await database.batch([bind(takenStatement, { email })], { repeatable: true })
    if (taken.length) throw new Problem('email_taken')
    return hashPassword(password)
  })
  const id = guest ?? uuidv7()
  const verification = await newVerification(c, id, email)
  const [, [row] = []] = await database.batch([
    bind(freeEmailAssertion, { email, problem: raise('email_taken') }),
    bind(guest === undefined ? registerStatement : completeStatement, {
      [OWNER]: id,
      email,
      hash,
    }),
    ...(guest === undefined ? [] : [settle(c, guest)]),
    ...verification.statements,
  ])
  verification.send()
  return row
}

/** In one round trip, unless it is a guest: all that has to be known is in the passkey. */
async function byPasskey(
  c: Context<App>,
  { email, passkey }: z.output<typeof passkeyRegistration>,
  guest: string | undefined,
): Promise<Row | undefined> {
  const expected = expectedAnswer(c, 'registration by passkey', registrant(email, guest))
  const { ticket, credential } = await verifyRegistration(passkey, expected)
  const spending = spend(ticket, 'invalid_passkey')
  const verification = await newVerification(c, guest ?? ticket, email)
  // The passkey was made for an account of this id.
  const userId = guest ?? ticket
  const results = await c.get('database').batch([
    ...spending,
    bind(freeEmailAssertion, { email, problem: raise('email_taken') }),
    bind(guest === undefined ? registerStatement : completeStatement, {
      [OWNER]: userId,
      email,
      hash: null,
    }),
    ...addPasskey(userId, credential, passkey),
    record(c, 'passkey_added', userId, guest === undefined ? undefined : c.get('identity').sessionId),
    ...(guest === undefined ? [] : [settle(c, guest)]),
    ...verification.statements,
  ])
  verification.send()
  return results[spending.length + 1]?.[0]
}
