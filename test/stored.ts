import { getTableName } from 'drizzle-orm'
import { resources } from '../src/resources/index.ts'
import type { Answer, Json } from './client.ts'
import { ask } from './rows.ts'

/** Every row of a user as it lies in the database, trash included, by table: what a refused request must leave alone. */
export async function storedBy(userId: string): Promise<Record<string, Json[]>> {
  const tables = resources.map(({ table }) => getTableName(table))
  const entries = tables.map(async (name): Promise<[string, Json[]]> => {
    return [name, await ask(userId, `SELECT * FROM "${name}" WHERE user_id = ? ORDER BY revision`, userId)]
  })
  return Object.fromEntries(await Promise.all(entries))
}

/** How many rows {@link storedBy} finds. */
export async function countOf(userId: string): Promise<number> {
  return Object.values(await storedBy(userId)).flat().length
}

/** The status and the problem's type of an answer. */
export function problemOf({ status, body }: Answer): [status: number, type: string | undefined] {
  return [status, body?.type?.split('#')[1]]
}
