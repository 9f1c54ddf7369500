import * as fc from 'fast-check'
import * as z from 'zod'
import type { Resource } from '../src/engine/resource.ts'

/** What a value must be, read from its zod schema. */
export type Shape =
  | { kind: 'text'; minLength: number; maxLength: number }
  | { kind: 'id' }
  | { kind: 'moment' }
  | { kind: 'enum'; values: readonly string[] }
  | { kind: 'boolean' }
  | { kind: 'number'; integer: boolean; minimum: number; maximum: number }
  | { kind: 'array'; items: Shape; maxItems: number; unique: boolean }

/** A field of a resource's bodies. */
export interface Field {
  name: string
  required: boolean
  nullable: boolean
  shape: Shape
}

/** A body of a request, or a row of an answer. */
export type Body = Record<string, unknown>

/** Values for fields whose schema does not say which ones exist: the ids that a reference may hold. */
export type Given = Record<string, fc.Arbitrary<unknown>>

/** The writable fields of a resource, from `resource.input.create`. */
export function fieldsOf(resource: Resource): Field[] {
  const { def } = insideOf(resource.input.create())
  if (def.type !== 'object') throw new Error(`the input of ${resource.name} is not an object`)
  const { shape } = def
  return [...resource.writable.keys()].map((name) => {
    const field = shape[name]
    if (!field) throw new Error(`the input of ${resource.name} has no ${name}`)
    const { inner, optional, nullable } = unwrap(field)
    return { name, required: !optional, nullable, shape: shapeOf(inner, name) }
  })
}

function unwrap(schema: z.core.$ZodType) {
  let [inner, optional, nullable] = [schema, false, false]
  for (;;) {
    const { def } = insideOf(inner)
    if (def.type !== 'optional' && def.type !== 'nullable') return { inner, optional, nullable }
    if (def.type === 'optional') optional = true
    else nullable = true
    inner = def.innerType
  }
}

/** What a schema is made of: zod's own description of itself. */
function insideOf(schema: z.core.$ZodType) {
  // oxlint-disable-next-line eslint/no-underscore-dangle -- the name zod gives it
  return (schema as z.core.$ZodTypes)._zod
}

function shapeOf(schema: z.core.$ZodType, name: string): Shape {
  const { def, bag } = insideOf(schema)
  const meta = z.globalRegistry.get(schema) ?? {}
  const limit = (value: unknown, otherwise: number) => (typeof value === 'number' ? value : otherwise)
  switch (def.type) {
    case 'string':
      if (meta.format === 'uuid') return { kind: 'id' }
      // Not just any text: the examples that its schema gives.
      if (Array.isArray(meta.examples)) return { kind: 'enum', values: meta.examples.map(String) }
      return {
        kind: 'text',
        minLength: limit(meta.minLength, 0),
        maxLength: limit(meta.maxLength, 100),
      }
    case 'pipe': {
      const sent = insideOf(unwrap(def.in).inner).def
      if (sent.type === 'string' && Array.isArray(meta.examples)) return { kind: 'moment' }
      break
    }
    case 'enum':
      return { kind: 'enum', values: Object.values(def.entries).map(String) }
    case 'boolean':
      return { kind: 'boolean' }
    case 'number': {
      const { type, minimum, maximum } = z.toJSONSchema(schema)
      return {
        kind: 'number',
        integer: type === 'integer',
        minimum: Math.max(limit(minimum, -1e6), -1e6),
        maximum: Math.min(limit(maximum, 1e6), 1e6),
      }
    }
    case 'array': {
      const { maximum } = bag as { maximum?: number }
      return {
        kind: 'array',
        items: shapeOf(def.element, name),
        maxItems: limit(maximum, 10),
        unique: meta.uniqueItems === true,
      }
    }
    default:
  }
  throw new Error(`test/arbitraries.ts cannot make values for ${name}, a ${def.type}: teach it to`)
}

/** How generated bodies differ from any valid ones. */
export interface BodyOptions {
  /** Starts every free text that has the room for it. */
  mark?: string
  given?: Given
}

