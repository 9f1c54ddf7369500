import { join } from 'node:path'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { writeIndex } from '../scripts/declarations.ts'
import { settingsFor } from '../src/config.ts'

/**
 * The package `freehold/testing/config`: Vitest's configuration for a project whose tests (test/*.test.ts) run in the
 * Workers runtime, on a real D1 with the project's migrations, with none of the settings of .dev.vars.
 */
export async function testConfig(root = process.cwd()): Promise<ViteUserConfig> {
  await writeIndex(root)
  const unset = Object.fromEntries(Object.keys(settingsFor(false).shape).map((name) => [name, '']))
  const bindings = {
    ...unset,
    JWT_SECRET: 'a secret for tests, of more than 32 bytes',
    RUNS: process.env.RUNS ?? '',
    TEST_MIGRATIONS: await readD1Migrations(join(root, 'migrations')),
  }
  return defineConfig({
    plugins: [
      cloudflareTest({
        wrangler: { configPath: join(root, 'wrangler.toml') },
        miniflare: {
          bindings,
          outboundService: () => new Response('No test calls outside.', { status: 502 }),
        },
      }),
    ],
    test: {
      include: ['test/**/*.test.ts'],
      setupFiles: [join(import.meta.dirname, `setup${import.meta.filename.slice(-3)}`)],
      // After how long a test is taken to hang.
      testTimeout: 600_000,
      hookTimeout: 600_000,
      silent: 'passed-only',
      server: { deps: { inline: ['freehold'] } },
    },
  })
}
