import * as z from 'zod/mini'
import { id } from './fields.ts'
import { Problem, type FieldError } from '../problems.ts'
import { writable, type Resource } from './resource.ts'
import type { Operation } from './store.ts'

/** How many operations a bulk may have. */
export const MAX_OPERATIONS = 100

/** The body of a bulk: `{ "operations": [{ "op", "id"?, "revision"?, "data"? }…] }`. */
export function bulkSchema(resource: Resource) {
  const { create, update } = resource.input
  const revision = z.optional(z.int().check(z.positive()))
  return z.strictObject({
    operations: z
      .array(
        z.discriminatedUnion('op', [
          z.strictObject({ op: z.literal('create'), id: z.optional(id()), data: create() }),
          z.strictObject({ op: z.literal('update'), id: id(), revision, data: update() }),
          z.strictObject({ op: z.literal('delete'), id: id(), revision }),
        ]),
      )
      .check(z.minLength(1), z.maxLength(MAX_OPERATIONS)),
  })
}

/** Which operation the first of these errors is about. */
export function failedOperation([first]: readonly FieldError[]): { index?: number } {
  const [, at] = /^operations\[(\d+)\]/.exec(first?.path ?? '') ?? []
  return at === undefined ? {} : { index: Number(at) }
}

type Received = z.output<ReturnType<typeof bulkSchema>>['operations'][number]

/** A valid operation as the store takes it. Throws `invalid_body` and `empty_patch`, with the `index` of the operation. */
export function toOperation(resource: Resource, received: Received, index: number): Operation {
  if (received.op === 'delete') return received
  const { op, data } = received
  if (data.id !== undefined && received.id !== undefined && data.id !== received.id) {
    const path = `operations[${index}].data.id`
    const error = { path, code: 'invalid_value', message: 'differs from the id of the operation' }
    throw new Problem('invalid_body', { errors: [error], index })
  }
  const values = writable(resource, data)
  if (op === 'create') {
    const chosen = received.id ?? data.id
    return { op, id: typeof chosen === 'string' ? chosen : undefined, values }
  }
  if (Object.keys(values).length === 0) throw new Problem('empty_patch', { index })
  return { op, id: received.id, revision: received.revision, values }
}
