import { DEFAULT_CHANGES, MAX_CHANGES } from '../src/user/changes.ts'
import { acrossParents, TRASH_DAYS, type Resource } from '../src/engine/resource.ts'
import type { Verb } from '../src/engine/routes.ts'
import { closed, pascal, ref, type Json } from './json.ts'
import { ancestorParameters, limitParameter, listParameters, query } from './parameters.ts'
import { answer, headers, minimal, problems } from './responses.ts'

/** The paths that every resource has. */
export function pathsOf(resource: Resource): Json {
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
          ...minimal(['Location', 'Idempotent-Replayed']),
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
          ...answer(200, `${pascal(name)}BulkResults`, 'The result of each operation.', [
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
        description:
          'Sets every writable field: one left out goes back to its default. Read-only fields may be sent back; they are ignored.',
        parameters: [ref('parameters', 'If-Match'), ref('parameters', 'Prefer')],
        requestBody: body(`${Row}Replace`),
        responses: {
          ...row,
          ...minimal(),
          ...problems(400, 401, 403, 404, 412, 413, 415, 422, 429, 500, 503, 504),
        },
      }),
      patch: operation(resource, `update${Row}`, `Change a ${singular}`, {
        description:
          'Sets the fields sent, at least one, and leaves the others as they are. Read-only fields may be sent back; they are ignored.',
        parameters: [ref('parameters', 'If-Match'), ref('parameters', 'Prefer')],
        requestBody: body(`${Row}Update`),
        responses: {
          ...row,
          ...minimal(),
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
    ...acrossPath(acrossParents(resource)),
  }
}

/** The list of a child collection across its parents. */
function acrossPath(across: Resource | undefined): Json {
  if (!across?.across) return {}
  const { name, singular } = across
  const above = across.across.resource.name
  return {
    [pathOf(across)]: {
      parameters: [ref('parameters', 'user_id')],
      get: operation(across, `listAll${pascal(name)}`, `List ${name} of all ${above}`, {
        description: `The ${name} of every one of the user's ${above} that is not in the trash, newest first unless sorted otherwise.`,
        parameters: listParameters(across),
        responses: {
          ...answer(200, `${pascal(singular)}List`, `A page of ${name}.`, ['Link']),
          ...problems(401, 403, 422, 429, 500, 503, 504),
        },
      }),
    },
  }
}

/** The path of a verb of a row, such as restoring it. */
export function verbItem({ resource, method, name, summary, description }: Omit<Verb, 'routes'>): Json {
  const Row = pascal(resource.singular)
  const replayed = method === 'post' ? ['Idempotent-Replayed'] : []
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
        ...answer(200, Row, `The ${resource.singular} as it is now.`, ['ETag', ...replayed]),
        ...minimal(replayed),
        ...problems(401, 403, 404, 412, 429, 500, 503, 504),
        ...(method === 'post' ? problems(400, 410, 422) : {}),
      },
    }),
  }
}

function operation(resource: Resource, operationId: string, summary: string, rest: Json): Json {
  return { operationId, summary, tags: [resource.name], ...rest }
}

/** The path of a collection in the document, and what follows it. */
export function pathOf(resource: Resource, rest = ''): string {
  return `/api/{user_id}${resource.path.replaceAll(/:(\w+)/g, '{$1}')}${rest}`
}

/** Delta sync. */
export function changesPath(): Json {
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
          limitParameter('changes', MAX_CHANGES, DEFAULT_CHANGES),
        ],
        responses: {
          ...answer(200, 'ChangeList', 'A page of changes.', []),
          ...problems(401, 403, 410, 422, 429, 500, 503, 504),
        },
      },
    },
  }
}

/** Liveness and readiness. */
export function servicePaths(): Json {
  return {
    '/health': service('health', 'Is the Worker running?', 'It asks nobody else.', 'Health'),
    '/ready': service(
      'ready',
      'Does the database answer, and is its schema current?',
      'For deployments and monitors: when it fails, `detail` says what is wrong.',
      'Readiness',
      503,
    ),
  }
}

/** What {@link servicePaths} answer. */
export function serviceSchemas(): Json {
  return {
    Health: closed({ status: { type: 'string', const: 'healthy' } }),
    Readiness: closed({ status: { type: 'string', const: 'ready' } }),
  }
}

function service(
  operationId: string,
  summary: string,
  description: string,
  schema: string,
  ...failures: number[]
): Json {
  return {
    get: {
      operationId,
      summary,
      description,
      tags: ['service'],
      security: [],
      responses: {
        ...answer(200, schema, 'Yes.', []),
        ...problems(405, ...failures),
      },
    },
  }
}

function body(schema: string): Json {
  return { required: true, content: { 'application/json': { schema: ref('schemas', schema) } } }
}
