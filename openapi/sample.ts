import * as z from 'zod'
import { resolve } from './operations.ts'
import type { Json } from './json.ts'

/**
 * Values that a schema cannot know, such as the id of a row that is there: by the name of the property, one a call.
 * Under the name with a `?`, also where the property may be left out.
 */
export type Given = Record<string, () => unknown>

const json = z.record(z.string(), z.unknown())
const string = z.object({
  format: z.string().optional(),
  pattern: z.string().optional(),
  minLength: z.number().default(0),
  maxLength: z.number().default(Infinity),
})
const number = z.object({
  minimum: z.number().default(-Infinity),
  maximum: z.number().default(Infinity),
})

/** Texts that have a format. */
const FORMATS: Record<string, string> = {
  date: '2026-11-20',
  'date-time': '2026-11-20T09:30:00.000Z',
  password: 'seven green bicycles',
  uuid: '019a9f5c-4a00-7000-8000-000000000001',
}

/** What a server makes of itself unless it is told. */
const OPTIONAL = new Set(['id', 'revision'])

/** The fields of a body, at any depth, that must hold the id of a row: name → the collection that the row is in. */
export function neededBy(document: unknown, schema: unknown): Map<string, string> {
  const needed = new Map<string, string>()
  const find = (part: unknown, name = ''): void => {
    const { success, data = {} } = json.safeParse(part)
    if (!success) return
    if (typeof data.$ref === 'string') return find(resolve(document, data).value, name)
    if (typeof data['x-references'] === 'string' && !('anyOf' in data)) needed.set(name, data['x-references'])
    for (const [key, property] of Object.entries(json.safeParse(data.properties).data ?? {}))
      find(property, key)
    for (const each of [data.items, ...[data.oneOf ?? []].flat()]) find(each)
  }
  find(schema)
  return needed
}

/**
 * A valid body for a schema of a document: every writable property, an array of each alternative of its items. The same
 * schema gives the same body. Throws when it cannot tell: then the schema needs `examples`.
 */
export function sample(document: unknown, schema: Json, given: Given = {}, name = 'value'): unknown {
  const again = (part: unknown, as = name) => sample(document, json.parse(part), given, as)
  const known = given[name] ?? given[`${name}?`]
  if (known) return known()
  if (typeof schema.$ref === 'string') return again(resolve(document, schema).value)
  if ('const' in schema) return schema.const
  const initial = schema.default ?? schema['x-default']
  if (initial !== undefined && !isEmpty(initial)) return initial
  if (Array.isArray(schema.examples)) return schema.examples[0]
  if (Array.isArray(schema.enum)) return schema.enum[0]
  const alternatives = schema.anyOf ?? schema.oneOf
  if (Array.isArray(alternatives)) {
    // What an optional reference refers to is not there.
    return 'x-references' in schema ? null : again(alternatives[0])
  }
  if ('x-references' in schema) throw new Error(`${name}: needs the id of a row that is there`)
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'object': {
      const required = new Set(z.array(z.string()).parse(schema.required ?? []))
      const properties = Object.entries(z.record(z.string(), json).parse(schema.properties ?? {}))
      const sent = properties.filter(
        ([key, { readOnly }]) => !readOnly && (required.has(key) || !OPTIONAL.has(key) || `${key}?` in given),
      )
      return Object.fromEntries(sent.map(([key, property]) => [key, again(property, key)]))
    }
    case 'array': {
      const items = resolve(document, json.parse(schema.items)).value
      const each = z.array(json).parse(items.oneOf ?? [items])
      return each.map((item) => again(item, name.replace(/(?<=.)s$/, '')))
    }
    case 'string':
      return text(string.parse(schema), name)
    case 'integer':
    case 'number': {
      const { minimum, maximum } = number.parse(schema)
      return Math.max(minimum, Math.min(maximum, 1))
    }
    case 'boolean':
      return false
    default:
      throw new Error(`${name}: the schema does not say enough to make an example: give it examples`)
  }
}

function text({ format = '', pattern, minLength, maxLength }: z.output<typeof string>, name: string): string {
  const formatted = FORMATS[format]
  if (formatted !== undefined) return formatted
  const words = name.replaceAll('_', ' ')
  const made = `${/^[aeiou]/.test(words) ? 'An' : 'A'} ${words}`.padEnd(minLength, '.').slice(0, maxLength)
  if (format || (pattern !== undefined && !new RegExp(pattern, 'u').test(made))) {
    throw new Error(`${name}: its schema needs examples`)
  }
  return made
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}
