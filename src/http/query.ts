import { zValidator } from '@hono/zod-validator'
import type * as z from 'zod'
import { Problem } from '../problems.ts'
import { fieldErrors } from './validation.ts'

/** Validates the query string, for `c.req.valid('query')`. Throws `invalid_query`. */
export function validQuery<Schema extends z.ZodType>(schema: Schema) {
  return zValidator('query', schema, (result) => {
    if (!result.success) throw new Problem('invalid_query', fieldErrors(result.error.issues))
  })
}
