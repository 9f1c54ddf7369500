import { zValidator } from '@hono/zod-validator'
import type { Context } from 'hono'
import { bodyLimit as honoBodyLimit } from 'hono/body-limit'
import { createMiddleware } from 'hono/factory'
import type * as z from 'zod'
import type { App } from '../context.ts'
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
  await jsonText(c)
  await next()
})

/** Validates the body, for `c.req.valid('json')`. Throws `malformed_json` or `invalid_body`. */
export function validBody<Output>(schema: z.ZodType<Output>) {
  return zValidator('json', schema, (result) => {
    if (!result.success) throw new Problem('invalid_body', fieldErrors(result.error.issues))
  })
}

/** The body of a route that validates it by itself. Throws `not_json`, `malformed_json` or `invalid_body`. */
export async function readJson<Output>(c: Context<App>, schema: z.ZodType<Output>): Promise<Output> {
  const text = await jsonText(c)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Problem('malformed_json')
  }
  return parsed(schema, value)
}

/** {@link readJson} where no body at all is as good as an empty object. */
export async function readOptionalJson<Output>(c: Context<App>, schema: z.ZodType<Output>): Promise<Output> {
  return (await c.req.arrayBuffer()).byteLength === 0 ? parsed(schema, {}) : readJson(c, schema)
}

/**
 * The fields of a form, `application/x-www-form-urlencoded`, validated; none may come twice (RFC 6749 §3.2). Throws
 * `invalid_body`.
 */
export async function readForm<Output>(c: Context<App>, schema: z.ZodType<Output>): Promise<Output> {
  // Not .text(), which warns of a media type that is not called text.
  const form = new TextDecoder().decode(await c.req.arrayBuffer())
  const fields = new URLSearchParams(form)
  const names = new Set<string>()
  for (const name of fields.keys()) {
    if (names.has(name)) {
      const errors = [{ path: name, code: 'repeated', message: 'must come once' }]
      throw new Problem('invalid_body', { errors })
    }
    names.add(name)
  }
  return parsed(schema, Object.fromEntries(fields))
}

/** The body's media type, without its parameters. */
export function mediaTypeOf(c: Context<App>): string | undefined {
  return c.req.header('Content-Type')?.split(';', 1)[0]?.trim().toLowerCase()
}

async function jsonText(c: Context<App>): Promise<string> {
  if (mediaTypeOf(c) !== 'application/json') throw new Problem('not_json')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await c.req.arrayBuffer())
  } catch {
    throw new Problem('malformed_json')
  }
}

function parsed<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const { success, data, error } = schema.safeParse(value)
  if (!success) throw new Problem('invalid_body', fieldErrors(error.issues))
  return data
}
