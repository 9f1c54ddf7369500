import { DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, SEARCH_LENGTH } from '../src/engine/query.ts'
import type { Resource } from '../src/engine/resource.ts'
import { text } from '../src/engine/fields.ts'
import { UUID_V7 } from '../src/ids.ts'
import { COUNT, ID, schemaOf, type Json } from './json.ts'

/** The parameters that many operations share. */
export const PARAMETERS = {
  user_id: {
    name: 'user_id',
    in: 'path',
    required: true,
    description: 'The `sub` of your token, `me`, or the id of a team.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._~:@|-]{1,128}$', examples: ['me'] },
  },
  id: { name: 'id', in: 'path', required: true, description: 'The id of a row, a UUIDv7.', schema: ID },
  team_id: {
    name: 'team_id',
    in: 'path',
    required: true,
    description: 'The id of a team.',
    schema: { type: 'string', pattern: UUID_V7.source.replace('^', '^team-') },
  },
  member_id: {
    name: 'member_id',
    in: 'path',
    required: true,
    description: 'The user id of a member, or `me`.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._~:@|-]{1,128}$' },
  },
  account_id: {
    name: 'id',
    in: 'path',
    required: true,
    description: 'The id of an account.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._~:@|-]{1,128}$' },
  },
  provider: {
    name: 'provider',
    in: 'path',
    required: true,
    description: 'The id of a provider.',
    schema: { type: 'string', pattern: '^[a-z][a-z0-9-]{0,31}$' },
  },
  'If-Match': {
    name: 'If-Match',
    in: 'header',
    description:
      'Go on only if the row is still at this `ETag` (RFC 9110 §13.1.1). Never send it empty: the runtime drops an empty header before the API sees it, so the request goes ahead unconditionally.',
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

/** The ids, in the path, of the rows that those of a child resource are under. */
export function ancestorParameters({ parent }: Resource): Json[] {
  if (!parent) return []
  const { column, resource } = parent
  const description = `The ${resource.singular} that the rows are under.`
  return [
    ...ancestorParameters(resource),
    { name: column.name, in: 'path', required: true, description, schema: ID },
  ]
}

/** What the query string of a list may hold. */
export function listParameters(resource: Resource): Json[] {
  const sorts = resource.sort.flatMap((name) => [name, `-${name}`])
  return [
    limitParameter('rows', MAX_LIMIT, DEFAULT_LIMIT),
    query(
      'cursor',
      'Where the last page ended: its `next_cursor`. Goes with the same sort and filters, and without `offset`.',
      { type: 'string' },
    ),
    query('offset', 'How many rows to skip, for clients that page by number. Not together with `cursor`.', {
      ...COUNT,
      maximum: MAX_OFFSET,
    }),
    ...(sorts.length
      ? [
          query('sort', 'The field to sort by, `-` for descending. Nulls come last.', {
            type: 'string',
            enum: sorts,
          }),
        ]
      : []),
    ...(resource.search.length
      ? [
          query(
            'q',
            `Text to find in ${resource.search.map(({ name }) => name).join(' or ')}, whatever the case.`,
            { ...schemaOf(text(SEARCH_LENGTH)), minLength: 1 },
          ),
        ]
      : []),
    ...resource.filter.map(({ parameter, description, schema }) =>
      query(parameter, description, schemaOf(schema())),
    ),
    query('trashed', 'List the trash instead.', { type: 'boolean', default: false }),
    query('total', 'Count all rows that match, too.', { type: 'boolean', default: false }),
  ]
}

/** How much a page may hold. */
export function limitParameter(what: string, maximum: number, byDefault: number): Json {
  const schema = { type: 'integer', format: 'int32', minimum: 1, maximum, default: byDefault }
  return query('limit', `How many ${what} at most.`, schema)
}

/** A parameter of the query string. */
export function query(name: string, description: string, schema: Json): Json {
  return { name, in: 'query', description, schema }
}
