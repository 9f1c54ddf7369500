import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import * as z from 'zod'
import { MAX_OPERATIONS } from '../src/bulk.ts'
import { DEFAULT_CHANGES, MAX_CHANGES } from '../src/changes.ts'
import { problemTypes } from '../src/problems.ts'
import { DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, parameterOf, SEARCH_LENGTH } from '../src/query.ts'
import { TRASH_DAYS, type FilterDeclaration, type Resource } from '../src/resource.ts'
import type { Verb } from '../src/routes.ts'

type Json = Record<string, unknown>

/** The OpenAPI 3.1 document of an API, derived from its declarations, the problem table and nothing else. */
export function openApiFor(resources: readonly Resource[], verbs: readonly Verb[]): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Freehold',
      version: '1.0.0',
      summary: 'A REST API in which every row belongs to a user.',
      description: INTRODUCTION,
      contact: { name: 'The Freehold authors' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'This deployment' }],
    security: [{ bearer: [] }],
    tags: [
      ...resources.map(({ name, singular }) => ({
        name,
        description: `The user's own ${name}: each ${singular} is a row.`,
      })),
      { name: 'changes', description: 'Delta sync over every collection.' },
      { name: 'service', description: 'The service itself; no credentials needed.' },
    ],
    paths: {
      ...merged(resources.map(pathsOf)),
      ...Object.fromEntries(verbs.map((verb) => [pathOf(verb.resource, verb.path), verbItem(verb)])),
      ...changesPath(),
      ...servicePaths(),
    },
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'An access token (RFC 6750).',
        },
      },
      parameters: PARAMETERS,
      headers: HEADERS,
      responses: problemResponses(),
      schemas: { Problem: PROBLEM, Changes: changesSchema(resources), ...merged(resources.map(schemasOf)) },
    },
  }
}

const INTRODUCTION = `Every path under \`/api/{user_id}\` belongs to one user: \`{user_id}\` is the \`sub\` of the caller's token, or \`me\`.
The same paths answer under \`/api/v1\`, the pinned version.

Rows carry a \`revision\`, which is also their \`ETag\`: send it back as \`If-Match\` to change only what you have seen.
Errors are problem documents (RFC 9457); their types are explained at [/docs/problems](/docs/problems).`

// ── Paths ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function pathsOf(resource: Resource): Json {
  const { name, singular, parent } = resource
  const Row = pascal(singular)
  const row = answer(200, Row, `The ${singular}.`)
  const above = ancestorParameters(resource)
  const inside = parent ? ([404] as const) : []
  return {
    [pathOf(resource)]: {
      parameters: [ref('parameters', 'user_id'), ...above],
      get: operation(resource, `list${pascal(name)}`, `List ${name}`, {
        description:
          'Newest first, by the time in the ids, unless sorted otherwise. Follow `next_cursor`, or `Link`, to the next page.',
        parameters: listParameters(resource),
        responses: {
          ...answer(200, `${Row}List`, `A page of ${name}.`, ['Link']),
          ...problems(401, 403, ...inside, 422, 429, 500, 503, 504),
        },
      }),
      post: operation(resource, `create${Row}`, `Create a ${singular}`, {
        description:
          'With an `id` or an `Idempotency-Key` of your own it is safe to send again when you do not know whether it arrived.',
        parameters: [ref('parameters', 'Idempotency-Key'), ref('parameters', 'Prefer')],
        requestBody: body(`${Row}Create`),
        responses: {
          ...answer(201, Row, `The new ${singular}.`, ['Location', 'ETag', 'Idempotent-Replayed']),
          ...problems(400, 401, 403, ...inside, 409, 410, 413, 415, 422, 429, 500, 503, 504),
        },
      }),
    },
    [pathOf(resource, '/bulk')]: {
      parameters: [ref('parameters', 'user_id'), ...above],
      post: operation(resource, `bulk${pascal(name)}`, `Change many ${name} at once`, {
        description:
          'Does all of the operations, in order, or none: one that fails undoes all, and the problem has its `index`.',
        parameters: [ref('parameters', 'Idempotency-Key')],
        requestBody: body(`${pascal(name)}Bulk`),
        responses: {
          ...answer(200, `${pascal(name)}BulkResults`, 'What came of each operation.', [
            'Idempotent-Replayed',
          ]),
          ...problems(400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 500, 503, 504),
        },
      }),
    },
    [pathOf(resource, '/{id}')]: {
      parameters: [ref('parameters', 'user_id'), ...above, ref('parameters', 'id')],
      get: operation(resource, `get${Row}`, `Get a ${singular}`, {
        description: 'Send its `ETag` back as `If-None-Match` to hear only whether it has changed.',
        parameters: [ref('parameters', 'If-None-Match')],
        responses: {
          ...row,
          304: {
            description: `The ${singular} is still as \`If-None-Match\` says.`,
            headers: headers(['ETag']),
          },
          ...problems(401, 403, 404, 429, 500, 503, 504),
        },
      }),
      put: operation(resource, `replace${Row}`, `Replace a ${singular}`, {
        description: 'Sets every writable field: one left out goes back to its default.',
        parameters: [ref('parameters', 'If-Match'), ref('parameters', 'Prefer')],
        requestBody: body(`${Row}Replace`),
        responses: {
          ...row,
          204: minimal,
          ...problems(400, 401, 403, 404, 412, 413, 415, 422, 429, 500, 503, 504),
        },
      }),
      patch: operation(resource, `update${Row}`, `Change a ${singular}`, {
        description: 'Sets the fields sent, at least one, and leaves the others as they are.',
        parameters: [ref('parameters', 'If-Match'), ref('parameters', 'Prefer')],
        requestBody: body(`${Row}Update`),
        responses: {
          ...row,
          204: minimal,
          ...problems(400, 401, 403, 404, 412, 413, 415, 422, 429, 500, 503, 504),
        },
      }),
      delete: operation(resource, `delete${Row}`, `Delete a ${singular}`, {
        description: `Puts it into the trash, from where it can be restored for ${TRASH_DAYS} days.`,
        parameters: [ref('parameters', 'If-Match')],
        responses: {
          204: { description: 'It is in the trash.', headers: headers([]) },
          ...problems(401, 403, 404, 412, 429, 500, 503, 504),
        },
      }),
    },
    [pathOf(resource, '/{id}/restore')]: verbItem({
      resource,
      path: '/{id}/restore',
      method: 'post',
      name: 'restore',
      summary: `Restore a ${singular}`,
      description: 'Takes it out of the trash. One that is not in there stays as it is.',
    }),
  }
}

