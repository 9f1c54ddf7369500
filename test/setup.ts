import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'

await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)
if (env.DECLARED_MIGRATIONS) {
  await applyD1Migrations(env.DB, env.DECLARED_MIGRATIONS, 'declared_migrations')
}
