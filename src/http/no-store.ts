import { createMiddleware } from 'hono/factory'
import type { App } from '../context.ts'

/** No cache keeps any answer, an error's included, unless its route says otherwise. */
export const noStore = createMiddleware<App>(async function noStore(c, next) {
  c.header('Cache-Control', 'no-store')
  await next()
})
