import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Generates the client's types from public/openapi.json, and builds what is published of it. With a folder as argument
// it only generates, into that folder.
const root = join(import.meta.dirname, '..')
const client = join(root, 'client')
const [target] = process.argv.slice(2)

const HEADER = '// Generated from the OpenAPI document by npm run client.\n'
const USER = '/api/{user_id}'

interface Schema {
  'x-default'?: unknown
  type?: string | string[]
  anyOf?: Schema[]
  required?: string[]
  properties?: Record<string, Schema>
}
interface Document {
  paths: Record<string, { parameters?: { $ref?: string }[] }>
  components: { schemas: Record<string, Schema> }
}

const parse: (json: string) => Document = JSON.parse
const document = parse(readFileSync(join(root, 'public', 'openapi.json'), 'utf8'))
// The client knows whose rows it works with, so its paths begin after the user.
document.paths = Object.fromEntries(
  Object.entries(document.paths)
    .filter(([path]) => path.startsWith(`${USER}/`))
    .map(([path, { parameters = [], ...item }]) => [
      path.slice(USER.length),
      { ...item, parameters: parameters.filter(({ $ref }) => $ref !== '#/components/parameters/user_id') },
    ]),
)

const folder = target ?? join(client, 'src')
writeFileSync(join(folder, 'schema.ts'), `${HEADER}\n${typesOf(document)}`)
writeFileSync(join(folder, 'collections.ts'), collectionsOf(document))
execFileSync('oxfmt', [join(folder, 'schema.ts'), join(folder, 'collections.ts')], { cwd: root })
if (!target) {
  rmSync(join(client, 'dist'), { recursive: true, force: true })
  execFileSync(join(client, 'node_modules', '.bin', 'tsc'), ['-p', join(client, 'tsconfig.build.json')])
}

function typesOf(api: Document): string {
  const scratch = mkdtempSync(join(tmpdir(), 'freehold-client-'))
  try {
    const [input, output] = [join(scratch, 'openapi.json'), join(scratch, 'schema.ts')]
    writeFileSync(input, JSON.stringify(api))
    execFileSync(join(client, 'node_modules', '.bin', 'openapi-typescript'), [input, '--output', output])
    return readFileSync(output, 'utf8')
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** Where each collection is and what a new row of it holds besides what it was given, for rows made while offline. */
function collectionsOf({ paths, components }: Document): string {
  const found = Object.keys(paths).flatMap((path) => {
    const [, above, column, name] = /^(?:.*\/(\w+)\/\{(\w+)\})?\/(\w+)\/\{id\}$/.exec(path) ?? []
    return name ? [{ name, above, column, singular: singularOf(paths[path]) }] : []
  })
  const types = found.map(
    ({ name, singular, column }) => `  ${name}: {
    row: components['schemas']['${singular}']
    create: components['schemas']['${singular}Create']${column ? ` & { ${column}: string }` : ''}
    update: components['schemas']['${singular}Update']
  }`,
  )
  const values = found.map(({ name, above, column, singular }) => {
    const defaults = defaultsOf(components.schemas[singular], components.schemas[`${singular}Create`])
    const parent = above ? `parent: ['${above}', '${column}'], ` : ''
    return `  ${name}: { ${parent}defaults: ${JSON.stringify(defaults)} },`
  })
  return `${HEADER}import type { components } from './schema.ts'

/** The types of each collection: a row, what creates one, what changes one. */
export interface Collections {
${types.join('\n')}
}

/** The parent of each collection's rows, with the field that holds its id, and the fields of a new row that are not sent. */
export const collections: Record<
  keyof Collections,
  { parent?: readonly [collection: keyof Collections, field: string]; defaults: object }
> = {
${values.join('\n')}
}
`
}

/** The name of the schema of a row: what getting one answers with. */
function singularOf(item: unknown): string {
  const name = /"200":.*?"#\/components\/schemas\/(\w+)"/.exec(JSON.stringify(item))?.[1]
  if (!name) throw new Error('a row without a schema')
  return name
}

function defaultsOf(row: Schema = {}, create: Schema = {}): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(row.properties ?? {})) {
    const given = create.properties?.[name]?.['x-default']
    if (given !== undefined) values[name] = given
    else if (isNullable(schema)) values[name] = null
    else if (schema.type === 'boolean') values[name] = false
  }
  return values
}

function isNullable({ type, anyOf = [] }: Schema): boolean {
  return [type].flat().includes('null') || anyOf.some(isNullable)
}
