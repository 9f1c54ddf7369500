import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { App } from '../context.ts'
import { limitAccountHere } from '../http/rate-limit.ts'
import { Problem } from '../problems.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER } from '../d1/statement.ts'
import type { Credentials } from './bodies.ts'
import { requireAllowedOrigin } from '../auth/origin.ts'
import { guesserByEmail, refuseBlocked } from './guesses.ts'
import { newSession } from './new-session.ts'
import { hashPassword, verifyPassword } from './passwords.ts'
import { noteAccount } from './note-account.ts'
import { inTurn } from './turns.ts'
import { sendVerification } from './verification.ts'
import { accountOf, loginStatement, rehashStatement, unchangedAssertion } from './users.ts'

/**
 * Lets a browser's login by cookie through only from an allowed origin: a page must not be able to log its visitor in as
 * somebody else. Throws `foreign_origin`.
 */
export const refuseForeignLogin = createMiddleware<App>(async function refuseForeignLogin(c, next) {
  if (c.req.query('cookie') === 'true' && c.req.header('Origin') !== undefined) requireAllowedOrigin(c)
  await next()
})

/**
 * `POST /login`: starts a session for an e-mail and its password, sent as JSON or as OAuth 2.0's password grant (RFC 6749
 * §4.3). With `?cookie=true` the tokens come as cookies. An unknown e-mail costs and looks the same as a wrong password:
 * `invalid_credentials`. Also throws `email_unverified`, `rate_limited`, `busy`.
 */
export async function login(
  c: Context<App>,
  { email, password }: Credentials,
  cookies: boolean,
): Promise<Response> {
  await noteAccount(c, email)
  await limitAccountHere(c, 'login', email)
  // Omitted for every refused login: the cost would reveal whether the account exists.
  c.set('hidesCost', true)
  return start(c, email, password, cookies)
}

async function start(c: Context<App>, email: string, password: string, cookies: boolean): Promise<Response> {
  const database = c.get('database')
  const guesser = await guesserByEmail(c, email)
  const look = [bind(loginStatement, { email }), guesser.isBlocked]
  const [[row] = [], blocked = []] = await database.batch(look, { repeatable: true })
  refuseBlocked(c, blocked)
  if (row) await noteAccount(c, email, String(row.id))
  const known = row && typeof row.password_hash === 'string' ? row.password_hash : undefined
  const { matches, rehashed } = await inTurn(async () => {
    const verdict = await verifyPassword(password, known)
    return { ...verdict, rehashed: verdict.outdated ? await hashPassword(password) : undefined }
  })
  if (!row || !matches) {
    await database.batch(guesser.failed)
    throw new Problem('invalid_credentials')
  }

  const { id, role } = accountOf(row)
  const session = await newSession(c, id, 'login_password', cookies)
  try {
    await database.batch([
      bind(unchangedAssertion, { [OWNER]: id, known, role, problem: raise('invalid_credentials') }),
      guesser.forgiven,
      ...session.statements,
      ...(rehashed ? [bind(rehashStatement, { [OWNER]: id, hash: rehashed })] : []),
    ])
  } catch (error) {
    // This address still has to be verified, so another mail is sent once the token of the last one has expired.
    if (error instanceof Problem && error.type === 'email_unverified') {
      await sendVerification(c, id, true)
      c.set('hidesCost', false)
    }
    const changed = error instanceof Problem && error.type === 'invalid_credentials'
    // Another login at the same time may have replaced the outdated hash: the password is compared with the new one.
    if (changed && rehashed) return start(c, email, password, cookies)
    throw error
  }
  c.set('hidesCost', false)
  return session.answer(role)
}
