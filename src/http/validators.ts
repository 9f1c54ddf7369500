import { zValidator } from '@hono/zod-validator'
import type { Context } from 'hono'
import type * as z from 'zod/mini'
import { Problem, type FieldError, type ProblemExtras } from '../problems.ts'
import { fieldErrors } from './field-errors.ts'

/** What a route may say of its JSON body. */
interface JsonOptions {
  /** Whether a missing body counts as an empty object. */
  optional?: boolean
  /** What its `invalid_body` says besides `errors`. */
  extras?: (errors: readonly FieldError[]) => ProblemExtras
}

/**
 * Validates a body of `application/json` in well-formed UTF-8, for `c.req.valid('json')`. Throws `not_json`,
 * `malformed_json` or `invalid_body`.
 */
export function validJson<Schema extends z.ZodMiniType>(
  schema: Schema,
  { optional = false, extras }: JsonOptions = {},
) {
  const validate = zValidator('json', schema, (result) => {
    if (result.success) return
    const errors = fieldErrors(result.error.issues)
    throw new Problem('invalid_body', { errors, ...extras?.(errors) })
  })
  const decodeAndValidate: typeof validate = async (c, next) => {
    await decodeJson(c, optional)
    return validate(c, next)
  }
  return decodeAndValidate
}

/**
 * {@link validJson}, or the same from a form of OAuth 2.0, `application/x-www-form-urlencoded`, none of whose fields may
 * come twice (RFC 6749 §3.2): either is `c.req.valid('json')`. A form's problems carry OAuth's `error`; it throws
 * `unsupported_grant_type` or `invalid_request` in place of `invalid_body`.
 */
export function validJsonOrForm<Schema extends z.ZodMiniType<object>>(
  json: Schema,
  form: z.ZodMiniType<z.output<Schema>>,
  options: JsonOptions = {},
) {
  const validate = validJson(json, options)
  const validateEither: typeof validate = async (c, next) => {
    if (!isForm(c)) return validate(c, next)
    refuseEncoded(c)
    const { success, data, error } = form.safeParse(fieldsOf(await c.req.arrayBuffer()))
    if (!success) {
      const errors = fieldErrors(error.issues)
      const unsupported = errors.some(({ path }) => path === 'grant_type')
      throw new Problem(unsupported ? 'unsupported_grant_type' : 'invalid_request', { errors })
    }
    c.req.addValidatedData('json', data)
    await next()
  }
  return validateEither
}

/** Validates the query string, for `c.req.valid('query')`. Throws `invalid_query`. */
export function validQuery<Schema extends z.ZodMiniType>(schema: Schema) {
  return zValidator('query', schema, (result) => {
    if (!result.success) throw new Problem('invalid_query', { errors: fieldErrors(result.error.issues) })
  })
}

/** Whether the body is a form, `application/x-www-form-urlencoded`. */
export function isForm(c: Context): boolean {
  return mediaTypeOf(c) === 'application/x-www-form-urlencoded'
}

/** The body's media type, without its parameters. */
function mediaTypeOf(c: Context): string | undefined {
  return c.req.header('Content-Type')?.split(';', 1)[0]?.trim().toLowerCase()
}

/** Refuses a body in any content coding (RFC 9110 §8.4): it would be measured before it is unpacked. */
function refuseEncoded(c: Context): void {
  const coding = c.req.header('Content-Encoding')?.trim().toLowerCase()
  if (coding === undefined || coding === '' || coding === 'identity') return
  throw new Problem('encoded_body', { headers: { 'Accept-Encoding': 'identity', ...accepted(c) } })
}

/** What a PATCH takes (RFC 5789 §2.2). */
function accepted(c: Context): Record<string, string> {
  return c.req.method === 'PATCH' ? { 'Accept-Patch': 'application/json' } : {}
}

/** Hands the body's text to the validator, whose own decoding would replace what is not UTF-8. */
async function decodeJson(c: Context, optional: boolean): Promise<void> {
  const bytes = await c.req.arrayBuffer()
  const none = optional && bytes.byteLength === 0
  if (!none && mediaTypeOf(c) !== 'application/json') throw new Problem('not_json', { headers: accepted(c) })
  refuseEncoded(c)
  const text = none ? '{}' : decodeUtf8(bytes)
  Object.assign(c.req.bodyCache, { text: Promise.resolve(text) })
}

function decodeUtf8(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new Problem('malformed_json')
  }
}

/** The fields of a form. Throws `invalid_request` when one comes twice. */
function fieldsOf(form: ArrayBuffer): Record<string, string> {
  const fields = new URLSearchParams(new TextDecoder().decode(form))
  const names = new Set<string>()
  for (const name of fields.keys()) {
    if (names.has(name)) {
      throw new Problem('invalid_request', {
        errors: [{ path: name, code: 'repeated', message: 'must come once' }],
      })
    }
    names.add(name)
  }
  return Object.fromEntries(fields)
}
