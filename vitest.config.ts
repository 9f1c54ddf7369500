import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { defineConfig } from 'vitest/config'
import type { Plugin } from 'vite'
import { settingsFor } from './src/config.ts'
import { writeIndex } from './scripts/declarations.ts'
import { writeMigration } from './scripts/migrations.ts'
import { identityProvider } from './test/identity-provider.ts'
import { openIdProvider } from './test/openid-provider.ts'
import { closingLine } from './test/reporter.ts'

// Git ignores it: the Worker imports its declarations from it.
await writeIndex(import.meta.dirname)
const { schema } = await import('./src/resources/index.ts')

const provider = identityProvider()
const openId = openIdProvider()

/** All that is outside the Worker. */
function outside(request: Request): Response | Promise<Response> {
  return openId.isAt(new URL(request.url)) ? openId.serve(request) : provider.serve(request)
}

/** The migration of a declaration that is not one of the API's own, generated afresh. */
async function fixtureMigrations(schemas: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'fixture-migrations-'))
  try {
    await writeMigration(schemas, folder)
    return await readD1Migrations(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The settings of a deployment, empty: those of a developer's .dev.vars are not the tests'. */
const unset = Object.fromEntries(Object.keys(settingsFor(false).shape).map((name) => [name, '']))

const types = join(import.meta.dirname, 'test', 'fixtures', 'types')
const typeFixtures = ['kinds', 'options', 'leaves', 'cuttings'].map((name) => join(types, `${name}.ts`))

const bindings = {
  ...unset,
  JWT_SECRET: 'a secret for tests, of more than 32 bytes',
  // Where rows are: npm run test:objects says `objects`.
  ROWS: process.env.ROWS ?? '',
  PROVIDER_KEYS: provider.privateKeys,
  FORGERIES: Number(process.env.FORGERIES ?? 150),
  TEAM_REQUESTS: process.env.TEAM_REQUESTS ?? '',
  TEAM_SEED: process.env.TEAM_SEED ?? '',
  MOVES: process.env.MOVES ?? '',
  MOVE_ROWS: process.env.MOVE_ROWS ?? '',
  // How long test/client/convergence.test.ts is: `CONVERGENCE_COPIES=30 CONVERGENCE_WRITES=2000 npx vitest run --project worker …`
  CONVERGENCE_COPIES: process.env.CONVERGENCE_COPIES ?? '4',
  CONVERGENCE_WRITES: process.env.CONVERGENCE_WRITES ?? '120',
  ...((process.env.CONVERGENCE_WRITES || process.env.TEAM_REQUESTS) && {
    RATE_LIMITS: 'off',
    ENVIRONMENT: 'development',
  }),
  OWNER_SCHEMA: schema.join('\n'),
  // How many times as long properties are tried: `RUNS=10 npm test`.
  RUNS: process.env.RUNS ?? '',
  TEST_MIGRATIONS: await readD1Migrations('./migrations'),
  FIXTURE_MIGRATIONS: await fixtureMigrations(
    globSync(join(import.meta.dirname, 'test', 'fixtures', '*.ts')).toSorted(),
  ),
}

/**
 * Lets the Worker of the tests remember what scrypt gave it: nearly every login of a test is by the same password. All else
 * of hashing is as deployed, and a hash that was not made before is made.
 */
const rememberHashes: Plugin = {
  name: 'remember-hashes',
  enforce: 'pre',
  transform(code, id) {
    if (!id.endsWith('/src/accounts/passwords.ts')) return undefined
    return code.replace(`from 'node:crypto'`, `from '../../test/remembered-scrypt.ts'`)
  },
}

/**
 * What the generated tests need no second time, over other declarations: every limit that is counted is a request of its own.
 */
const calm = { RATE_LIMITS: 'off', ENVIRONMENT: 'development' }

/** After how long a test is taken to hang, in milliseconds: none is held to a time. */
const HANGS = 600_000

/** How long `expect.poll` waits, in milliseconds: what a busy machine takes. */
const POLL_TIMEOUT = 60_000

/**
 * Runs the files last that let the clock jump: ids follow those that were made before, so after a jump an isolate makes
 * them of a time to come.
 */
class LateSequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- Vitest's, which makes a new array
    const sorted = await super.sort(files)
    return sorted.toSorted((one, other) => Number(letsClockJump(one)) - Number(letsClockJump(other)))
  }
}

