import { en } from 'zod/locales'
import * as z from 'zod/mini'
import type { FieldError } from '../problems.ts'

// The one language of its messages; zod/mini brings none.
z.config(en())

/** How many errors are listed: a body of nothing but unknown fields would otherwise be echoed whole. */
const MAX_ERRORS = 50
const MAX_PATH = 200

/** A validator's issues as the contract shows them, with one error for each unknown field or parameter. */
export function fieldErrors(issues: readonly z.core.$ZodIssue[]): FieldError[] {
  return issues.flatMap(toErrors).slice(0, MAX_ERRORS)
}

function toErrors(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.slice(0, MAX_ERRORS).map((key) => ({
      path: pathOf([...issue.path, key]),
      code: 'unrecognized_key',
      message: 'is not known here',
    }))
  }
  const code: unknown = issue.code === 'custom' ? issue.params?.code : issue.code
  return [
    { path: pathOf(issue.path), code: typeof code === 'string' ? code : 'invalid', message: issue.message },
  ]
}

/** `['tags', 3]` → `tags[3]`. */
function pathOf(path: readonly PropertyKey[]): string {
  const joined = path.reduce<string>(
    (so, key) => (typeof key === 'number' ? `${so}[${key}]` : so ? `${so}.${String(key)}` : String(key)),
    '',
  )
  return joined.slice(0, MAX_PATH).toWellFormed()
}
