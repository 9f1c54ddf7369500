import { createMiddleware } from 'hono/factory'
import { allowsOrigin } from '../config.ts'
import type { App } from '../context.ts'
import { allowOf } from './methods.ts'

const REQUEST_HEADERS = [
  'Authorization',
  'Content-Type',
  'If-Match',
  'If-None-Match',
  'Idempotency-Key',
  'Prefer',
  'x-d1-bookmark',
  'X-Request-Id',
]

const RESPONSE_HEADERS = [
  'ETag',
  'Link',
  'Location',
  'Allow',
  'Retry-After',
  'WWW-Authenticate',
  'RateLimit',
  'RateLimit-Policy',
  'Idempotent-Replayed',
  'Preference-Applied',
  'Server-Timing',
  // The client's clock follows it.
  'Date',
  'X-Request-Id',
  'x-d1-bookmark',
  'x-d1-rows-read',
  'x-d1-rows-written',
]

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * Cross-origin requests (Fetch standard §3.3) from the exact origins of the configuration, with credentials; preflights
 * end here, and so does any other OPTIONS of a path, which names its methods (RFC 9110 §9.3.7). Hono's own makes the
 * response twice, a tenth of the CPU of a request.
 */
export const cors = createMiddleware<App>(async function cors(c, next) {
  const options = c.req.method === 'OPTIONS'
  const preflight = options && c.req.header('Access-Control-Request-Method') !== undefined
  const allow = options && !preflight ? allowOf(c) : undefined
  if (preflight || allow !== undefined) c.res = c.body(null, 204)
  else await next()
  const { headers } = c.res
  headers.append('Vary', 'Origin')
  if (allow !== undefined) {
    headers.set('Allow', `${allow}, OPTIONS`)
    // RFC 5789 §3.1
    if (/\bPATCH\b/.test(allow)) headers.set('Accept-Patch', 'application/json')
  }
  const origin = c.req.header('Origin')
  if (origin === undefined || !allowsOrigin(c.env, origin)) return
  headers.set('Access-Control-Allow-Origin', origin)
  headers.set('Access-Control-Allow-Credentials', 'true')
  headers.set('Access-Control-Expose-Headers', RESPONSE_HEADERS.join())
  if (!preflight) return
  headers.set('Access-Control-Max-Age', '86400')
  headers.set('Access-Control-Allow-Methods', METHODS.join())
  headers.set('Access-Control-Allow-Headers', REQUEST_HEADERS.join())
})
