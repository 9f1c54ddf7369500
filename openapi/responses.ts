import { problemTypes } from '../src/problems.ts'
import { COUNT, ref, type Json } from './json.ts'

/** Every header that an answer may carry. Unless it is optional, it is present wherever it is described. */
export const HEADERS: Record<string, Json> = {
  ETag: header("The row's revision, as a strong entity tag."),
  Link: optional('The next page, `rel="next"` (RFC 8288); absent on the last one.'),
  'Preference-Applied': optional('`return=minimal`, when the row was left out as preferred (RFC 7240 §3).'),
  Location: header('The path of the new row; of a redirect, where the browser goes.'),
  'Idempotent-Replayed': optional('`true` when this `Idempotency-Key` was known: nothing was done again.'),
  'X-Request-Id': header("The id of this request: the caller's own when it sent a well-formed one."),
  'Server-Timing': header('Milliseconds spent on verifying the caller (`auth`) and waiting for D1 (`db`).'),
  'x-d1-rows-read': header('Rows that D1 read for this request.', COUNT),
  'x-d1-rows-written': header('Rows that D1 wrote for this request.', COUNT),
  'x-d1-bookmark': optional(
    'With READ_REPLICAS on: send it back to read data at least this new; absent when D1 was not asked.',
  ),
  'Set-Cookie': optional(
    'Both tokens, in cookie mode; of a sign-in with a provider, what it has to come back with.',
  ),
  'Content-Disposition': header('What to save it as (RFC 6266).'),
  Allow: header('The methods that the path answers (RFC 9110 §10.2.1).'),
  RateLimit: header(
    'What is left of the quota, and the seconds until there is more (draft-ietf-httpapi-ratelimit-headers).',
  ),
  'RateLimit-Policy': header('The quota, and its window in seconds (draft-ietf-httpapi-ratelimit-headers).'),
  'Retry-After': header('Seconds to wait before trying again.', COUNT),
  'WWW-Authenticate': header('What credentials are wanted (RFC 6750 §3).'),
}

const EVERYWHERE = ['X-Request-Id', 'Server-Timing', 'x-d1-rows-read', 'x-d1-rows-written', 'x-d1-bookmark']

function header(description: string, schema: Json = { type: 'string' }): Json {
  return { description, required: true, schema }
}

function optional(description: string): Json {
  return { description, schema: { type: 'string' } }
}

/** A successful answer with a body: by default a row, which has an `ETag`. */
export function answer(
  status: number,
  schema: string,
  description: string,
  extra: readonly string[] = ['ETag'],
): Json {
  return {
    [status]: {
      description,
      headers: headers(extra),
      content: { 'application/json': { schema: ref('schemas', schema) } },
    },
  }
}

/** The answer to a write that prefers not to get the row back. */
export function minimal(extra: readonly string[] = []): Json {
  return {
    204: {
      description: 'Done, as asked with `Prefer: return=minimal`.',
      headers: headers(['ETag', 'Preference-Applied', ...extra]),
    },
  }
}

/** The headers of an answer: those named, and those that every answer has. */
export function headers(names: readonly string[]): Json {
  return Object.fromEntries([...names, ...EVERYWHERE].map((name) => [name, ref('headers', name)]))
}

/** The headers of an answer whose cost would tell what its caller must not know. */
export function costless(): Json {
  return Object.fromEntries(['X-Request-Id', 'x-d1-bookmark'].map((name) => [name, ref('headers', name)]))
}

/** The errors that an operation may meet, by status. */
export function problems(...statuses: number[]): Json {
  return Object.fromEntries(statuses.map((status) => [status, ref('responses', `Problem${status}`)]))
}

/** Of a failed `If-Match`: an operation of a bulk has no header to itself. */
const CURRENT = optional(
  "The row's current revision, as a strong entity tag; absent when an operation of a bulk failed.",
)

/** Of a refused login, where they would tell whether there is such an account. */
const WITHHELD = Object.fromEntries(
  ['Server-Timing', 'x-d1-rows-read', 'x-d1-rows-written'].map((name) => [
    name,
    { ...HEADERS[name], required: false },
  ]),
)

/** What an error's headers say beyond every answer's, by status. */
const PROBLEM_HEADERS: Record<number, readonly string[]> = {
  401: ['WWW-Authenticate'],
  405: ['Allow'],
  410: ['Idempotent-Replayed'],
  // The callback of a sign-in forgets the attempt, even one that it refuses.
  422: ['Set-Cookie'],
  429: ['Retry-After', 'RateLimit', 'RateLimit-Policy'],
  503: ['Retry-After'],
  504: ['Retry-After'],
}

/** A response for each status of the problem table, naming the problems that have it. */
export function problemResponses(): Json {
  const byStatus = Map.groupBy(Object.entries(problemTypes), ([, [status]]) => status)
  return Object.fromEntries(
    [...byStatus].map(([status, rows]) => [
      `Problem${status}`,
      {
        description: rows.map(([type, [, title]]) => `${title} (\`${type}\`)`).join(' · '),
        headers: {
          ...headers(PROBLEM_HEADERS[status] ?? []),
          ...(status === 401 && WITHHELD),
          ...(status === 412 && { ETag: CURRENT }),
        },
        content: { 'application/problem+json': { schema: ref('schemas', 'Problem') } },
      },
    ]),
  )
}

/** An error (RFC 9457). */
export function problemSchemas(): Json {
  return {
    Problem: {
      type: 'object',
      required: ['type', 'title', 'status', 'detail', 'instance', 'request_id'],
      properties: {
        type: {
          type: 'string',
          format: 'uri-reference',
          enum: Object.keys(problemTypes).map((type) => `/docs/problems#${type}`),
        },
        title: { type: 'string' },
        status: { type: 'integer', format: 'int32' },
        detail: { type: 'string' },
        instance: { type: 'string', format: 'uri-reference' },
        request_id: { type: 'string' },
        index: { ...COUNT, description: 'Which operation of a bulk failed.' },
        errors: {
          type: 'array',
          description: 'What is invalid, a field or parameter each.',
          items: ref('schemas', 'FieldError'),
        },
      },
    },
    FieldError: {
      type: 'object',
      required: ['path', 'code', 'message'],
      properties: {
        path: { type: 'string', examples: ['tags[3]'] },
        code: { type: 'string', examples: ['too_big'] },
        message: { type: 'string' },
      },
    },
  }
}
