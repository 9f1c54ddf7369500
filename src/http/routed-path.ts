import { getPath } from 'hono/utils/url'

/**
 * The path that the routes see: the pinned version `/api/v1/…` is `/api/…`, a trailing slash is no part of it, and a
 * collection without a user (`/api/tasks/…`) is the caller's own.
 */
export function routedPath(collections: readonly string[]): (request: Request) => string {
  const names = new Set(collections)
  return (request) => {
    let path = getPath(request).replace(/^\/api\/v1(?=\/|$)/, '/api')
    if (path.length > 1 && path.endsWith('/')) path = path.slice(0, -1)
    const [, first = ''] = /^\/api\/([^/]+)/.exec(path) ?? []
    return names.has(first) ? path.replace('/api', '/api/me') : path
  }
}
