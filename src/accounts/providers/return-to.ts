import type { Context } from 'hono'
import { allowsOrigin } from '../../config.ts'
import type { App } from '../../context.ts'
import { Problem } from '../../problems.ts'

/**
 * Where a browser goes back to, without a fragment: a path here, or a URL of this deployment's origin or an allowed one.
 * Throws `invalid_query`.
 */
export function allowedReturn(c: Context<App>, text: string): string {
  const own = new URL(c.req.url).origin
  const url = URL.parse(text, own)
  const here = url?.origin === own
  const allowed = url && (here || allowsOrigin(c.env, url.origin)) && !url.username && !url.password
  if (!allowed) {
    const message = 'is not at an allowed origin'
    throw new Problem('invalid_query', { errors: [{ path: 'return_to', code: 'invalid_value', message }] })
  }
  url.hash = ''
  return url.href
}
