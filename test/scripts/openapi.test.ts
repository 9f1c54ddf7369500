import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openApiFor, pinned } from '../../openapi/document.ts'
import { isJson, merged, schemaOf, type Json } from '../../openapi/json.ts'
import { moment, text, title } from '../../src/engine/fields.ts'
import { resources, verbs } from '../../src/resources/index.ts'
import sightings from '../fixtures/sightings.ts'
import specimens from '../fixtures/specimens.ts'

// What other people's generators trip over, in the document of every resource here and of the fixtures.

const document = openApiFor([...resources, sightings, specimens], verbs)

interface Found {
  at: string
  schema: Json
}

/** Every object of the document with the place where it is. */
function* partsOf(value: unknown, at = '#'): Generator<Found> {
  if (isJson(value)) yield { at, schema: value }
  const entries = Array.isArray(value) ? value.entries() : isJson(value) ? Object.entries(value) : []
  for (const [key, part] of entries) yield* partsOf(part, `${at}/${key}`)
}

const parts = [...partsOf(document)].filter(
  ({ at }) => !/\/(examples?|mapping|default|x-default)(\/|$)/.test(at),
)
const schemas = parts.filter(
  ({ at }) => /\/(schema|schemas)(\/|$)/.test(at) && !/\/(properties|schemas)$/.test(at),
)
const components = new Map(schemas.map(({ at, schema }) => [at, schema]))

function placesOf(isFaulty: (found: Found) => boolean): string[] {
  return schemas.filter(isFaulty).map(({ at }) => at)
}

/** The components that a request body is made of. */
function sentComponents(): Set<string> {
  const sent = new Set<string>()
  const follow = (value: unknown) => {
    for (const { schema } of partsOf(value)) {
      const { $ref } = schema
      if (typeof $ref !== 'string' || sent.has($ref)) continue
      sent.add($ref)
      follow(components.get($ref))
    }
  }
  for (const { at, schema } of parts) if (at.endsWith('/requestBody')) follow(schema)
  return sent
}

describe('in the OpenAPI document', () => {
  test('every integer says how many bits hold it, and a revision needs 64', () => {
    expect(placesOf(({ schema }) => schema.type === 'integer' && !schema.format)).toEqual([])
    const revisions = parts.filter(({ at }) => at.endsWith('/properties/revision'))
    expect(revisions.length).toBeGreaterThan(0)
    for (const { at, schema } of revisions) expect(schema.format, at).toBe('int64')
  })

  test('every const and enum has a type', () => {
    expect(placesOf(({ schema }) => ('const' in schema || 'enum' in schema) && !schema.type)).toEqual([])
  })

  test('every object is a component, so that its name is ours and not made up by a generator', () => {
    const isInline = (at: string) => !/^#\/components\/schemas\/\w+$/.test(at)
    expect(placesOf(({ at, schema }) => schema.type === 'object' && isInline(at))).toEqual([])
  })

  test('every union of objects says by which property they are told apart, but for those whose properties do', () => {
    const told = new Set([
      'Tokens CookieTokens',
      'PasswordGrant RefreshGrant',
      'Registration PasskeyRegistration',
    ])
    const namesIn = (union: unknown[]) =>
      union
        .map((each) => (isJson(each) ? String(each.$ref).replace('#/components/schemas/', '') : ''))
        .join(' ')
    const unions = placesOf(
      ({ schema: { oneOf, discriminator } }) =>
        Array.isArray(oneOf) && !discriminator && !told.has(namesIn(oneOf)),
    )
    expect(unions).toEqual([])
  })

  test('no parameter that is required has a default', () => {
    const faults = parts.filter(
      ({ schema }) => schema.in && schema.required && isJson(schema.schema) && 'default' in schema.schema,
    )
    expect(faults.map(({ at }) => at)).toEqual([])
  })

  test('no body that a client sends has a field that is read only', () => {
    const faults = [...sentComponents()].filter((at) =>
      [...partsOf(components.get(at))].some(({ schema }) => schema.readOnly),
    )
    expect(faults).toEqual([])
  })

  test('no body has a default for clients to fill in: it says in words what a field left out holds', () => {
    const filled = [...sentComponents()].flatMap((at) =>
      [...partsOf(components.get(at))].filter(({ schema }) => 'default' in schema),
    )
    expect(filled).toEqual([])
    expect(components.get('#/components/schemas/TaskCreate')?.properties).toMatchObject({
      status: { description: 'Left out: `"pending"`, unless another field sent says otherwise.' },
      priority: { description: 'Left out: `"medium"`.', 'x-default': 'medium' },
    })
  })

  test('a change has at least one field', () => {
    const updates = [...components].filter(([at]) => /^#\/components\/schemas\/\w+(?<!Bulk)Update$/.test(at))
    expect(updates.length).toBeGreaterThan(0)
    for (const [at, schema] of updates) expect(schema.minProperties, at).toBe(1)
  })

  test('every pattern is one that Python, Java, Go and Rust read, too', () => {
    const faults = placesOf(
      ({ schema: { pattern } }) => typeof pattern === 'string' && /\(\?[=!<]|\\[pPuUk]/.test(pattern),
    )
    expect(faults).toEqual([])
  })
})

test.each([
  ['text', text(50)],
  ['title', title(50)],
  ['moment', moment()],
] as const)('the pattern of a %s takes all that the API takes', (_, field) => {
  const { pattern } = schemaOf(field)
  const matches = new RegExp(String(pattern), 'u')
  const dates = fc.date({ min: new Date(0), noInvalidDate: true }).map((date) => date.toISOString())
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    dates,
    dates.map((date) => date.slice(0, 10)),
  )
  fc.assert(fc.property(texts, (value) => !field.safeParse(value).success || matches.test(value)))
  for (const value of ['', '\0', 'a\0', '20-11-2026', '2026-11-20T09:30:00']) {
    if (matches.test(value)) expect(field.safeParse(value).success, JSON.stringify(value)).toBe(true)
  }
})

test('the pinned version has the same operations below its server, and what has no version stays where it is', () => {
  const { servers, paths } = pinned(document)
  expect(servers).toMatchObject([{ url: '/api/v1' }])
  expect(paths).toMatchObject({
    '/{user_id}/tasks': { get: { operationId: 'listTasks' } },
    '/auth/login': { post: { operationId: 'login' } },
    '/health': { servers: [{ url: '/' }], get: { operationId: 'health' } },
  })
})

test('two schemas of the same name are refused', () => {
  expect(() => merged([{ TaskList: {} }, { TaskList: {} }])).toThrow('called TaskList')
})
