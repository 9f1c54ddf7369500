import { randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import type { Answer } from './client.ts'
import type { Resource, Schema } from './document.ts'
import { expectProblem } from './expect.ts'
import { Mismatch } from './report.ts'

/** A body of a request. */
export type Body = Record<string, unknown>

/** Makes valid bodies of a collection. */
export interface Maker {
  /** A value in every field that can have one beside the others; texts are new each time. */
  full(): Body
  /** Only what must be there. */
  least(): Body
  /** A change of one field, to a value that differs from the last one's. */
  change(): Body
  /** Full bodies whose enums, booleans and numbers differ by `n`. */
  nth(n: number): Body
  /** Fields that hold whatever text is sent. */
  texts: readonly string[]
  /** Fields that name a row of another collection: it, and the id that the bodies use. */
  references: ReadonlyMap<string, string>
}

/** A marker that no other text holds. */
export function newMark(): string {
  return `v${randomUUID().replaceAll('-', '').slice(0, 12)}`
}

/** The id of nothing: a new UUIDv7. */
export function newId(): string {
  return uuidv7()
}

/** Values that a text without a format may have to be, when it is not any text. */
const GUESSES = ['2026-11-20', '2026-11-20T09:30:00.000Z', 'https://example.com/', 'a@example.com', 'a', '1']

/** Values a field of this schema may take, the likeliest first. Texts start with a marker where they can. */
function valuesOf(schema: Schema, text: string): unknown[] {
  const { type, anyOf, oneOf, items, examples = [] } = schema
  const types = new Set([type ?? []].flat())
  if (schema.const !== undefined) return [schema.const]
  if (schema.enum) return schema.enum.filter((value) => value !== null)
  const either = anyOf ?? oneOf
  if (either) return either.flatMap((one) => valuesOf(one, text))
  if (types.has('boolean')) return [false, true]
  if (types.has('integer') || types.has('number')) return numbersOf(schema)
  if (types.has('array')) {
    return schema.maxItems === 0 ? [[]] : [...valuesOf(items ?? {}, text).map((value) => [value]), []]
  }
  if (types.has('object')) return [{}]
  if (!types.has('string')) return [...examples]
  const [own, ...guesses] = textsOf(schema, text)
  return [own, ...examples, ...guesses].filter((value) => value !== undefined && fits(schema, value))
}

function numbersOf({ minimum = 0, maximum = Number.MAX_SAFE_INTEGER }: Schema): number[] {
  return [1, 2, 3, 0, minimum, maximum].filter((value) => value >= minimum && value <= maximum)
}

function textsOf(
  { format, maxLength = Number.POSITIVE_INFINITY, minLength = 0 }: Schema,
  text: string,
): string[] {
  if (format === 'date') return ['2026-11-20', '2026-11-21']
  if (format === 'date-time') return ['2026-11-20T09:30:00.000Z', '2026-11-21T09:30:00.000Z']
  if (format === 'email') return [`${text}@example.com`]
  if (format === 'uri') return [`https://example.com/${text}`]
  if (format === 'uuid') return [newId()]
  return [text.slice(0, maxLength).padEnd(minLength, 'x'), ...GUESSES]
}

function fits(
  { pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: Schema,
  value: unknown,
): boolean {
  if (typeof value !== 'string') return true
  if (value.length < minLength || value.length > maxLength) return false
  return !pattern || new RegExp(pattern, 'u').test(value)
}

/** How many bodies are tried before a collection is given up. */
const ATTEMPTS = 60

/**
 * Learns from the deployment's own answers which values go together: the schema says what each field may be, a 422 names
 * the fields that may not be so after all, and their next value is tried. `post` sends a body to the collection; `rows`
 * holds an id of a row for every collection that a reference may name.
 */
export async function learn(
  resource: Resource,
  rows: ReadonlyMap<string, string>,
  post: (body: Body) => Promise<Answer>,
): Promise<Maker> {
  const mark = newMark()
  const candidates = new Map<string, unknown[]>()
  for (const [name, schema] of Object.entries(resource.writable)) {
    const target = schema['x-references']
    const values = target === undefined ? valuesOf(schema, `${mark} ${name}`) : idIn(rows, target)
    if (values.length || resource.required.includes(name)) candidates.set(name, values)
  }
  const current = (): Body => Object.fromEntries(Array.from(candidates, ([name, [value]]) => [name, value]))
  const refused = (names: readonly string[]) => {
    const wrong = names.filter((name) => candidates.has(name))
    const optional = [...candidates.keys()].filter((name) => !resource.required.includes(name))
    for (const name of wrong.length ? wrong : optional.slice(-1)) {
      const left = (candidates.get(name) ?? []).slice(1)
      if (left.length) candidates.set(name, left)
      else candidates.delete(name)
    }
  }

  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const answer = await post(current())
    if (answer.status === 201)
      return makerOf(resource, candidates, mark, await pairs(post, candidates, mark, current()))
    const { errors = [] } = expectProblem(answer, 422)
    refused(errors.map(({ path }) => path.replace(/[.[].*/, '')))
  }
  throw new Mismatch(`a body of ${resource.name} made from its schema to be taken`, 'only refusals')
}

/** The values of each field that may stand beside the others' first ones. */
async function pairs(
  post: (body: Body) => Promise<Answer>,
  candidates: ReadonlyMap<string, unknown[]>,
  mark: string,
  body: Body,
): Promise<Map<string, unknown[]>> {
  const good = new Map<string, unknown[]>()
  for (const [name, [first, ...others]] of candidates) {
    const fit: unknown[] = [first]
    const isText = typeof first === 'string' && first.startsWith(mark)
    for (const value of isText ? [] : others.slice(0, 3)) {
      if ((await post({ ...body, [name]: value })).status === 201) fit.push(value)
    }
    good.set(name, fit)
  }
  return good
}

function idIn(rows: ReadonlyMap<string, string>, collection: string): string[] {
  const id = rows.get(collection)
  return id === undefined ? [] : [id]
}

function makerOf(
  resource: Resource,
  candidates: ReadonlyMap<string, unknown[]>,
  mark: string,
  fit: ReadonlyMap<string, unknown[]>,
): Maker {
  let count = 0
  const isText = (value: unknown) => typeof value === 'string' && value.startsWith(mark)
  const texts = [...candidates].filter(([, [value]]) => isText(value)).map(([name]) => name)
  const fresh = (value: unknown): unknown => {
    if (Array.isArray(value)) return Array.from<unknown>(value).map(fresh)
    return typeof value === 'string' ? value.replaceAll(mark, newMark()) : value
  }
  const made = (pick: (name: string, values: readonly unknown[]) => unknown, names = [...fit.keys()]) =>
    Object.fromEntries(names.map((name) => [name, fresh(pick(name, fit.get(name) ?? []))]))
  const several = [...fit].filter(([, values]) => values.length > 1)
  const [changing = ''] = [...texts, ...several.map(([name]) => name), ...fit.keys()]
  const references = [...fit].filter(([name]) => resource.writable[name]?.['x-references'])
  return {
    texts,
    references: new Map(references.map(([name, [id]]) => [name, String(id)])),
    full: () => made((_, values) => values[0]),
    least: () => made((_, values) => values[0], [...resource.required]),
    change() {
      count += 1
      return made((_, values) => values[count % values.length], [changing])
    },
    nth(n) {
      const [varied, values = []] = several[n % (several.length || 1)] ?? []
      return made((name, [first]) =>
        name === varied ? values[Math.floor(n / several.length) % values.length] : first,
      )
    },
  }
}
