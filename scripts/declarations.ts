import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { getTableName, is } from 'drizzle-orm'
import { SQLiteTable } from 'drizzle-orm/sqlite-core'
import * as accounts from '../src/accounts/schema.ts'
import * as auth from '../src/auth/schema.ts'
import * as teams from '../src/teams/schema.ts'
import type { Resource } from '../src/engine/resource.ts'
import type { Verb } from '../src/engine/routes.ts'
import { migrationFiles, statementsOf } from './migrations.ts'
import { root } from './project.ts'

/** What the files of a project's src/resources declare, found rather than listed. */
export interface Declarations {
  /** The resources, each after its parent and what it refers to, otherwise by file name. */
  resources: readonly Resource[]
  /** The routes beside them. */
  verbs: readonly Verb[]
}

const INDEX = 'index.ts'

/** The modules of a project that declare resources and routes beside them, by name. */
export function declarationFiles(project: string): string[] {
  mkdirSync(folderOf(project), { recursive: true })
  return readdirSync(folderOf(project))
    .filter((file) => file.endsWith('.ts') && file !== INDEX)
    .toSorted()
    .map((file) => join(folderOf(project), file))
}

/** Loads the declarations of a project. A resource is a module's default export, a verb any other. */
export async function declarationsOf(project: string): Promise<Declarations> {
  const { resources, verbs } = await found(project)
  return { resources: resources.map(([, resource]) => resource), verbs: verbs.map(([, , verb]) => verb) }
}

/**
 * Writes src/resources/index.ts, from which the Worker imports its declarations and the names of its migrations: a bundle
 * cannot look into folders. It is git-ignored, so that two people who each add a resource do not meet in it.
 */
export async function writeIndex(project: string): Promise<void> {
  const { resources, verbs } = await found(project)
  const migrations = migrationFiles(join(project, 'migrations'))
  const text = [
    '// Generated from the files of this folder and of migrations/. Not in git: add or delete a file instead.',
    `import type { Resource, Verb } from 'freehold'`,
    ...resources.map(([file], at) => `import resource${at} from './${file}'`),
    ...verbs.map(([file, name], at) => `import { ${name} as verb${at} } from './${file}'`),
    '',
    '/** Every resource of this API, each after its parent. */',
    `export const resources: readonly Resource[] = [${resources.map((_, at) => `resource${at}`).join(', ')}]`,
    '',
    '/** The routes beside them. */',
    `export const verbs: readonly Verb[] = [${verbs.map((_, at) => `verb${at}`).join(', ')}]`,
    '',
    '/** What each of these does to the object of an owner. */',
    `export const schema: readonly string[] = [\n${migrations.map((file) => `  ${JSON.stringify(ownersPart(statementsOf(join(project, 'migrations'), file)))},\n`).join('')}]`,
    '',
    '/** The migrations that this version needs. */',
    `export const migrations: readonly string[] = [\n${migrations.map((file) => `  '${file}',\n`).join('')}]`,
    '',
  ].join('\n')
  const index = join(folderOf(project), INDEX)
  // Untouched while it says the same: wrangler watches this folder.
  if (!existsSync(index) || readFileSync(index, 'utf8') !== text) writeFileSync(index, text)
}

/** The tables that stay in D1 wherever rows are. */
const directory = new Set(
  [accounts, auth, teams].flatMap((schema) =>
    Object.values<unknown>(schema).flatMap((table) => (is(table, SQLiteTable) ? [getTableName(table)] : [])),
  ),
)

/** What a statement makes, changes or fills whose table is named next. */
const ABOUT =
  /^(?:CREATE TABLE|ALTER TABLE|DROP TABLE|INSERT INTO|CREATE (?:UNIQUE )?INDEX \S+ ON) `(?:__new_)?(\w+)`/

/** The SQL of a migration without what is about tables that no owner's object has, and without comments. */
function ownersPart(statements: readonly string[]): string {
  const kept = statements
    .map((statement) => statement.replaceAll(/^--.*\n/gm, '').trim())
    .filter((statement) => !directory.has(ABOUT.exec(statement)?.[1] ?? ''))
    .filter((statement) => statement !== '')
  if (kept.every((statement) => statement.startsWith('PRAGMA'))) return ''
  return kept.map((statement) => (statement.endsWith(';') ? statement : `${statement};`)).join('\n')
}

function folderOf(project: string): string {
  return join(project, 'src', 'resources')
}

async function found(project: string) {
  const declared = new Map<Resource, string>()
  const verbs: [file: string, name: string, verb: Verb][] = []
  for (const path of declarationFiles(project)) {
    const file = path.slice(folderOf(project).length + 1)
    for (const [name, value] of Object.entries<unknown>(await import(pathToFileURL(path).href))) {
      if (name === 'default' && isResource(value)) declared.set(value, file)
      else if (isVerb(value)) verbs.push([file, name, value])
    }
  }
  const resources: [file: string, resource: Resource][] = []
  const add = (resource: Resource) => {
    const file = declared.get(resource)
    if (file === undefined || resources.some(([, known]) => known === resource)) return
    if (resource.parent) add(resource.parent.resource)
    for (const { table } of resource.references) {
      for (const other of declared.keys()) if (other.table === table) add(other)
    }
    resources.push([file, resource])
  }
  for (const resource of declared.keys()) add(resource)
  return { resources, verbs }
}

function isResource(value: unknown): value is Resource {
  return has(value, 'table') && has(value, 'input') && has(value, 'path')
}

function isVerb(value: unknown): value is Verb {
  return has(value, 'resource') && has(value, 'routes') && has(value, 'method')
}

function has(value: unknown, key: string): boolean {
  return typeof value === 'object' && value !== null && key in value
}

if (import.meta.main) await writeIndex(root)
