import type { Context } from 'hono'
import { readConfig } from '../config.ts'
import { roleOf, type App } from '../context.ts'
import { log } from '../log.ts'
import { limitAccount } from '../http/rate-limit.ts'
import { Problem } from '../problems.ts'
import { sha256 } from '../sha256.ts'
import { bind, OWNER } from '../d1/statement.ts'
import { circumstancesOf } from '../auth/activity.ts'
import { clearTokenCookies, refreshCookie } from '../auth/cookies.ts'
import { requireAllowedOrigin } from '../auth/origin.ts'
import { decodeRefreshToken, encodeRefreshToken, successorOf } from './refresh-token.ts'
import { recordReuseStatement, refreshedStatement, reuseStatement, rotateStatement } from './sessions.ts'
import { answerTokens } from './token-answer.ts'

/**
 * `POST /refresh`: exchanges a refresh token, the one sent or that of the cookie, for a new pair in one round trip. The token
 * before the current one gets the same pair for ten seconds; any other that the session had ends it. Throws
 * `invalid_refresh_token`, `missing_credentials`, `foreign_origin`, `rate_limited`.
 */
export async function refresh(c: Context<App>, sent: string | undefined): Promise<Response> {
  // A request with other credentials does not mean the cookie.
  const cookies = sent === undefined && c.req.header('Authorization') === undefined
  const text = cookies ? refreshCookie(c) : sent
  if (text === undefined) throw new Problem('missing_credentials')
  if (cookies) requireAllowedOrigin(c)
  try {
    return await exchange(c, text, cookies)
  } catch (error) {
    if (cookies && error instanceof Problem && error.type === 'invalid_refresh_token') clearTokenCookies(c)
    throw error
  }
}

async function exchange(c: Context<App>, text: string, cookies: boolean): Promise<Response> {
  const token = decodeRefreshToken(text)
  if (!token) throw new Problem('invalid_refresh_token')
  const family = await sha256(token.family)
  // By the secret of the session: who only knows the user's id cannot use up what the user may.
  await limitAccount(c, 'refresh', family)
  const config = readConfig(c.env)
  const successor = await successorOf(token, config)
  const values = {
    [OWNER]: token.userId,
    session: token.session,
    family,
    token: await sha256(token.secret),
    next: await sha256(successor.secret),
    idle: config.SESSION_IDLE_TTL,
    ...circumstancesOf(c),
  }
  const statements = [rotateStatement, recordReuseStatement, reuseStatement, refreshedStatement]
  const [, , reused = [], [row] = []] = await c.get('database').batch(
    statements.map((statement) => bind(statement, values)),
    // Its own successor is what a second try finds, so it changes nothing more.
    { repeatable: true },
  )
  if (reused.length) {
    log('warn', {
      event: 'refresh_token_reused',
      security: 'refresh_token_reused',
      request_id: c.get('requestId'),
      user: token.userId,
    })
  }
  if (!row) throw new Problem('invalid_refresh_token')
  return answerTokens(c, {
    identity: {
      userId: token.userId,
      role: roleOf(row.role),
      sessionId: token.session,
    },
    refreshToken: encodeRefreshToken(successor),
    secondsLeft: Number(row.seconds_left),
    cookies,
  })
}