function letsClockJump({ moduleId }: TestSpecification): boolean {
  return moduleId.endsWith('/tokens.test.ts')
}

/** What runs a second time with rows in objects (npm run test:objects): all that touches rows. */
const ABOUT_ROWS = [
  'tasks lists filters fixture bulk idempotency concurrency changes cost quota purge erasure',
  'sessions guests teams live',
].flatMap((names) => names.split(' ').map((name) => `test/${name}.test.ts`))

export default defineConfig({
  test: {
    sequence: { sequencer: LateSequencer },
    projects: [
      {
        plugins: [
          rememberHashes,
          cloudflareTest({
            main: './test/worker.ts',
            wrangler: { configPath: './wrangler.toml' },
            // The identity providers of the tests; nothing else outside the Worker is ever called.
            miniflare: { outboundService: outside, d1Databases: ['EMPTY_DB'], bindings },
          }),
        ],
        test: {
          name: 'worker',
          include: process.env.ROWS
            ? [...ABOUT_ROWS, 'test/generated/{contract,isolation,lists,teams}.test.ts']
            : ['test/**/*.test.ts'],
          exclude: [
            'test/scripts/**',
            'test/package/**',
            'test/browser/**',
            'test/clients/**',
            'test/types.test.ts',
          ],
          setupFiles: ['./test/setup.ts'],
          // One Worker and one database for many files, as deployed: to start another takes seconds.
          isolate: false,
          testTimeout: HANGS,
          hookTimeout: HANGS,
          expect: { poll: { timeout: POLL_TIMEOUT } },
        },
      },
      // The generated tests again, over a declaration of every type of field instead of the API's own.
      {
        plugins: [
          rememberHashes,
          cloudflareTest({
            main: './test/worker.ts',
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              outboundService: outside,
              d1Databases: ['EMPTY_DB'],
              bindings: { ...bindings, ...calm, DECLARED_MIGRATIONS: await fixtureMigrations(typeFixtures) },
            },
          }),
        ],
        resolve: {
          alias: [
            { find: /^\.{1,2}\/(src\/|\.\.\/)*resources\/index\.ts$/, replacement: join(types, 'index.ts') },
          ],
        },
        test: {
          name: 'declarations',
          include: ['test/generated/*.test.ts', 'test/bounds.test.ts', 'test/types.test.ts'],
          setupFiles: ['./test/setup.ts'],
          // One Worker and one database for many files, as deployed: to start another takes seconds.
          isolate: false,
          testTimeout: HANGS,
          hookTimeout: HANGS,
        },
      },
      {
        test: {
          name: 'scripts',
          include: ['test/scripts/**/*.test.ts'],
          testTimeout: HANGS,
          hookTimeout: HANGS,
        },
      },
      // Packs, installs and upgrades, which takes minutes: npm run test:package.
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
      // Gets its generators from npm, PyPI and Maven, so npm test leaves it out: npm run test:clients.
      {
        test: {
          name: 'clients',
          include: ['test/clients/**/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 120_000,
        },
      },
      // Needs a Chromium, so npm test leaves it out: npm run test:browser.
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: HANGS,
          hookTimeout: HANGS,
          fileParallelism: false,
          expect: { poll: { timeout: POLL_TIMEOUT } },
        },
      },
    ],
    // Also the last core: much of the time one waits for a process or a database.
    maxWorkers: '100%',
    reporters: ['default', closingLine()],
    silent: 'passed-only',
    coverage: {
      provider: 'istanbul',
      include: ['src/**/*.ts'],
      reporter: ['text'],
      thresholds: { lines: 90 },
    },
  },
})