function verbItem({ resource, method, name, summary, description }: Omit<Verb, 'routes'>): Json {
  const Row = pascal(resource.singular)
  return {
    parameters: [ref('parameters', 'user_id'), ...ancestorParameters(resource), ref('parameters', 'id')],
    [method]: operation(resource, `${name}${Row}`, summary, {
      description,
      parameters: [
        ref('parameters', 'If-Match'),
        ref('parameters', 'Prefer'),
        ...(method === 'post' ? [ref('parameters', 'Idempotency-Key')] : []),
      ],
      responses: {
        ...answer(200, Row, `The ${resource.singular} as it is now.`),
        204: minimal,
        ...problems(401, 403, 404, 412, 429, 500, 503, 504),
        ...(method === 'post' ? problems(400, 410, 422) : {}),
      },
    }),
  }
}

function operation(resource: Resource, operationId: string, summary: string, rest: Json): Json {
  return { operationId, summary, tags: [resource.name], ...rest }
}

function pathOf(resource: Resource, rest = ''): string {
  return `/api/{user_id}${resource.path.replaceAll(/:(\w+)/g, '{$1}')}${rest}`
}

function ancestorParameters({ parent }: Resource): Json[] {
  if (!parent) return []
  const { column, resource } = parent
  const description = `The ${resource.singular} that the rows are under.`
  return [
    ...ancestorParameters(resource),
    { name: column.name, in: 'path', required: true, description, schema: ID },
  ]
}

/** The answer to a write that prefers not to get the row back. */
const minimal = {
  description: 'Done, as asked with `Prefer: return=minimal`.',
  headers: {
    ETag: { $ref: '#/components/headers/ETag' },
    'Preference-Applied': { $ref: '#/components/headers/Preference-Applied' },
  },
}

function changesPath(): Json {
  return {
    '/api/{user_id}/changes': {
      parameters: [ref('parameters', 'user_id')],
      get: {
        operationId: 'listChanges',
        summary: 'List what changed',
        description:
          'Everything of the user that changed since the cursor, over all collections; without one, everything there is. ' +
          'Each row appears once, as it is now. Ask again while `has_more`, then keep the cursor for the next time.',
        tags: ['changes'],
        parameters: [
          query('cursor', 'Where the last answer ended: its `cursor`.', { type: 'string' }),
          query('limit', 'How many changes at most.', {
            type: 'integer',
            minimum: 1,
            maximum: MAX_CHANGES,
            default: DEFAULT_CHANGES,
          }),
        ],
        responses: {
          ...answer(200, 'Changes', 'A page of changes.', []),
          ...problems(401, 403, 410, 422, 429, 500, 503, 504),
        },
      },
    },
  }
}

function servicePaths(): Json {
  return {
    '/health': service('health', 'Is the Worker running?', 'It asks nobody else.', 'healthy'),
    '/ready': service(
      'ready',
      'Does the database answer, and is its schema current?',
      'For deployments and monitors: when it fails, `detail` says what is wrong.',
      'ready',
      503,
    ),
  }
}

