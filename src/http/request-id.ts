import { createMiddleware } from 'hono/factory'
import type { App } from '../context.ts'

/** Gives every request an id: the caller's own `X-Request-Id` when it is 1–64 of `\w` and `-`, otherwise a new UUID. */
export const requestId = createMiddleware<App>(async function requestId(c, next) {
  const theirs = c.req.header('X-Request-Id') ?? ''
  const id = /^[\w-]{1,64}$/.test(theirs) ? theirs : crypto.randomUUID()
  c.set('requestId', id)
  c.header('X-Request-Id', id)
  await next()
})
