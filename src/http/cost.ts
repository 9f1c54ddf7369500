import { createMiddleware } from 'hono/factory'
import type { App } from '../context.ts'
import { noCost } from '../d1/database.ts'

/** Says what a request cost: D1 rows in `x-d1-rows-read` and `x-d1-rows-written`, milliseconds in `Server-Timing`. */
export const cost = createMiddleware<App>(async function cost(c, next) {
  const spent = noCost()
  c.set('cost', spent)
  c.set('authMs', 0)
  await next()
  if (c.get('hidesCost')) return
  // Not c.header(), which makes the whole response anew for each header once there is one.
  const { headers } = c.res
  headers.set('Server-Timing', `auth;dur=${c.get('authMs')}, db;dur=${spent.ms}`)
  headers.set('x-d1-rows-read', String(spent.rowsRead))
  headers.set('x-d1-rows-written', String(spent.rowsWritten))
})