function service(
  operationId: string,
  summary: string,
  description: string,
  status: string,
  ...failures: number[]
): Json {
  const schema = { type: 'object', required: ['status'], properties: { status: { const: status } } }
  return {
    get: {
      operationId,
      summary,
      description,
      tags: ['service'],
      security: [],
      responses: {
        200: { description: 'Yes.', headers: headers([]), content: { 'application/json': { schema } } },
        ...problems(405, ...failures),
      },
    },
  }
}

// ── Parameters and headers ───────────────────────────────────────────────────────────────────────────────────────────

const ID = { type: 'string', format: 'uuid' }

const PARAMETERS = {
  user_id: {
    name: 'user_id',
    in: 'path',
    required: true,
    description: 'The `sub` of your token, or `me`.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._~:@|-]{1,128}$', default: 'me' },
  },
  id: { name: 'id', in: 'path', required: true, description: 'The id of a row, a UUIDv7.', schema: ID },
  'If-Match': {
    name: 'If-Match',
    in: 'header',
    description: 'Go on only if the row is still at this `ETag` (RFC 9110 §13.1.1).',
    schema: { type: 'string' },
  },
  'Idempotency-Key': {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'Your name for this request, kept for 24 hours: sent again with the same body, it does nothing more and answers the same.',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
  },
  Prefer: {
    name: 'Prefer',
    in: 'header',
    description: '`return=minimal` to get no row back (RFC 7240).',
    schema: { type: 'string' },
  },
  'If-None-Match': {
    name: 'If-None-Match',
    in: 'header',
    description: 'Answer with 304 if the row is still at this `ETag` (RFC 9110 §13.1.2).',
    schema: { type: 'string' },
  },
}

const HEADERS: Record<string, Json> = {
  ETag: header("The row's revision, as a strong entity tag."),
  Link: header('The next page, `rel="next"` (RFC 8288); absent on the last one.'),
  'Preference-Applied': header('`return=minimal`, when the row was left out as preferred (RFC 7240 §3).'),
  Location: header('The path of the new row.'),
  'Idempotent-Replayed': header('`true` when this `Idempotency-Key` was known: nothing was done again.'),
  'X-Request-Id': header("The id of this request: the caller's own when it sent a well-formed one."),
  'Server-Timing': header('Milliseconds spent on verifying the caller (`auth`) and waiting for D1 (`db`).'),
  'x-d1-rows-read': header('Rows that D1 read for this request.', 'integer'),
  'x-d1-rows-written': header('Rows that D1 wrote for this request.', 'integer'),
  'x-d1-bookmark': header('Send it back to read data at least this new; absent when D1 was not asked.'),
  Allow: header('The methods that the path answers (RFC 9110 §10.2.1).'),
  RateLimit: header(
    'What is left of the quota, and the seconds until there is more (draft-ietf-httpapi-ratelimit-headers).',
  ),
  'RateLimit-Policy': header('The quota, and its window in seconds (draft-ietf-httpapi-ratelimit-headers).'),
  'Retry-After': header('Seconds to wait before trying again.', 'integer'),
  'WWW-Authenticate': header('What credentials are wanted (RFC 6750 §3).'),
}

const EVERYWHERE = ['X-Request-Id', 'Server-Timing', 'x-d1-rows-read', 'x-d1-rows-written', 'x-d1-bookmark']

function header(description: string, type = 'string'): Json {
  return { description, schema: { type } }
}

function headers(names: readonly string[]): Json {
  return Object.fromEntries([...names, ...EVERYWHERE].map((name) => [name, ref('headers', name)]))
}

function listParameters(resource: Resource): Json[] {
  const sorts = resource.sort.flatMap((name) => [name, `-${name}`])
  return [
    query('limit', 'How many rows at most.', {
      type: 'integer',
      minimum: 1,
      maximum: MAX_LIMIT,
      default: DEFAULT_LIMIT,
    }),
    query('cursor', 'Where the last page ended: its `next_cursor`. Goes with the same sort and filters.', {
      type: 'string',
    }),
    query('offset', 'How many rows to skip, for clients that page by number.', {
      type: 'integer',
      minimum: 0,
      maximum: MAX_OFFSET,
    }),
    ...(sorts.length
      ? [query('sort', 'The field to sort by, `-` for descending. Nulls come last.', { enum: sorts })]
      : []),
    ...(resource.search.length
      ? [
          query(
            'q',
            `Text to find in ${resource.search.map(({ name }) => name).join(' or ')}, whatever the case.`,
            {
              type: 'string',
              minLength: 1,
              maxLength: SEARCH_LENGTH,
            },
          ),
        ]
      : []),
    ...resource.filter.map((filter) => query(parameterOf(filter), ...filterSchema(resource, filter))),
    query('trashed', 'List the trash instead.', { type: 'boolean', default: false }),
    query('total', 'Count all rows that match, too.', { type: 'boolean', default: false }),
  ]
}

