import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { v7 as uuidv7 } from 'uuid'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
import { limitAccount } from '../http/rate-limit.ts'
import { Problem } from '../problems.ts'
import { sha256 } from '../sha256.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER } from '../d1/statement.ts'
import type { Credentials } from './bodies.ts'
import { requireAllowedOrigin } from '../auth/origin.ts'
import { hashPassword, verifyPassword } from './passwords.ts'
import { encodeRefreshToken, newRefreshToken } from './refresh-token.ts'
import { startStatement } from './sessions.ts'
import { answerTokens } from './token-answer.ts'
import { inTurn } from './turns.ts'
import { accountOf, loginStatement, rehashStatement, unchangedAssertion } from './users.ts'

const USER_AGENT_LENGTH = 255

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
 * `invalid_credentials`. Also throws `rate_limited`, `busy`.
 */
export async function login(
  c: Context<App>,
  { email, password }: Credentials,
  cookies: boolean,
): Promise<Response> {
  await limitAccount(c, 'login', email)
  return start(c, email, password, cookies)
}

async function start(c: Context<App>, email: string, password: string, cookies: boolean): Promise<Response> {
  const database = c.get('database')
  const [[row] = []] = await database.batch([bind(loginStatement, { email })], { repeatable: true })
  const known = row && typeof row.password_hash === 'string' ? row.password_hash : undefined
  const rehashed = await inTurn(async () => {
    const { matches, outdated } = await verifyPassword(password, known)
    if (!matches) throw new Problem('invalid_credentials')
    return outdated ? hashPassword(password) : undefined
  })
  if (!row || known === undefined) throw new Problem('invalid_credentials')

  const config = readConfig(c.env)
  const { id, role } = accountOf(row)
  const token = newRefreshToken(id, uuidv7())
  try {
    await database.batch([
      bind(unchangedAssertion, { [OWNER]: id, known, role, problem: raise('invalid_credentials') }),
      bind(startStatement, {
        [OWNER]: id,
        session: token.session,
        family: await sha256(token.family),
        token: await sha256(token.secret),
        agent: c.req.header('User-Agent')?.slice(0, USER_AGENT_LENGTH) ?? null,
        ttl: config.SESSION_TTL,
        idle: config.SESSION_IDLE_TTL,
      }),
      ...(rehashed ? [bind(rehashStatement, { [OWNER]: id, hash: rehashed })] : []),
    ])
  } catch (error) {
    const changed = error instanceof Problem && error.type === 'invalid_credentials'
    // Another login at the same time may have replaced the outdated hash: the password is compared with the new one.
    if (changed && rehashed) return start(c, email, password, cookies)
    throw error
  }
  return answerTokens(c, {
    identity: { userId: id, role, sessionId: token.session },
    refreshToken: encodeRefreshToken(token),
    secondsLeft: config.SESSION_TTL,
    cookies,
  })
}
