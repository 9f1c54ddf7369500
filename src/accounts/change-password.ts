import type { Context } from 'hono'
import type * as z from 'zod/mini'
import { record } from '../auth/activity.ts'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
import { limitAccount } from '../http/rate-limit.ts'
import { Problem } from '../problems.ts'
import { sha256 } from '../sha256.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER } from '../d1/statement.ts'
import type { passwordChange } from './bodies.ts'
import { guesserByUser, refuseBlocked } from './guesses.ts'
import { refuseGuessable } from './new-password.ts'
import { hashPassword, verifyPassword } from './passwords.ts'
import { dropPendingStatement } from './proofs.ts'
import { encodeRefreshToken, newRefreshToken } from './refresh-token.ts'
import { end, renewStatement } from './sessions.ts'
import { answerTokens } from './token-answer.ts'
import { inTurn } from './turns.ts'
import { hashStatement, rehashStatement, unchangedAssertion } from './users.ts'

/**
 * `PUT /password`: sets a new password if the current one is right, ends every other session and every change of address
 * under way in the same batch, and gives this one new tokens (204 for a token without a session). Throws
 * `invalid_credentials`, `invalid_body`, `no_account`, `rate_limited`, `busy`.
 */
export async function changePassword(
  c: Context<App>,
  { current_password, new_password }: z.output<typeof passwordChange>,
): Promise<Response> {
  const { userId, sessionId } = c.get('identity')
  const owner = { [OWNER]: userId }
  const database = c.get('database')
  await limitAccount(c, 'password', userId)
  const guesser = guesserByUser(c, userId)
  const look = [bind(hashStatement, owner), guesser.isBlocked]
  const [[row] = [], blocked = []] = await database.batch(look, { repeatable: true })
  if (!row) throw new Problem('no_account')
  refuseBlocked(c, blocked)
  refuseGuessable(new_password, 'new_password', row.email)
  const known = typeof row.password_hash === 'string' ? row.password_hash : undefined
  const hash = await inTurn(async () => {
    const { matches } = await verifyPassword(current_password, known)
    return matches ? hashPassword(new_password) : undefined
  })
  if (hash === undefined) {
    await database.batch(guesser.failed)
    throw new Problem('invalid_credentials')
  }
  const config = readConfig(c.env)
  const token = newRefreshToken(userId, sessionId ?? '')
  const results = await database.batch([
    bind(unchangedAssertion, { ...owner, known, role: row.role, problem: raise('invalid_credentials') }),
    bind(rehashStatement, { ...owner, hash }),
    guesser.forgiven,
    bind(dropPendingStatement, owner),
    record(c, 'password_changed', userId, sessionId),
    ...end(c, 'others', { ...owner, session: sessionId ?? '' }),
    bind(renewStatement, {
      ...owner,
      session: sessionId ?? '',
      family: await sha256(token.family),
      token: await sha256(token.secret),
      idle: config.SESSION_IDLE_TTL,
    }),
  ])
  const [renewed] = results.at(-1) ?? []
  if (!renewed || sessionId === undefined) return c.body(null, 204)
  return answerTokens(c, {
    identity: { ...c.get('identity'), sessionId },
    refreshToken: encodeRefreshToken(token),
    secondsLeft: Number(renewed.seconds_left),
    cookies: c.req.header('Authorization') === undefined,
  })
}
