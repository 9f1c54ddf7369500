import type { Context } from 'hono'
import { v7 as uuidv7 } from 'uuid'
import { circumstancesOf, record, type ActivityEvent } from '../auth/activity.ts'
import { refreshCookie } from '../auth/cookies.ts'
import { readConfig } from '../config.ts'
import type { App, Role } from '../context.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER, type BoundStatement } from '../d1/statement.ts'
import { sha256 } from '../sha256.ts'
import { decodeRefreshToken, encodeRefreshToken, newRefreshToken } from './refresh-token.ts'
import { end, startStatement } from './sessions.ts'
import { answerTokens } from './token-answer.ts'
import { verifiedAssertion } from './users.ts'

/** A session that is about to start. */
export interface NewSession {
  id: string
  /** Starts it, in the batch that proves who it is for. */
  statements: readonly BoundStatement[]
  /** Answers with its tokens once that batch is done. */
  answer: (role: Role, status?: 200 | 201) => Promise<Response>
}

/** How long a session lives, in seconds: at most, and unused. */
export interface Lifetime {
  ttl: number
  idle: number
}

/**
 * Prepares a session of this user, for whichever way of logging in; by default it lives as long as the settings say. By
 * cookies, it takes the place of the browser's former session, which ends. Its batch throws `email_unverified` where the
 * settings ask for a verified address.
 */
export async function newSession(
  c: Context<App>,
  userId: string,
  way: ActivityEvent & `login_${string}`,
  cookies: boolean,
  lifetime?: Lifetime,
): Promise<NewSession> {
  const config = readConfig(c.env)
  const { ttl, idle } = lifetime ?? { ttl: config.SESSION_TTL, idle: config.SESSION_IDLE_TTL }
  const token = newRefreshToken(userId, uuidv7())
  const start = bind(startStatement, {
    [OWNER]: userId,
    session: token.session,
    family: await sha256(token.family),
    token: await sha256(token.secret),
    agent: circumstancesOf(c).agent,
    ttl,
    idle,
  })
  const verified = config.REQUIRE_VERIFIED_EMAIL
    ? [bind(verifiedAssertion, { [OWNER]: userId, problem: raise('email_unverified') })]
    : []
  const former = cookies ? await endFormer(c) : []
  return {
    id: token.session,
    statements: [...verified, ...former, start, record(c, way, userId, token.session)],
    answer: (role, status) =>
      answerTokens(c, {
        identity: { userId, role, sessionId: token.session },
        refreshToken: encodeRefreshToken(token),
        secondsLeft: ttl,
        cookies,
        status,
      }),
  }
}

/** Ends the session whose refresh token the browser still has: its next login forgets it. */
async function endFormer(c: Context<App>): Promise<BoundStatement[]> {
  const token = decodeRefreshToken(refreshCookie(c) ?? '')
  if (!token) return []
  const family = await sha256(token.family)
  return end(c, 'byToken', { [OWNER]: token.userId, session: token.session, family })
}
