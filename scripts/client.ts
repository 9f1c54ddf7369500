import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { declarationsOf } from './declarations.ts'
import { engine, isEngine, root } from './project.ts'

// Generates the client's types from public/openapi.json and its facts from the declarations, and builds what is published
// of it. With a folder as argument it only generates, into that folder.
const own = join(engine, 'client')
const client = isEngine ? own : join(root, '.freehold', 'client')
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

const { resources } = await declarationsOf(root)
const parse: (json: string) => Document = JSON.parse
const parseManifest: (json: string) => { version: string; scripts?: unknown } = JSON.parse
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

if (!isEngine) {
  rmSync(client, { recursive: true, force: true })
  cpSync(own, client, { recursive: true, filter: (path) => !/client.(dist|node_modules)/.test(path) })
}
const folder = target ?? join(client, 'src')
writeFileSync(join(folder, 'schema.ts'), `${HEADER}\n${typesOf(document)}`)
writeFileSync(join(folder, 'collections.ts'), collectionsOf(document))
if (isEngine)
  execFileSync('oxfmt', [join(folder, 'schema.ts'), join(folder, 'collections.ts')], { cwd: root })
if (!target) {
  rmSync(join(client, 'dist'), { recursive: true, force: true })
  execFileSync('node', [tool('typescript', 'bin/tsc'), '-p', join(client, 'tsconfig.build.json')])
  if (!isEngine) pack()
}

/** A tool that the client is made with: other versions than the engine's own may lie further up. */
function tool(name: string, file: string): string {
  const homes = [own, engine, join(engine, '..', '..')]
  const found = homes.map((home) => join(home, 'node_modules', name, file)).find((path) => existsSync(path))
  if (found === undefined) throw new Error(`${name} is not installed`)
  return found
}

/** Packs the client with a version that depends on the API, so that no cache serves an earlier one. */
function pack(): void {
  const file = join(client, 'package.json')
  const manifest = parseManifest(readFileSync(file, 'utf8'))
  delete manifest.scripts
  manifest.version += `-api.${digestOf(readFileSync(join(folder, 'schema.ts')))}`
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`)
  const into = join(root, '.freehold')
  for (const old of readdirSync(into).filter((each) => each.endsWith('.tgz'))) rmSync(join(into, old))
  const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', into], { cwd: client })
  console.log(`The client of this API: npm install ${join('.freehold', packed.toString().trim())}`)
}

function digestOf(content: Buffer): string {
  return `x${createHash('sha256').update(content).digest('hex').slice(0, 10)}`
}

function typesOf(api: Document): string {
  const scratch = mkdtempSync(join(tmpdir(), 'freehold-client-'))
  try {
    const [input, output] = [join(scratch, 'openapi.json'), join(scratch, 'schema.ts')]
    writeFileSync(input, JSON.stringify(api))
    execFileSync('node', [tool('openapi-typescript', 'bin/cli.js'), input, '--output', output])
    return readFileSync(output, 'utf8')
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** Where each collection is and what a new row of it holds besides what it was given, for rows made while offline. */
function collectionsOf({ paths, components }: Document): string {
  const found = Object.keys(paths).flatMap((path) => {
    const [, above, column, name] = /^(?:.*\/(\w+)\/\{(\w+)\})?\/(\w+)\/\{id\}$/.exec(path) ?? []
    const list = path.replace('/{id}', '')
    return name ? [{ name, above, column, path: list, singular: singularOf(paths[path]) }] : []
  })
  const types = found.map(
    ({ name, singular, column, path }) => `  ${name}: {
    row: components['schemas']['${singular}']
    create: components['schemas']['${singular}Create']${column ? ` & { ${column}: string }` : ''}
    update: components['schemas']['${singular}Update']
    query: Query<'${path}'>${column ? ` & { ${column}?: string }` : ''}
  }`,
  )
  const values = found.map(({ name, above, column, singular }) => {
    const defaults = defaultsOf(components.schemas[singular], components.schemas[`${singular}Create`])
    const parent = above ? `parent: ['${above}', '${column}'], ` : ''
    const lists = JSON.stringify(listsOf(name)).slice(1, -1)
    return `  ${name}: { ${parent}defaults: ${JSON.stringify(defaults)}, ${lists} },`
  })
  return `${HEADER}import type { components, paths } from './schema.ts'

/** The parameters of a list that say which rows, and in what order. */
type Query<Path extends keyof paths> = paths[Path] extends { get: { parameters: { query?: infer Parameters } } }
  ? Omit<NonNullable<Parameters>, 'cursor' | 'limit' | 'offset' | 'total' | 'trashed'>
  : never

/** The types of each collection: a row, what creates one, what changes one, what a list of them is asked for. */
export interface Collections {
${types.join('\n')}
}

/** What the client has to know of a collection. */
interface Facts {
  /** The parent of its rows, with the field that holds its id. */
  parent?: readonly [collection: keyof Collections, field: string]
  /** The fields of a new row that are not sent. */
  defaults: object
  /** The filters of its lists: how each compares, and with which field. */
  filters: Readonly<Record<string, readonly ['equals' | 'has' | 'from' | 'upTo', field: string]>>
  /** The fields that a list can be sorted by, with the values of an enum in their order. */
  orders: Readonly<Record<string, readonly string[]>>
  /** The fields that are searched. */
  search: readonly string[]
}

export const collections: Record<keyof Collections, Facts> = {
${values.join('\n')}
}
`
}

/** How the lists of a collection filter, sort and search, as its declaration says. */
function listsOf(collection: string) {
  const resource = resources.find(({ name }) => name === collection)
  if (!resource) throw new Error(`no declaration of ${collection}`)
  const { filter, sort, search, visible } = resource
  const filters = filter.map(({ parameter, kind, column }) => [parameter, [kind, column.name]] as const)
  const valuesOf = (field: string) => visible.find(({ name }) => name === field)?.enumValues ?? []
  return {
    filters: Object.fromEntries<readonly [kind: string, field: string]>(filters),
    orders: Object.fromEntries(sort.map((field) => [field, valuesOf(field)])),
    search: search.map(({ name }) => name),
  }
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
