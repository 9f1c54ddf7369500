import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { getTableColumns } from 'drizzle-orm'
import * as freehold from 'freehold'
import { ownedTable, type Resource } from '../src/engine/resource.ts'
import { engine, root } from './project.ts'
import { parseField, type Field } from './resource-fields.ts'
import { recordedTables } from './schema.ts'

/** What the API says itself: words of its paths, and the keys beside a collection's in a list and in an export. */
const RESERVED = new Set(
  (
    'me v1 auth admin teams invitations changes events export bulk restore complete ' +
    'count total next_cursor user_id exported_at account sessions index assertion d1_migrations'
  ).split(' '),
)
/** What the files of declarations call something else: a resource of such a name gets another variable. */
const TAKEN = new Set([...Object.keys(freehold), 'column', 'integer', 'real', 'sql', 'z'])
/** Query parameters that every list has. */
const PARAMETERS = new Set(['limit', 'cursor', 'offset', 'sort', 'q', 'trashed', 'total'])
const WORDS = new Set(
  (
    'await break case catch class const continue debugger default delete do else enum export extends false finally for ' +
    'function if implements import in instanceof interface let new null package private protected public return static ' +
    'super switch this throw true try typeof var void while with yield'
  ).split(' '),
)

/** The resource of this name. Throws a sentence when there is none. */
export function resourceNamed(name: string, resources: readonly Resource[]): Resource {
  const found = resources.find((resource) => resource.name === name)
  if (!found)
    throw new Error(
      `There is no resource named ${name}: there are ${resources.map((each) => each.name).join(', ')}.`,
    )
  return found
}

/** How a resource is to be declared. */
export interface ResourceWish {
  name: string
  /** Its fields, as they are typed: `title:string`. */
  specs: readonly string[]
  under?: string | undefined
  singular?: string | undefined
}

/** The source of a new resource beside those there are, not yet formatted. Throws a sentence when it is refused. */
export function declaration(
  { name, specs, under, singular }: ResourceWish,
  resources: readonly Resource[],
): string {
  if (!/^[a-z][a-z0-9_]{1,39}$/.test(name))
    throw new Error(`${name || 'Nothing'} cannot be a resource's name: 2–40 of a–z, 0–9 and _.`)
  if (RESERVED.has(name) || WORDS.has(name) || /^sqlite_|_(revision|trash)$/.test(name))
    throw new Error(`${name} is a reserved name.`)
  if (name in recordedTables(join(engine, 'src', 'schema')))
    throw new Error(`There is a table named ${name} already.`)
  if (
    resources.some((resource) => resource.name === name) ||
    existsSync(join(root, 'src', 'resources', `${name}.ts`))
  ) {
    throw new Error(`There is a resource named ${name} already.`)
  }
  if (singular !== undefined && !/^(?!(id|status)$)[a-z][a-z0-9_]{0,39}$/.test(singular)) {
    throw new Error(`${singular} cannot name one row.`)
  }
  const above = under === undefined ? undefined : resourceNamed(under, resources)
  const others = new Map(resources.map((each) => [each.name, variable(each.name)]))
  const fields = specs.map((spec) => parseField(spec, { own: variable(name), others }))
  if (!fields.length) throw new Error('A resource needs at least one field.')
  refuseClashes(fields, above && `${above.singular}_id`)
  return sourceOf(name, fields, above, singular)
}

function refuseClashes(fields: readonly Field[], parentColumn: string | undefined): void {
  const columns = new Set([
    ...Object.keys(getTableColumns(ownedTable('probe', {}))),
    'constructor',
    parentColumn,
  ])
  const parameters = new Set(PARAMETERS)
  for (const { name, filter = '' } of fields) {
    if (columns.has(name)) throw new Error(`${name}: every row has that already, or it is named twice.`)
    columns.add(name)
    for (const [, parameter = ''] of filter.matchAll(/(?:^|as: )'(\w+)'/g)) {
      if (parameters.has(parameter)) throw new Error(`${name}: lists have a parameter ${parameter} already.`)
      parameters.add(parameter)
    }
  }
}

function sourceOf(
  name: string,
  fields: readonly Field[],
  above: Resource | undefined,
  singular: string | undefined,
): string {
  const text = fields.map(({ column, input }) => `${column} ${input}`).join(' ')
  const uses = (word: string) => new RegExp(`(?<![.\\w])${word}\\(`).test(text)
  const builders = ['integer', 'real'].filter(uses)
  if (uses('column')) builders.push('text as column')
  const helpers = Object.keys(freehold).filter(uses)
  const relations = above ? ['parent'] : []
  const targets = [...new Set([above?.name, ...fields.map(({ refersTo }) => refersTo)])].filter(
    (each) => each !== undefined,
  )
  const filters = fields.flatMap(({ filter }) => filter ?? [])
  const sorts = [
    'created_at',
    'updated_at',
    ...fields.filter(({ sortable }) => sortable).map((field) => field.name),
  ]
  const searched = fields.filter(({ searchable }) => searchable).map((field) => field.name)
  return [
    builders.length && `import { ${builders.join(', ')} } from 'drizzle-orm/sqlite-core'`,
    `import { ${['defineResource', 'ownedTable', ...relations, ...helpers].toSorted().join(', ')} } from 'freehold'`,
    uses('z.\\w+') && `import * as z from 'zod/mini'`,
    ...targets.map((target) => `import { ${variable(target)} } from './${target}.ts'`),
    '',
    `export const ${variable(name)} = ownedTable('${name}', {`,
    above && `${above.singular}_id: parent(${variable(above.name)}),`,
    ...fields.map((field) => `${field.name}: ${field.column},`),
    '})',
    '',
    'export default defineResource({',
    `table: ${variable(name)},`,
    singular && `singular: '${singular}',`,
    `input: { ${fields.map((field) => `${field.name}: ${field.input}`).join(', ')} },`,
    filters.length && `filter: [${filters.join(', ')}],`,
    `sort: [${quoted(sorts)}],`,
    searched.length && `search: [${quoted(searched)}],`,
    '})',
    '',
  ]
    .filter((line) => typeof line === 'string')
    .join('\n')
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ')
}

/** A table's name as a TypeScript variable: work_items → workItems, labels → labelsTable. */
function variable(name: string): string {
  const camel = name.replaceAll(/_+(\w)/g, (_, letter: string) => letter.toUpperCase())
  return TAKEN.has(camel) ? `${camel}Table` : camel
}
