import { Hono } from 'hono'
import { openDatabase } from '../d1/database.ts'
import type { App } from '../context.ts'
import { otherMethods } from './methods.ts'
import { Problem } from '../problems.ts'
import migrations from '../../migrations/meta/_journal.json' with { type: 'json' }

const SCHEMA = `${migrations.entries.at(-1)?.tag}.sql`

/** `/health`: the Worker runs; no I/O. `/ready`: D1 answers and the last migration of this version is applied, or `not_ready`. */
export const health = new Hono<App>()

health.get('/health', (c) => c.json({ status: 'healthy' }))

health.get('/ready', async (c) => {
  const database = openDatabase(c.env.DB, c.get('cost'))
  const [[applied] = []] = await database
    .batch([{ sql: 'SELECT 1 FROM d1_migrations WHERE name = ?', parameters: [SCHEMA] }])
    .catch((error: unknown) => {
      const detail =
        error instanceof Problem && error.type === 'misconfigured'
          ? 'The database has no schema yet: run the migrations.'
          : 'The database does not answer.'
      throw new Problem('not_ready', { detail })
    })
  if (!applied) {
    throw new Problem('not_ready', { detail: `The database schema is not at ${SCHEMA}: run the migrations.` })
  }
  return c.json({ status: 'ready' })
})

otherMethods(health, '/health')
otherMethods(health, '/ready')