function query(name: string, description: string, schema: Json): Json {
  return { name, in: 'query', description, schema }
}

function filterSchema(resource: Resource, filter: FilterDeclaration): [description: string, schema: Json] {
  if (typeof filter === 'object') {
    if ('has' in filter) return [`Only rows whose \`${filter.has}\` hold this.`, { type: 'string' }]
    const [end, column] = 'from' in filter ? ['after', filter.from] : ['before', filter.upTo]
    return [
      `Only rows whose \`${column}\` is this or ${end}: a date, or a date-time with an offset.`,
      { type: 'string' },
    ]
  }
  const column = resource.visible.find(({ name }) => name === filter)
  const reference = resource.references.some((candidate) => candidate.column === column)
  const schema = reference ? ID : column ? columnSchema(column) : {}
  return [`Only rows with this \`${filter}\`.`, schema]
}

// ── Schemas ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The schemas of a resource: a row as it is answered, a page of them, and the bodies that write one. */
function schemasOf(resource: Resource): Json {
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
  const variant = (op: string, properties: Json, required: readonly string[]) => ({
    type: 'object',
    required: ['op', ...required],
    properties: { op: { const: op }, ...properties },
    additionalProperties: false,
  })
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

function changesSchema(resources: readonly Resource[]): Json {
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
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  const fields = Object.entries(properties).map(([name, field]): [string, Json] => {
    const json: Json = typeof field === 'object' ? { ...field } : {}
    return [name, json]
  })
  return { properties: Object.fromEntries(fields), required }
}

function withDefault(schema: Json, column: SQLiteColumn, kind: 'create' | 'replace' | 'update'): Json {
  return kind === 'update' || !column.hasDefault ? schema : { ...schema, default: column.default }
}

function columnSchema({ name, dataType, enumValues }: SQLiteColumn): Json {
  if (name === 'id' || name.endsWith('_id')) return name === 'user_id' ? { type: 'string' } : ID
  if (name.endsWith('_at')) return { type: 'string', format: 'date-time' }
  if (enumValues?.length) return { type: 'string', enum: enumValues }
  return { type: dataType === 'number' ? 'integer' : dataType }
}

function nullable(column: SQLiteColumn): Json {
  return column.notNull ? {} : { type: ['string', 'null'] }
}

const PROBLEM = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'request_id'],
  properties: {
    type: {
      type: 'string',
      format: 'uri-reference',
      enum: Object.keys(problemTypes).map((type) => `/docs/problems#${type}`),
    },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string', format: 'uri-reference' },
    request_id: { type: 'string' },
    index: { type: 'integer', description: 'Which operation of a bulk failed.' },
    errors: {
      type: 'array',
      description: 'What is invalid, a field or parameter each.',
      items: {
        type: 'object',
        required: ['path', 'code', 'message'],
        properties: { path: { type: 'string' }, code: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
}

// ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function answer(
  status: number,
  schema: string,
  description: string,
  extra: readonly string[] = ['ETag'],
): Json {
  return {
    [status]: {
      description,
      headers: headers(extra),
      content: { 'application/json': { schema: ref('schemas', schema) } },
    },
  }
}

function body(schema: string): Json {
  return { required: true, content: { 'application/json': { schema: ref('schemas', schema) } } }
}

function problems(...statuses: number[]): Json {
  return Object.fromEntries(statuses.map((status) => [status, ref('responses', `Problem${status}`)]))
}

/** What an error's headers say beyond every answer's, by status. */
const PROBLEM_HEADERS: Record<number, readonly string[]> = {
  401: ['WWW-Authenticate'],
  405: ['Allow'],
  412: ['ETag'],
  429: ['Retry-After', 'RateLimit', 'RateLimit-Policy'],
  503: ['Retry-After'],
  504: ['Retry-After'],
}

/** A response for each status of the problem table, naming the problems that have it. */
function problemResponses(): Json {
  const byStatus = Map.groupBy(Object.entries(problemTypes), ([, [status]]) => status)
  return Object.fromEntries(
    [...byStatus].map(([status, rows]) => [
      `Problem${status}`,
      {
        description: rows.map(([type, [, title]]) => `${title} (\`${type}\`)`).join(' · '),
        headers: headers(PROBLEM_HEADERS[status] ?? []),
        content: { 'application/problem+json': { schema: ref('schemas', 'Problem') } },
      },
    ]),
  )
}

function merged(parts: readonly Json[]): Json {
  return Object.fromEntries(parts.flatMap((part) => Object.entries(part)))
}

function ref(kind: string, name: string): Json {
  return { $ref: `#/components/${kind}/${name}` }
}

function pascal(name: string): string {
  return name.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())
}
