import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'

await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)
if (env.DECLARED_MIGRATIONS) {
  // Not before: the tests of a project have no resources yet.
  const { serve } = await import('../src/objects/served.ts')
  const { resources } = await import('../src/resources/index.ts')
  const { applyMigrations } = await import('./rows.ts')
  serve(resources, new Map([['of the engine', env.OWNER_SCHEMA]]))
  await applyMigrations(env.DECLARED_MIGRATIONS, 'declared_migrations')
}
