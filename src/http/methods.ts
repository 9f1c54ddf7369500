import type { Hono } from 'hono'
import type { App } from '../context.ts'
import { Problem } from '../problems.ts'

/**
 * Closes a path after its last method: every other method throws `method_not_allowed`, with `Allow`
 * (RFC 9110 §15.5.6). A GET route answers HEAD too.
 */
export function otherMethods(routes: Hono<App>, path: string): void {
  const methods = routes.routes.filter((route) => route.path === path).map(({ method }) => method)
  if (methods.includes('GET')) methods.push('HEAD')
  const allow = [...new Set(methods)].filter((method) => method !== 'ALL').join(', ')
  routes.all(path, () => {
    throw new Problem('method_not_allowed', { headers: { Allow: allow } })
  })
}
