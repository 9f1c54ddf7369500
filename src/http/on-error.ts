import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { App } from '../context.ts'
import { log } from '../log.ts'
import { isForm } from './validators.ts'
import { Problem, problemTypes, type ProblemType } from '../problems.ts'

/** How long a client should wait before it retries a 503 or 504, in seconds (RFC 9110 §10.2.3). */
const RETRY_AFTER = '1'

/** How a 401 asks for credentials when its thrower does not say (RFC 9110 §11.6.1, RFC 6750 §3). */
const challenges: Partial<Record<ProblemType, string>> = {
  invalid_token: 'Bearer error="invalid_token"',
  session_ended: 'Bearer error="invalid_token", error_description="its session has ended"',
  invalid_refresh_token: 'Bearer error="invalid_token", error_description="the refresh token was refused"',
}

/** What OAuth 2.0 calls the problems of its forms (RFC 6749 §5.2). */
const oauthErrors: Partial<Record<ProblemType, string>> = {
  invalid_credentials: 'invalid_grant',
  invalid_refresh_token: 'invalid_grant',
  unsupported_grant_type: 'unsupported_grant_type',
  invalid_request: 'invalid_request',
}

/**
 * Turns anything thrown into `application/problem+json` (RFC 9457). Only names and codes of our own are logged, never its
 * message.
 */
export function onError(error: Error, c: Context<App>): Response {
  const problem = asProblem(error)
  if (problem.type === 'internal_error') {
    log('error', {
      event: 'internal_error',
      request_id: c.get('requestId'),
      error: error.name,
      stack: framesOf(error),
    })
  }
  const [status, title, detail] = problemTypes[problem.type]
  const { headers = {}, errors, index } = problem.extras
  c.set('problem', problem.type)
  if (status >= 503) c.header('Retry-After', RETRY_AFTER)
  if (status === 401) c.header('WWW-Authenticate', challenges[problem.type] ?? 'Bearer')
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  const document = {
    type: `/docs/problems#${problem.type}`,
    title,
    status,
    detail: problem.extras.detail ?? (notAbsent(c, problem) ? NOT_ABSENT : detail),
    instance: new URL(c.req.url).pathname,
    request_id: c.get('requestId'),
    ...(isForm(c) && { error: oauthErrors[problem.type] }),
    ...(errors && { errors }),
    ...(index !== undefined && { index }),
  }
  return c.body(JSON.stringify(document), status, { 'Content-Type': 'application/problem+json' })
}

const NOT_ABSENT = 'The row exists, and `If-None-Match: *` lets a request through only while it does not.'

/** Whether a write was refused for its `If-None-Match: *` (RFC 9110 §13.1.2) and not for its `If-Match`. */
function notAbsent(c: Context<App>, { type }: Problem): boolean {
  return type === 'stale_revision' && c.req.header('If-None-Match')?.trim() === '*'
}

/** The answer for a path that nothing declares. */
export function notFound(c: Context<App>): Response {
  return onError(new Problem('not_found'), c)
}

function asProblem(error: Error): Problem {
  if (error instanceof Problem) return error
  // The request validator's only exception: a body that JSON.parse refuses.
  if (error instanceof HTTPException && error.status === 400) return new Problem('malformed_json')
  return new Problem('internal_error')
}

/** A stack without its first lines: the message may quote what the user sent, the frames cannot. */
function framesOf(error: Error): string[] {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim())
}
