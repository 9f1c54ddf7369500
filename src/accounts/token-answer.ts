import type { Context } from 'hono'
import { readConfig } from '../config.ts'
import type { App, Identity } from '../context.ts'
import { setTokenCookies } from '../auth/cookies.ts'
import { issueAccessToken } from '../auth/tokens.ts'

/** What a login or a refresh has to hand over. */
interface Issue {
  identity: Identity & { sessionId: string }
  refreshToken: string
  /** How long the session can live at most, in seconds. */
  secondsLeft: number
  /** Whether the tokens go into cookies, where no script can read them. */
  cookies: boolean
  /** 200 unless it made something. */
  status?: 200 | 201 | undefined
}

/** Answers with a new access token and the refresh token (RFC 6749 §5.1), or with both as cookies and neither in the body. */
export async function answerTokens(c: Context<App>, issue: Issue): Promise<Response> {
  const config = readConfig(c.env)
  const token = await issueAccessToken(config, issue.identity)
  const seconds = config.ACCESS_TOKEN_TTL
  const common = { token_type: 'bearer', expires_in: seconds }
  if (!issue.cookies) {
    return c.json({ access_token: token, ...common, refresh_token: issue.refreshToken }, issue.status)
  }
  setTokenCookies(c, { token, seconds }, { token: issue.refreshToken, seconds: issue.secondsLeft })
  return c.json(common, issue.status)
}
