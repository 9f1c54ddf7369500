import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { serve } from '../src/objects/served.ts'
import { resources } from '../src/resources/index.ts'
import { applyMigrations } from './rows.ts'

await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)
if (env.DECLARED_MIGRATIONS) {
  serve(resources, new Map([['of the engine', env.OWNER_SCHEMA]]))
  await applyMigrations(env.DECLARED_MIGRATIONS, 'declared_migrations')
}
