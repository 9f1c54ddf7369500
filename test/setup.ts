import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach } from 'vitest'

await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)
if (env.DECLARED_MIGRATIONS) {
  // Not before: the tests of a project have no resources yet.
  const { serve } = await import('../src/objects/served.ts')
  const { resources } = await import('../src/resources/index.ts')
  const { applyMigrations } = await import('./rows.ts')
  serve(resources, new Map([['of the engine', env.OWNER_SCHEMA]]))
  await applyMigrations(env.DECLARED_MIGRATIONS, 'declared_migrations')
}

// The Worker writes a line for each request. To hand each over to Vitest takes longer than the request, so only those of a
// test that failed are.
const { log } = console
let lines: unknown[] = []
for (const level of ['debug', 'info', 'warn', 'error'] as const) {
  console[level] = (...parts: unknown[]) => void lines.push(...parts)
}
beforeEach(() => {
  lines = []
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') for (const line of lines.slice(-LAST)) log(line)
})

/** How many lines of a failed test are shown. */
const LAST = 50
