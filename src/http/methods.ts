import type { Context, Hono } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { App } from '../context.ts'
import { Problem } from '../problems.ts'

/** The `Allow` of every path that {@link otherMethods} closed, by the handler that closes it. */
const allows = new WeakMap<object, string>()

/**
 * Closes a path after its last method: every other method throws `method_not_allowed`, with `Allow`
 * (RFC 9110 §15.5.6). A GET route answers HEAD too.
 */
export function otherMethods(routes: Hono<App>, path: string): void {
  const methods = routes.routes.filter((route) => route.path === path).map(({ method }) => method)
  if (methods.includes('GET')) methods.push('HEAD')
  const allow = [...new Set(methods)].filter((method) => method !== 'ALL').join(', ')
  const refuse = () => {
    throw new Problem('method_not_allowed', { headers: { Allow: allow } })
  }
  allows.set(refuse, allow)
  routes.all(path, refuse)
}

/** The methods of the request's path, as `Allow` lists them; undefined for a path that nothing declares. */
export function allowOf(c: Context<App>): string | undefined {
  for (const { handler } of matchedRoutes(c)) {
    const allow = allows.get(handler)
    if (allow !== undefined) return allow
  }
  return undefined
}
