import { createMiddleware } from 'hono/factory'
import type { App } from '../context.ts'

/** Nothing under the API is kept by any cache, unless its route says otherwise. */
export const noStore = createMiddleware<App>(async function noStore(c, next) {
  c.header('Cache-Control', 'no-store')
  await next()
})
