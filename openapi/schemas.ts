import { getTableName } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import { MAX_OPERATIONS } from '../src/engine/bulk.ts'
import { ACTORS, type Resource } from '../src/engine/resource.ts'
import {
  closed,
  COUNT,
  ID,
  isJson,
  merged,
  oneOf,
  pascal,
  ref,
  REVISION,
  schemaOf,
  type Json,
} from './json.ts'

/** The schemas of a resource: a row as it is answered, a page of them, and the bodies that write one. */
export function schemasOf(resource: Resource): Json {
  const { name, singular, visible } = resource
  const Row = pascal(singular)
  const input = fieldsOf(resource)
  const row = Object.fromEntries(
    visible.map((column) => [
      column.name,
      resource.writable.has(column.name) ? input.properties[column.name] : readOnly(resource, column),
    ]),
  )
  return {
    [Row]: closed(row),
    [`${Row}List`]: closed(
      {
        [name]: { type: 'array', items: ref('schemas', Row) },
        count: { ...COUNT, description: 'How many rows this page has.' },
        next_cursor: {
          type: ['string', 'null'],
          description: 'The `cursor` of the next page; null on the last.',
        },
      },
      { total: { ...COUNT, description: 'How many rows match, on request (`total=true`).' } },
    ),
    ...bodySchemas(resource),
    ...bulkSchemas(resource),
  }
}

/** A field that old applications still send. */
const RETIRED = { description: 'No longer kept: accepted and ignored.', deprecated: true }

/** What creates, replaces and changes a row: its writable fields. */
function bodySchemas(resource: Resource): Json {
  const Row = pascal(resource.singular)
  const { properties, required } = fieldsOf(resource)
  const retired = Object.fromEntries(resource.retired.map((name) => [name, RETIRED]))
  const fields = Object.fromEntries([...resource.writable.keys()].map((name) => [name, properties[name]]))
  const filled = Object.fromEntries(
    [...resource.writable].map(([name, column]) => [
      name,
      withDefault(resource, properties[name] ?? {}, column),
    ]),
  )
  const body = { type: 'object', ...(required.length && { required }), additionalProperties: false }
  const id = { ...ID, description: 'Your own UUIDv7, or none to get one.' }
  return {
    [`${Row}Create`]: { ...body, properties: { id, ...filled, ...retired } },
    [`${Row}Replace`]: { ...body, properties: { ...filled, ...retired } },
    [`${Row}Update`]: { ...closed({}, { ...fields, ...retired }), minProperties: 1 },
  }
}

function bulkSchemas({ name, singular }: Resource): Json {
  const Row = pascal(singular)
  const revision = { ...REVISION, description: 'Go on only if the row is still at this revision.' }
  return {
    [`${pascal(name)}Bulk`]: closed({
      operations: {
        type: 'array',
        minItems: 1,
        maxItems: MAX_OPERATIONS,
        items: ref('schemas', `${Row}BulkOperation`),
      },
    }),
    [`${Row}BulkOperation`]: oneOf('op', {
      create: `${Row}BulkCreate`,
      update: `${Row}BulkUpdate`,
      delete: `${Row}BulkDelete`,
    }),
    [`${Row}BulkCreate`]: variant('create', { data: ref('schemas', `${Row}Create`) }, { id: ID }),
    [`${Row}BulkUpdate`]: variant('update', { id: ID, data: ref('schemas', `${Row}Update`) }, { revision }),
    [`${Row}BulkDelete`]: variant('delete', { id: ID }, { revision }),
    [`${pascal(name)}BulkResults`]: closed({
      results: { type: 'array', items: ref('schemas', `${Row}BulkResult`) },
    }),
    [`${Row}BulkResult`]: closed(
      { status: { type: 'integer', format: 'int32' }, id: ID },
      { [singular]: ref('schemas', Row) },
    ),
  }
}

/** What an operation of a bulk is. */
function variant(op: string, required: Json, optional: Json): Json {
  return closed({ op: { type: 'string', const: op }, ...required }, optional)
}

/** The schemas of a page of changes: one schema for the changes of each collection, told apart by `collection`. */
export function changesSchemas(resources: readonly Resource[]): Json {
  return {
    ChangeList: closed({
      changes: { type: 'array', items: ref('schemas', 'Change') },
      cursor: { type: 'string', description: 'Send it next time.' },
      has_more: { type: 'boolean', description: 'Whether to ask again at once.' },
    }),
    Change: oneOf('collection', Object.fromEntries(resources.map((each) => [each.name, changeName(each)]))),
    ...merged(resources.map((each) => ({ [changeName(each)]: changeOf(each) }))),
  }
}

function changeName({ singular }: Resource): string {
  return `${pascal(singular)}Change`
}

function changeOf({ name, singular }: Resource): Json {
  const collection = { type: 'string', const: name }
  const data = { ...ref('schemas', pascal(singular)), description: 'The row, unless it is deleted.' }
  return closed({ collection, id: ID, deleted: { type: 'boolean' }, revision: REVISION }, { data })
}

function fieldsOf(resource: Resource): { properties: Record<string, Json>; required: string[] } {
  const { properties, required } = schemaOf(resource.input.create())
  const fields = Object.entries(isJson(properties) ? properties : {})
  return {
    properties: Object.fromEntries(
      fields.map(([name, field]) => [name, { ...(isJson(field) && field), ...referred(resource, name) }]),
    ),
    required: Array.isArray(required) ? required.map(String) : [],
  }
}

/** What a field refers to, in words and as `x-references`, by which programs find it. */
function referred({ references }: Resource, name: string): Json {
  const found = references.find(({ column }) => column.name === name)
  if (!found) return {}
  const collection = getTableName(found.table)
  return { description: `The \`id\` of one of your own ${collection}.`, 'x-references': collection }
}

/**
 * What a field holds when it is left out, in words and as `x-default`. Not as `default`: clients that fill that in say what
 * they never meant to, which contradicts what is derived, and openapi-typescript takes such a field for required.
 */
function withDefault({ derive }: Resource, schema: Json, column: SQLiteColumn): Json {
  if (!column.hasDefault) return schema
  const initial = `Left out: \`${JSON.stringify(column.default)}\``
  const description =
    column.name in derive ? `${initial}, unless another field sent says otherwise.` : `${initial}.`
  return { ...schema, description, 'x-default': column.default }
}

const WHO: Record<string, string> = {
  created_by: 'The user who made the row.',
  updated_by: 'The user who wrote it last.',
}

/** The schema of a column that no body sets. */
function columnSchema({ table, references, parent, instants }: Resource, column: SQLiteColumn): Json {
  const holdsId = [table.id, parent?.column, ...references.map((reference) => reference.column)]
  if (holdsId.includes(column)) return ID
  if (column === table.revision) return REVISION
  if (instants.has(column.name)) return { type: 'string', format: 'date-time' }
  if (column.enumValues?.length) return { type: 'string', enum: column.enumValues }
  if (column.dataType !== 'number') return { type: column.dataType }
  return column.getSQLType() === 'real'
    ? { type: 'number', format: 'double' }
    : { type: 'integer', format: 'int64' }
}

function readOnly(resource: Resource, column: SQLiteColumn): Json {
  const schema = columnSchema(resource, column)
  if (ACTORS.has(column.name)) return { ...schema, description: WHO[column.name], readOnly: true }
  return { ...schema, ...(!column.notNull && { type: [schema.type, 'null'] }), readOnly: true }
}
