import * as z from 'zod'
import { UUID_V7 } from '../src/ids.ts'

/** A part of the document. */
export type Json = Record<string, unknown>

/** Whether a value is an object, and no list. */
export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The schema of a row's id. */
export const ID = { type: 'string', format: 'uuid', pattern: UUID_V7.source }

/** The schema of a revision: milliseconds since 1970, more than 32 bits hold. */
export const REVISION = { type: 'integer', format: 'int64', minimum: 1 }

/** The schema of a number of things. */
export const COUNT = { type: 'integer', format: 'int32', minimum: 0 }

const MAX_INT32 = 2 ** 31 - 1

/** What a validator takes, as a schema. Its integers say which of them 32 bits hold: clients overflow otherwise. */
export function schemaOf(validator: z.core.$ZodType): Json {
  const { $schema: _, ...schema } = z.toJSONSchema(validator, {
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      // What a transform says of itself, zod says of its output only. Where that is no text, the text says nothing.
      const said = zodSchema instanceof z.core.$ZodPipe ? z.globalRegistry.get(zodSchema) : undefined
      if (said?.type !== undefined && said.type !== 'string') {
        for (const key of Object.keys(jsonSchema)) Reflect.deleteProperty(jsonSchema, key)
      }
      Object.assign(jsonSchema, said)
      // Its format says the same, and shorter.
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
      const { type, minimum = -Infinity, maximum = Infinity } = jsonSchema
      if (type === 'number') jsonSchema.format ??= 'double'
      if (type === 'integer')
        jsonSchema.format ??= minimum < -MAX_INT32 || maximum > MAX_INT32 ? 'int64' : 'int32'
    },
  })
  return schema
}

/** The schema of an object of these properties and no other, all of them required but the optional ones. */
export function closed(properties: Json, optional: Json = {}): Json {
  const required = Object.keys(properties)
  return {
    type: 'object',
    ...(required.length && { required }),
    properties: { ...properties, ...optional },
    additionalProperties: false,
  }
}

/** The schema of one of several objects, told apart by a property: a component's name by the property's value. */
export function oneOf(propertyName: string, components: Record<string, string>): Json {
  const refs = Object.entries(components).map(([value, name]) => [value, ref('schemas', name)] as const)
  const mapping = Object.fromEntries(refs.map(([value, { $ref }]) => [value, $ref]))
  return { oneOf: refs.map(([, each]) => each), discriminator: { propertyName, mapping } }
}

/** A reference to a component of the document. */
export function ref(kind: string, name: string): Json {
  return { $ref: `#/components/${kind}/${name}` }
}

/** Several objects as one. Throws when two of them have the same key: two parts of the document have one name. */
export function merged(parts: readonly Json[]): Json {
  const entries = parts.flatMap((part) => Object.entries(part))
  const names = entries.map(([name]) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice)
    throw new Error(`Two parts of the OpenAPI document are called ${twice}: declare another \`singular\``)
  return Object.fromEntries(entries)
}

/** The name of a type: work_items → WorkItems. */
export function pascal(name: string): string {
  return name.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())
}
