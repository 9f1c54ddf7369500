import { cors as honoCors } from 'hono/cors'
import type { Context } from 'hono'
import { allowsOrigin, type App } from '../env.ts'

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
  'X-Request-Id',
  'x-d1-bookmark',
  'x-d1-rows-read',
  'x-d1-rows-written',
]

/** Cross-origin requests from the exact origins of the configuration, with credentials; preflights end here. */
export const cors = honoCors({
  origin: (origin, c: Context<App>) => (allowsOrigin(c.env, origin) ? origin : null),
  credentials: true,
  allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  allowHeaders: REQUEST_HEADERS,
  exposeHeaders: RESPONSE_HEADERS,
  maxAge: 86_400,
})
