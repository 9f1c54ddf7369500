import * as z from 'zod'

/** A JSON Schema, as far as values are made by it. */
export interface Schema {
  $ref?: string | undefined
  type?: string | string[] | undefined
  const?: unknown
  enum?: unknown[] | undefined
  anyOf?: Schema[] | undefined
  oneOf?: Schema[] | undefined
  properties?: Record<string, Schema> | undefined
  required?: string[] | undefined
  items?: Schema | undefined
  minLength?: number | undefined
  maxLength?: number | undefined
  minimum?: number | undefined
  maximum?: number | undefined
  maxItems?: number | undefined
  format?: string | undefined
  pattern?: string | undefined
  readOnly?: boolean | undefined
  default?: unknown
  examples?: unknown[] | undefined
  /** The collection of the row that the field names. */
  'x-references'?: string | undefined
}

const schema: z.ZodType<Schema> = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  get anyOf() {
    return z.array(schema).optional()
  },
  get oneOf() {
    return z.array(schema).optional()
  },
  get properties() {
    return z.record(z.string(), schema).optional()
  },
  required: z.array(z.string()).optional(),
  get items() {
    return schema.optional()
  },
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  maxItems: z.number().optional(),
  format: z.string().optional(),
  pattern: z.string().optional(),
  readOnly: z.boolean().optional(),
  default: z.unknown().optional(),
  examples: z.array(z.unknown()).optional(),
  'x-references': z.string().optional(),
})

const content = z.record(z.string(), z.looseObject({ schema: schema.optional() })).optional()
const described = z.looseObject({
  $ref: z.string().optional(),
  name: z.string().optional(),
  in: z.string().optional(),
  schema: schema.optional(),
})
const operation = z.looseObject({
  parameters: z.array(described).optional(),
  requestBody: z.looseObject({ content }).optional(),
  responses: z.record(z.string(), z.looseObject({ $ref: z.string().optional(), content })),
})
const item = z.looseObject({
  get: operation.optional(),
  post: operation.optional(),
  put: operation.optional(),
  patch: operation.optional(),
  delete: operation.optional(),
})

const openApi = z.looseObject({
  openapi: z.string().startsWith('3.1'),
  paths: z.record(z.string(), item),
  components: z.looseObject({
    schemas: z.record(z.string(), schema),
    parameters: z.record(z.string(), described).optional(),
  }),
})

/** An OpenAPI 3.1 document, as far as it is read here. */
export type Document = z.output<typeof openApi>

type Operation = z.output<typeof operation>

/** A query parameter of a list. */
export interface Parameter {
  name: string
  schema: Schema
}

/** A route that acts on one row and takes no body. */
export interface Verb {
  method: string
  /** What follows the row's own path: `/complete`. */
  suffix: string
}

/** A collection that the document lists. */
export interface Resource {
  name: string
  singular: string
  /** What follows the user's own path: `/tasks/{task_id}/comments`. */
  path: string
  parent?: { parameter: string; resource: Resource }
  /** The fields of a row, in their order. */
  row: Record<string, Schema>
  /** The fields that a body may set. */
  writable: Record<string, Schema>
  required: readonly string[]
  parameters: readonly Parameter[]
  verbs: readonly Verb[]
}

/** What a deployment says of itself. */
export interface Api {
  document: Document
  resources: readonly Resource[]
  /** Whether the deployment keeps accounts. */
  accounts: boolean
  /** Whether it has the user's `export` and `changes`. */
  exports: boolean
}

/** The methods that an OpenAPI path item can describe here. */
export const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const

/** Reads an OpenAPI document. Throws what it lacks. */
export function readApi(body: unknown): Api {
  const document = openApi.parse(body)
  const paths = Object.keys(document.paths)
  const resources: Resource[] = []
  const found = paths.filter((path) => paths.includes(`${path}/{id}`) && paths.includes(`${path}/bulk`))
  for (const path of found.toSorted((one, other) => one.split('/').length - other.split('/').length)) {
    resources.push(resourceAt(document, path, resources))
  }
  if (!resources.length) throw new Error('the document lists no collection')
  return {
    document,
    resources,
    accounts: paths.includes('/api/auth/register'),
    exports: paths.includes('/api/{user_id}/export'),
  }
}

const USER = '/api/{user_id}'

function resourceAt(document: Document, path: string, above: readonly Resource[]): Resource {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const { get, post } = document.paths[path] ?? {}
  const created = bodySchema(document, post)
  const row = resolved(document, jsonSchema(post?.responses['201']?.content))
  const properties = propertiesOf(document, created)
  const writable = Object.entries(properties).filter(([field, one]) => field !== 'id' && !one.readOnly)
  const [, parentPath = '', parameter = ''] = /^(.*)\/\{(\w+)\}\/\w+$/.exec(path.slice(USER.length)) ?? []
  const parent = parameter && above.find((one) => one.path === parentPath)
  return {
    name,
    singular: singularOf(document, path) ?? name.replace(/s$/, ''),
    path: path.slice(USER.length),
    ...(parent && { parent: { parameter, resource: parent } }),
    row: propertiesOf(document, row),
    writable: Object.fromEntries(writable),
    required: (created.required ?? []).filter((field) => field in properties),
    parameters: parametersOf(document, get),
    verbs: verbsAt(document, path),
  }
}

function verbsAt(document: Document, path: string): Verb[] {
  const row = `${path}/{id}`
  return Object.entries(document.paths).flatMap(([candidate, one]) => {
    const suffix = candidate.startsWith(`${row}/`) ? candidate.slice(row.length) : ''
    if (!/^\/\w+$/.test(suffix)) return []
    const plain = METHODS.filter((method) => one[method] && !one[method].requestBody && method !== 'get')
    return plain.map((method) => ({ method: method.toUpperCase(), suffix }))
  })
}

/** What a result of a bulk calls a row. */
function singularOf(document: Document, path: string): string | undefined {
  const answer = document.paths[`${path}/bulk`]?.post?.responses['200']
  const results = propertiesOf(document, resolved(document, jsonSchema(answer?.content))).results
  const fields = propertiesOf(document, resolved(document, results?.items ?? {}))
  return Object.keys(fields).find((name) => name !== 'id' && name !== 'status')
}

function parametersOf(document: Document, one: Operation | undefined): Parameter[] {
  return (one?.parameters ?? []).flatMap(({ $ref, ...inline }) => {
    const {
      name,
      in: place,
      schema: type = {},
    } = $ref ? (document.components.parameters?.[lastOf($ref)] ?? {}) : inline
    return place === 'query' && name ? [{ name, schema: resolved(document, type) }] : []
  })
}

function bodySchema(document: Document, one: Operation | undefined): Schema {
  return resolved(document, jsonSchema(one?.requestBody?.content))
}

function jsonSchema(of: z.output<typeof content>): Schema {
  return of?.['application/json']?.schema ?? {}
}

function propertiesOf(document: Document, { properties = {} }: Schema): Record<string, Schema> {
  return Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, resolved(document, one)]))
}

function resolved(document: Document, one: Schema): Schema {
  const { $ref } = one
  return $ref ? resolved(document, document.components.schemas[lastOf($ref)] ?? {}) : one
}

function lastOf(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1)
}