/** Valid bodies of POST and PUT: every field present or left out as the schema allows. */
export function bodyOf(resource: Resource, options: BodyOptions = {}): fc.Arbitrary<Body> {
  return recordOf(resource, options, (field) => field.required).filter(
    (body) => resource.input.create().safeParse(body).success,
  )
}

/** Valid bodies of PATCH: at least one field. */
export function patchOf(resource: Resource, options: BodyOptions = {}): fc.Arbitrary<Body> {
  return recordOf(resource, options, () => false).filter(
    (body) => Object.keys(body).length > 0 && resource.input.update().safeParse(body).success,
  )
}

/** Valid bodies with a value other than null, and not empty, in every field that can have one beside the others. */
export function fullBodyOf(resource: Resource, options: BodyOptions = {}): fc.Arbitrary<Body> {
  const fields = fieldsOf(resource)
  for (const field of fields) field.nullable = false
  return recordFrom(fields, options, () => true).filter(
    (body) =>
      Object.values(body).every((value) => value !== '' && !(Array.isArray(value) && !value.length)) &&
      resource.input.create().safeParse(body).success,
  )
}

/** The smallest valid body: only what must be there. */
export function leastBodyOf(resource: Resource, options: BodyOptions = {}): fc.Arbitrary<Body> {
  const required = fieldsOf(resource).filter((field) => field.required)
  return recordFrom(required, options, () => true)
}

function recordOf(resource: Resource, options: BodyOptions, isRequired: (field: Field) => boolean) {
  return recordFrom(fieldsOf(resource), options, isRequired)
}

function recordFrom(fields: readonly Field[], options: BodyOptions, isRequired: (field: Field) => boolean) {
  const values = Object.fromEntries(fields.map((field) => [field.name, fieldValue(field, options)]))
  const requiredKeys = fields.filter(isRequired).map((field) => field.name)
  return fc.record<Body>(values, { requiredKeys, noNullPrototype: true })
}

/** Valid values of one field. */
function fieldValue({ name, nullable, shape }: Field, options: BodyOptions = {}): fc.Arbitrary<unknown> {
  const value = options.given?.[name] ?? valueOf(shape, options.mark)
  return nullable ? fc.option(value, { nil: null, freq: 4 }) : value
}

/** Valid values of a shape. */
export function valueOf(shape: Shape, mark = ''): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case 'text':
      return textOf(shape, mark)
    case 'moment':
      return moments
    case 'enum':
      return fc.constantFrom(...shape.values)
    case 'boolean':
      return fc.boolean()
    case 'number': {
      const { minimum: min, maximum: max, integer } = shape
      return integer
        ? fc.integer({ min, max })
        : fc.double({ min, max, noNaN: true }).map((value) => value + 0)
    }
    case 'array': {
      const items = valueOf(shape.items, mark)
      const maxLength = Math.min(shape.maxItems, 4)
      return shape.unique ? fc.uniqueArray(items, { maxLength }) : fc.array(items, { maxLength })
    }
    // The id of nothing: a reference that must hold comes from `given`.
    default:
      return fc.uuid({ version: 7 })
  }
}

// Few letters, so that generated texts are often equal but for their case, and LIKE's own characters among them.
const letters = fc.constantFrom('a', 'A', 'b', 'B', 'é', 'É', 'Σ', 'σ', 'ß', '%', '_', ' ', '"', '🌍')

function textOf({ minLength, maxLength }: { minLength: number; maxLength: number }, mark: string) {
  const room = Math.max(0, maxLength - (mark.length + 1 <= maxLength ? mark.length : 0))
  const some = fc.oneof(
    { weight: 6, arbitrary: fc.string({ unit: letters, minLength, maxLength: 4 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength, maxLength: 8 }) },
    { weight: 1, arbitrary: fc.constantFrom('x'.repeat(room), `x${'🌍'.repeat(room - 1)}`) },
  )
  return some.map((text) => {
    const shown = minLength > 0 && !/[a-z]/i.test(text) ? `x${text}` : text
    return `${room < maxLength ? mark : ''}${Array.from(shown).slice(0, room).join('')}`
  })
}

