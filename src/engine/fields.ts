import * as z from 'zod/mini'
import { UUID_V7 } from '../ids.ts'
import { codePoints, issue, tooBig, tooSmall } from './issues.ts'

/*
 * The types of fields, all of them in the package. One that is kept as it is sent and takes not just any text says so with
 * `examples`: OpenAPI, its examples, `verify` and the generated tests take valid values from there.
 */

/**
 * A string of at most `max` code points, kept exactly as sent. NUL and lone surrogates are refused: SQLite's text
 * functions stop at the one and UTF-8 has no form for the other.
 */
export function text(max: number) {
  return z
    .string()
    .check((ctx) => {
      if (!ctx.value.isWellFormed() || ctx.value.includes('\0')) {
        ctx.issues.push(issue(ctx.value, 'invalid_string', 'must not hold NUL or a lone surrogate'))
      }
      if (codePoints(ctx.value) > max) {
        ctx.issues.push(tooBig(ctx.value, max, `must be at most ${max} characters`))
      }
    })
    .register(z.globalRegistry, { maxLength: max, pattern: NO_NUL })
}

/** {@link text} that shows something: one of white space and invisible characters (U+200B and its like) only is refused. */
export function title(max: number) {
  return text(max)
    .check((ctx) => {
      if (!VISIBLE.test(ctx.value)) ctx.issues.push(tooSmall(ctx.value, 1, 'must not be blank'))
    })
    .register(z.globalRegistry, { minLength: 1, maxLength: max, pattern: NOT_BLANK })
}

/** Up to `maxItems` different, non-empty {@link text}s in the order sent. */
export function labels(maxItems: number, maxLength: number) {
  const label = text(maxLength)
    .check((ctx) => {
      if (ctx.value === '') ctx.issues.push(tooSmall(ctx.value, 1, 'must not be empty'))
    })
    .register(z.globalRegistry, { minLength: 1, maxLength, pattern: NO_NUL })
  return z
    .array(label)
    .check(z.maxLength(maxItems), (ctx) => {
      const seen = new Set<string>()
      ctx.value.forEach((value, at) => {
        if (seen.has(value)) ctx.issues.push({ ...issue(value, 'not_unique', 'is a duplicate'), path: [at] })
        seen.add(value)
      })
    })
    .register(z.globalRegistry, { uniqueItems: true })
}

/**
 * An RFC 3339 date, kept as it is, or a date-time with an offset, which becomes UTC with milliseconds.
 * Both forms sort as text, a date before every instant of its day.
 */
export function moment() {
  const either = z.pipe(
    z.string(),
    z.transform((value: string, ctx) => {
      const parsed = parseMoment(value)
      if (parsed !== undefined) return parsed
      ctx.issues.push(issue(value, 'invalid_format', 'must be an RFC 3339 date or date-time'))
      return z.NEVER
    }),
  )
  return either.register(z.globalRegistry, {
    type: 'string',
    description: 'A date, or a date-time with an offset (RFC 3339).',
    pattern: MOMENT,
    examples: ['2026-11-20', '2026-11-20T09:30:00.000Z'],
  })
}

/** An id as this API makes and accepts them: a lower-case UUIDv7 (RFC 9562 §5.7). */
export function id() {
  return z
    .string()
    .check(z.regex(UUID_V7, 'must be a lower-case UUIDv7'))
    .register(z.globalRegistry, { format: 'uuid' })
}

// Default_Ignorable_Code_Point has the zero-width characters and fillers; U+2800 is the blank Braille pattern.
const VISIBLE = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\u2800]/u

// What the rules above come to in a regular expression that every language has; a client learns the rest from the 422.
const NO_NUL = '^[^\\x00]*$'
const NOT_BLANK = '^\\s*[^\\s\\x00][^\\x00]*$'
const MOMENT =
  '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])([Tt]([01]\\d|2[0-3])(:[0-5]\\d){2}(\\.\\d+)?([Zz]|[+-]([01]\\d|2[0-3]):[0-5]\\d))?$'

const DATE_TIME =
  /^(\d{4}-\d\d-\d\d)t([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i

function parseMoment(value: string): string | undefined {
  if (isDate(value)) return value
  const [, date = ''] = DATE_TIME.exec(value) ?? []
  if (!isDate(date)) return undefined
  const utc = new Date(value.toUpperCase()).toISOString()
  // An offset can carry the first and last hours of the four-digit years out of them.
  return utc.length === 24 ? utc : undefined
}

/** Whether it is a day of the calendar: `Date` makes the first of March of a thirtieth of February. */
function isDate(value: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(value)) return false
  const day = new Date(`${value}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(value)
}
