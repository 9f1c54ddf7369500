import { Hono } from 'hono'
import { openDatabase } from '../d1/database.ts'
import type { App } from '../context.ts'
import { otherMethods } from './methods.ts'
import { Problem } from '../problems.ts'

/**
 * `/health`: the Worker runs; no I/O. `/ready`: D1 answers and these migrations, which this version needs, are applied;
 * otherwise `not_ready`.
 */
export function healthFor(migrations: readonly string[]): Hono<App> {
  const health = new Hono<App>()

  health.get('/health', (c) => c.json({ status: 'healthy' }))

  health.get('/ready', async (c) => {
    const database = openDatabase(c.env.DB, c.get('cost'))
    const [rows = []] = await database
      .batch([{ sql: 'SELECT name FROM d1_migrations', parameters: [] }])
      .catch((error: unknown) => {
        const detail =
          error instanceof Problem && error.type === 'misconfigured'
            ? 'The database has no schema yet: run the migrations.'
            : 'The database does not answer.'
        throw new Problem('not_ready', { detail })
      })
    const applied = new Set(rows.map(({ name }) => name))
    const missing = migrations.filter((name) => !applied.has(name))
    if (missing.length) {
      const detail = `The database schema lacks ${missing.join(', ')}: run the migrations.`
      throw new Problem('not_ready', { detail })
    }
    return c.json({ status: 'ready' })
  })

  otherMethods(health, '/health')
  otherMethods(health, '/ready')
  return health
}
