import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'
import { identityProvider } from './test/identity-provider.ts'
import { closingLine } from './test/reporter.ts'

const provider = await identityProvider()

export default defineConfig({
  plugins: [
    cloudflareTest(async () => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        // The identity provider of the token tests; nothing else outside the Worker is ever called.
        outboundService: provider.serve,
        bindings: {
          JWT_SECRET: 'a secret for tests, of more than 32 bytes',
          PROVIDER_KEYS: provider.privateKeys,
          TEST_MIGRATIONS: await readD1Migrations('./migrations'),
        },
      },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['./test/setup.ts'],
    testTimeout: 60_000,
    reporters: ['default', closingLine()],
    silent: 'passed-only',
    coverage: {
      provider: 'istanbul',
      include: ['src/**'],
      reporter: ['text'],
      thresholds: { lines: 90 },
    },
  },
})