/** RFC 3339 dates and date-times in every form that is taken; few days, so that many are equal. */
const moments: fc.Arbitrary<string> = fc
  .record({
    day: fc.constantFrom('2026-11-19', '2026-11-20', '2026-11-21', '2024-02-29', '1970-01-01', '2099-12-31'),
    time: fc.constantFrom('', 'T00:00:00Z', 't09:30:00z', 'T09:30:00.123456+02:00', 'T23:59:59.999-11:30'),
  })
  .map(({ day, time }) => day + time)

/** What an answer holds when `value` was sent for a field: itself, or the instant in UTC with milliseconds. */
export function asAnswered(field: Field, value: unknown): unknown {
  if (field.shape.kind !== 'moment' || typeof value !== 'string' || value.length === 10) return value
  return new Date(value.toUpperCase()).toISOString()
}

/** A string that something in the way could trip over. */
export interface HostileString {
  name: string
  text: string
  /** No field takes it; otherwise only its length and its visibility count. */
  refused?: true
  /** It shows nothing, so a field that must not be blank refuses it. */
  blank?: true
}

/** Strings for every text field: whatever is not refused must come back unchanged. */
export const hostileStrings: readonly HostileString[] = [
  { name: 'NUL', text: 'a\0b', refused: true },
  { name: 'NUL alone', text: '\0', refused: true },
  { name: 'a lone high surrogate', text: 'a\ud83db', refused: true },
  { name: 'a lone low surrogate', text: '\udf0da', refused: true },
  { name: 'swapped surrogates', text: 'a\udf0d\ud83d', refused: true },
  { name: '64 KB', text: 'x'.repeat(65_000), refused: true },
  { name: 'nothing', text: '', blank: true },
  { name: 'white space', text: ' \t\n\r\u00a0\u2003\u3000', blank: true },
  { name: 'zero-width characters', text: '\u200b\u200d\u2060\ufeff', blank: true },
  { name: 'control characters', text: 'a\u0001\u0008\u001b[31m\u007f\u0085b' },
  { name: 'right-to-left text and overrides', text: 'שלום \u202eevil\u202c مرحبا' },
  { name: 'emoji of several code points', text: '👩‍👩‍👧‍👦🏳️‍🌈🇨🇭' },
  { name: 'combining characters', text: `Z${'\u0310\u0321'.repeat(10)}algo` },
  { name: 'not normalized', text: 'e\u0301 is not é, ﬁ is not fi' },
  { name: 'the last code point', text: '\u{10ffff}\uffff\ufdd0' },
  { name: 'letters that change length in another case', text: 'İstanbul ß ﬀ ΟΔΟΣ' },
  { name: 'line ends', text: 'a\r\nX-Injected: 1\u2028b' },
  { name: 'SQL', text: `'; DROP TABLE users; --` },
  { name: 'SQL wildcards', text: '%_\\%' },
  { name: 'a placeholder', text: '? ?1 :owner $1 @p' },
  { name: 'HTML', text: '<script>alert(1)</script>&amp;<!--' },
  { name: 'a template', text: '${7*7}{{7*7}}<%=7*7%>' },
  { name: 'JSON', text: '{"a":[null]}' },
  { name: 'a path', text: '../../etc/passwd%00' },
  { name: 'a prototype key', text: '__proto__' },
  { name: 'a constructor', text: 'constructor' },
  { name: 'a number', text: '1e999' },
  { name: 'null', text: 'null' },
]

/** Numbers that are none, or none that anybody expects, as they stand in a query. */
export const hostileNumbers = [
  '',
  ' ',
  '-1',
  '-0',
  '+1',
  '1.0',
  '1.5',
  '1e1',
  '0x10',
  '0b1',
  '0o7',
  '1_0',
  '1,0',
  '١',
  '１',
  '00',
  '01',
  'NaN',
  'Infinity',
  '-Infinity',
  'null',
  'true',
  '[]',
  '[1]',
  '{}',
  ' 1',
  '1 ',
  '1\0',
  '1;',
  '1 OR 1=1',
  '101',
  '10001',
  '2147483648',
  '9007199254740993',
  '18446744073709551616',
  '1'.repeat(400),
  '1e400',
]
