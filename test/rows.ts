import {
  applyD1Migrations,
  listDurableObjectIds,
  runInDurableObject,
  type D1Migration,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import type { Bindings } from '../src/config.ts'
import type { Reply, Work } from '../src/homes/object.ts'
import { serve, whatIsServed } from '../src/objects/served.ts'
import type { Json } from './client.ts'

/** Whether the rows of this run are in objects: npm run test:objects. */
export const inObjects = (env as Bindings).ROWS === 'objects'

/** Runs a statement over an owner's rows where they lie, past the API: in D1, or in the object of that owner. */
export async function ask<Row = Json>(owner: string, sql: string, ...parameters: unknown[]): Promise<Row[]> {
  if (!inObjects) {
    const { results } = await env.DB.prepare(sql)
      .bind(...parameters)
      .all<Row>()
    return results
  }
  const [rows = []] = await askObject(env.HUB.idFromName(owner), owner, [{ sql, parameters }])
  return rows as Row[]
}

/** {@link ask} without an owner: in D1, or in each object that there is. */
export async function askAll<Row = Json>(sql: string, ...parameters: unknown[]): Promise<Row[]> {
  if (!inObjects) return ask('', sql, ...parameters)
  const found: Row[] = []
  for (const id of await listDurableObjectIds(env.HUB)) {
    const owner = await ownerOf(id)
    // One that has no rows yet has no schema.
    if (owner === undefined) continue
    const [rows = []] = await askObject(id, owner, [{ sql, parameters }])
    found.push(...(rows as Row[]))
  }
  return found
}

/** Applies migrations to D1 under this name, and in objects as they are made and asked. */
export async function applyMigrations(migrations: D1Migration[], name?: string): Promise<void> {
  await applyD1Migrations(env.DB, migrations, name)
  const { resources, migrations: known } = whatIsServed()
  const sql = migrations.map(({ name: file, queries }): [string, string] => [file, queries.join(';\n')])
  // Before those of the deployed Worker, the last of which says how new the objects are.
  serve(resources, new Map([...sql, ...known]))
}

/** Whose object this is; undefined while it has no rows. */
export function ownerOf(id: DurableObjectId): Promise<string | undefined> {
  return runInDurableObject(env.HUB.get(id), (_, { storage }) => storage.kv.get<string>('owner'))
}

async function askObject(
  id: DurableObjectId,
  owner: string,
  statements: Work['statements'],
): Promise<Json[][]> {
  const work = {
    owner,
    caller: owner,
    session: undefined,
    guards: [],
    live: false,
    schema: undefined,
    statements,
  }
  const reply: Reply = await env.HUB.get(id).run(work)
  if ('rows' in reply) return reply.rows
  // Whoever is erased has no rows, and gets none.
  if ('problem' in reply && reply.problem === 'database_unavailable') return statements.map(() => [])
  throw new Error('fault' in reply ? reply.fault : reply.problem)
}
