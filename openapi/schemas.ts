import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import * as z from 'zod'
import { MAX_OPERATIONS } from '../src/engine/bulk.ts'
import type { Resource } from '../src/engine/resource.ts'
import { ID, pascal, ref, type Json } from './json.ts'

/** The schemas of a resource: a row as it is answered, a page of them, and the bodies that write one. */
export function schemasOf(resource: Resource): Json {
  const { name, singular, visible } = resource
  const Row = pascal(singular)
  const input = fieldsOf(resource.input.create())
  const fields = Object.fromEntries(
    visible.map((column) => [
      column.name,
      resource.writable.has(column.name)
        ? input.properties[column.name]
        : { ...columnSchema(column), ...nullable(column), readOnly: true },
    ]),
  )
  const bodies = { Create: 'create', Replace: 'replace', Update: 'update' } as const
  return {
    [Row]: {
      type: 'object',
      required: visible.map((column) => column.name),
      properties: fields,
      additionalProperties: false,
    },
    [`${Row}List`]: {
      type: 'object',
      required: [name, 'count', 'next_cursor'],
      properties: {
        [name]: { type: 'array', items: ref('schemas', Row) },
        count: { type: 'integer', description: 'How many rows this page has.' },
        next_cursor: {
          type: ['string', 'null'],
          description: 'The `cursor` of the next page; null on the last.',
        },
        total: { type: 'integer', description: 'How many rows match, on request (`total=true`).' },
      },
      additionalProperties: false,
    },
    ...bulkSchemas(resource),
    ...Object.fromEntries(
      Object.entries(bodies).map(([suffix, kind]) => {
        const { required } = fieldsOf(resource.input[kind]())
        const properties = Object.fromEntries(
          visible.map((column) => [column.name, withDefault(fields[column.name] ?? {}, column, kind)]),
        )
        if (kind === 'create') properties.id = { ...ID, description: 'Your own UUIDv7, or none to get one.' }
        return [`${Row}${suffix}`, { type: 'object', required, properties, additionalProperties: false }]
      }),
    ),
  }
}

function bulkSchemas({ name, singular }: Resource): Json {
  const Row = pascal(singular)
  const revision = { type: 'integer', description: 'Go on only if the row is still at this revision.' }
  return {
    [`${pascal(name)}Bulk`]: {
      type: 'object',
      required: ['operations'],
      properties: {
        operations: {
          type: 'array',
          minItems: 1,
          maxItems: MAX_OPERATIONS,
          items: {
            oneOf: [
              variant('create', { id: ID, data: ref('schemas', `${Row}Create`) }, ['data']),
              variant('update', { id: ID, revision, data: ref('schemas', `${Row}Update`) }, ['id', 'data']),
              variant('delete', { id: ID, revision }, ['id']),
            ],
          },
        },
      },
      additionalProperties: false,
    },
    [`${pascal(name)}BulkResults`]: {
      type: 'object',
      required: ['results'],
      properties: {
        results: {
          type: 'array',
          items: {
            type: 'object',
            required: ['status', 'id'],
            properties: { status: { type: 'integer' }, id: ID, [singular]: ref('schemas', Row) },
            additionalProperties: false,
          },
        },
      },
      additionalProperties: false,
    },
  }
}

/** What an operation of a bulk is. */
function variant(op: string, properties: Json, required: readonly string[]): Json {
  return {
    type: 'object',
    required: ['op', ...required],
    properties: { op: { const: op }, ...properties },
    additionalProperties: false,
  }
}

/** The schema of a page of changes. */
export function changesSchema(resources: readonly Resource[]): Json {
  return {
    type: 'object',
    required: ['changes', 'cursor', 'has_more'],
    properties: {
      changes: {
        type: 'array',
        items: {
          type: 'object',
          required: ['collection', 'id', 'deleted', 'revision'],
          properties: {
            collection: { type: 'string', enum: resources.map(({ name }) => name) },
            id: ID,
            deleted: { type: 'boolean' },
            revision: { type: 'integer' },
            data: {
              description: 'The row, unless it is deleted.',
              anyOf: resources.map(({ singular }) => ref('schemas', pascal(singular))),
            },
          },
          additionalProperties: false,
        },
      },
      cursor: { type: 'string', description: 'Send it next time.' },
      has_more: { type: 'boolean', description: 'Whether to ask again at once.' },
    },
    additionalProperties: false,
  }
}

function fieldsOf(schema: z.ZodType): { properties: Record<string, Json>; required: string[] } {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    // What a transform says of itself, zod says of its output only.
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema instanceof z.ZodPipe) Object.assign(jsonSchema, z.globalRegistry.get(zodSchema))
    },
  })
  const fields = Object.entries(properties).map(([name, field]): [string, Json] => {
    const json: Json = typeof field === 'object' ? { ...field } : {}
    return [name, json]
  })
  return { properties: Object.fromEntries(fields), required }
}

function withDefault(schema: Json, column: SQLiteColumn, kind: 'create' | 'replace' | 'update'): Json {
  return kind === 'update' || !column.hasDefault ? schema : { ...schema, default: column.default }
}

/** The schema of a column that no body sets. */
export function columnSchema({ name, dataType, enumValues }: SQLiteColumn): Json {
  if (name === 'id' || name.endsWith('_id')) return name === 'user_id' ? { type: 'string' } : ID
  if (name.endsWith('_at')) return { type: 'string', format: 'date-time' }
  if (enumValues?.length) return { type: 'string', enum: enumValues }
  return { type: dataType === 'number' ? 'integer' : dataType }
}

function nullable(column: SQLiteColumn): Json {
  return column.notNull ? {} : { type: ['string', 'null'] }
}
