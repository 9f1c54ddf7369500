import { createMiddleware } from 'hono/factory'
import type { App } from '../context.ts'

const HEADERS = Object.entries({
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'Referrer-Policy': 'no-referrer',
  'Strict-Transport-Security': 'max-age=63072000; includeSubDomains',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
})

/** What a browser must not do with an answer of this API: sniff it, frame it, load anything from it or tell where it came from. */
export const securityHeaders = createMiddleware<App>(async function securityHeaders(c, next) {
  await next()
  for (const [name, value] of HEADERS) c.res.headers.set(name, value)
})
