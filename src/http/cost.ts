import { createMiddleware } from 'hono/factory'
import type { App } from '../env.ts'

/** Says what a request cost: D1 rows in `x-d1-rows-read` and `x-d1-rows-written`, milliseconds in `Server-Timing`. */
export const cost = createMiddleware<App>(async function cost(c, next) {
  const spent = { batches: 0, rowsRead: 0, rowsWritten: 0, ms: 0 }
  c.set('cost', spent)
  c.set('authMs', 0)
  await next()
  c.header('Server-Timing', `auth;dur=${c.get('authMs')}, db;dur=${spent.ms}`)
  c.header('x-d1-rows-read', String(spent.rowsRead))
  c.header('x-d1-rows-written', String(spent.rowsWritten))
})
