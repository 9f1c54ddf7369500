import { zValidator } from '@hono/zod-validator'
import { bodyLimit as honoBodyLimit } from 'hono/body-limit'
import { createMiddleware } from 'hono/factory'
import type * as z from 'zod'
import type { App } from '../env.ts'
import { Problem } from '../problems.ts'
import { fieldErrors } from './validation.ts'

/** The largest body taken, in bytes. */
const MAX_BODY = 64 * 1024

/** Refuses a larger body with `body_too_large`, before anything else looks at the request. */
export const bodyLimit = honoBodyLimit({
  maxSize: MAX_BODY,
  onError: () => {
    throw new Problem('body_too_large')
  },
})

/** Lets only `application/json` in well-formed UTF-8 through: `not_json`, `malformed_json`. */
export const jsonOnly = createMiddleware<App>(async function jsonOnly(c, next) {
  const mediaType = c.req.header('Content-Type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (mediaType !== 'application/json') throw new Problem('not_json')
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await c.req.arrayBuffer())
  } catch {
    throw new Problem('malformed_json')
  }
  await next()
})

/** Validates the body, for `c.req.valid('json')`. Throws `malformed_json` or `invalid_body`. */
export function validBody<Output>(schema: z.ZodType<Output>) {
  return zValidator('json', schema, (result) => {
    if (!result.success) throw new Problem('invalid_body', fieldErrors(result.error.issues))
  })
}
