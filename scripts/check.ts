import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'
import { missingPlatforms, overridesOf } from './dependencies.ts'
import { declarationFiles, writeIndex } from './declarations.ts'
import { migrationFiles, writeMigration } from './migrations.ts'
import { startupMilliseconds } from '../load/startup.ts'
import { wranglerEnvironment } from './wrangler.ts'

/** The largest Worker, minified and gzipped, in bytes. */
const MAX_BUNDLE = 120 * 1024
/** The largest client, minified and gzipped with what it is built on, in bytes; what a resource adds to it not counted. */
const MAX_CLIENT = 9 * 1024
/** What keeps a local copy, likewise: it is loaded when one is opened. */
const MAX_COPY = 8 * 1024
/** Each way in for a library, without what it shares with the client. */
const MAX_ADAPTER = 2 * 1024
/** The CPU time a start may take: in milliseconds or, on a busy machine, in starts of a bare Worker. */
const MAX_STARTUP = 25
const MAX_STARTS = 8
/** How many profiles of each may be taken to show it. */
const PROFILES = 8

/** One thing that can be wrong. Resolves to a remark for its line; throws with what to show when it fails. */
interface Step {
  name: string
  run: () => Promise<string>
}

/** Pages derived from the declarations and the settings, as committed: the bundle's build step writes some of them again. */
const derivedPages = [
  'public/openapi.json',
  'public/docs/problems.html',
  'docs/field-types.md',
  'README.md',
  '.dev.vars.example',
].map((page) => ({ page, committed: readFileSync(page, 'utf8') }))

// Git ignores it, and the steps import it.
await writeIndex('.')

const scratch = mkdtempSync(join(tmpdir(), 'freehold-check-'))
const bundle = join(scratch, 'worker.bundle')

const independent: Step[] = [
  { name: 'bundle', run: bundleSize },
  generated('rooms', 'scripts/rooms.ts', 'docs/house.svg'),
  { name: 'unused code', run: () => output('knip') },
  { name: 'dependencies', run: dependenciesSound },
  { name: 'types', run: () => output('tsc') },
  { name: 'demo', run: () => output('tsc', '--project', 'demo') },
  { name: 'lint', run: () => output('oxlint', '--type-aware', '--deny-warnings') },
  { name: 'migrations', run: migrationsFresh },
  { name: 'docs', run: docsFresh },
  generated('decisions', 'scripts/decisions.ts', 'docs/decisions/README.md'),
  generated('costs', 'load/costs.ts', 'docs/costs.md'),
  generated('passwords', 'scripts/common-passwords.ts', 'src/accounts/common-passwords.ts'),
  { name: 'client', run: clientFresh },
  { name: 'bindings', run: () => output('wrangler', 'types', '--check') },
  { name: 'format', run: () => output('oxfmt', '--check', '.') },
]

let failed = 0
try {
  const waiting = independent.values()
  await Promise.all([work(waiting), work(waiting)])
  // Alone on the machine, because it measures time.
  await work([{ name: 'startup', run: startup }].values())
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
console.log(failed ? `\n${failed} failed` : '\nEverything holds.')
process.exitCode = failed ? 1 : 0

async function work(steps: Iterator<Step, undefined> & Iterable<Step>): Promise<void> {
  for (const { name, run } of steps) {
    const started = performance.now()
    const took = () => `${((performance.now() - started) / 1000).toFixed(1)} s`.padStart(7)
    try {
      const remark = await run()
      console.log(`ok    ${name.padEnd(13)}${took()}  ${remark}`)
    } catch (error) {
      failed += 1
      console.log(
        `FAIL  ${name.padEnd(13)}${took()}\n${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }
}

/** Every override in package.json is still needed, says when it can go, and the lockfile serves every platform. */
async function dependenciesSound(): Promise<string> {
  const { all, idle } = overridesOf('.')
  if (idle.length) throw new Error(`Overrides in package.json that steer nothing: ${idle.join(', ')}`)
  const record = 'docs/decisions/0011-tools-and-versions.md'
  const told = readFileSync(record, 'utf8')
  const untold = all.filter((name) => !told.includes(`\`${name}\``))
  if (untold.length) throw new Error(`Say in ${record} when these overrides can go: ${untold.join(', ')}`)
  const missing = missingPlatforms(JSON.parse(readFileSync('package-lock.json', 'utf8')))
  if (missing.length) throw new Error(`The lockfile has no ${missing.join(', no ')}`)
  return `${all.length} overrides, each needed`
}

/** The declarations say nothing that the migrations do not, and every table is as the engine needs it. */
async function migrationsFresh(): Promise<string> {
  const copy = join(scratch, 'migrations')
  const engineCopy = join(scratch, 'schema')
  cpSync('migrations', copy, { recursive: true })
  cpSync(join('src', 'schema'), engineCopy, { recursive: true })
  const missing = migrationFiles(engineCopy).filter((file) => !existsSync(join(copy, file)))
  if (missing.length) throw new Error(`Run npm run migrate:new. It would copy: ${missing.join(', ')}`)
  for (const [modules, folder] of [
    [declarationFiles('.'), copy],
    [[join('src', 'schema', 'index.ts')], engineCopy],
  ] as const) {
    const added = await writeMigration(modules, folder)
    if (added === undefined) continue
    throw new Error(`Run npm run migrate:new. It would add:\n${readFileSync(join(folder, added), 'utf8')}`)
  }
  const tables = migrationFiles(copy).flatMap((file) => createdTables(readFileSync(join(copy, file), 'utf8')))
  const loose = tables.filter((table) => !table.endsWith(') STRICT, WITHOUT ROWID'))
  if (loose.length) throw new Error(`Not STRICT, WITHOUT ROWID:\n${loose.join('\n')}`)
  if (!tables.length) throw new Error('The migrations create no table.')
  return `${tables.length} STRICT, WITHOUT ROWID`
}

/** The committed pages are what the declarations and the settings make of them. */
async function docsFresh(): Promise<string> {
  const made = join(scratch, 'public')
  await output('node', 'scripts/docs.ts', made)
  await output('node', 'scripts/settings.ts', made)
  const stale = derivedPages.filter(
    ({ page, committed }) => readFileSync(join(made, page), 'utf8') !== committed,
  )
  if (stale.length) {
    throw new Error(`Run npm run docs and commit: ${stale.map(({ page }) => page).join(', ')}`)
  }
  return derivedPages.map(({ page }) => page).join(', ')
}

/** A committed file is what the script that writes it makes now. */
function generated(name: string, script: string, file: string): Step {
  return {
    name,
    async run() {
      const made = join(scratch, basename(file))
      await output('node', script, made)
      if (readFileSync(made, 'utf8') !== readFileSync(file, 'utf8')) {
        throw new Error(
          `${file} is not what it would be now. Run node ${script}, look at the difference, and commit.`,
        )
      }
      return file
    },
  }
}

/** The client's types are those of the OpenAPI document, it type-checks where there is no Node, and it is small. */
async function clientFresh(): Promise<string> {
  const made = join(scratch, 'client')
  mkdirSync(made)
  await output('node', 'scripts/client.ts', made)
  const source = join('client', 'src')
  const stale = ['schema.ts', 'collections.ts'].filter(
    (file) => readFileSync(join(made, file), 'utf8') !== readFileSync(join(source, file), 'utf8'),
  )
  if (stale.length) throw new Error(`Run npm run client and commit: ${stale.join(', ')}`)
  await output('tsc', '--project', 'client')
  const sizes = await clientSizes(source)
  const said = Object.entries(sizes).map(([name, [size, limit]]) => {
    const remark = `${name} ${(size / 1024).toFixed(2)} KiB gzipped of ${limit / 1024}`
    if (size > limit) throw new Error(remark)
    return remark
  })
  return said.join(', ')
}

/** What a page loads of the client, when it opens a local copy, and by each adapter, with its limit; without the collections. */
async function clientSizes(source: string): Promise<Record<string, [size: number, limit: number]>> {
  const withoutTable: Plugin = {
    name: 'without-table',
    setup(bundler) {
      const contents = 'export const collections = {}'
      bundler.onLoad({ filter: /collections\.ts$/ }, () => ({ contents }))
    },
  }
  const { outputFiles } = await build({
    entryPoints: ['index.ts', 'react.ts', 'tanstack-db.ts'].map((file) => join(source, file)),
    external: ['react'],
    bundle: true,
    splitting: true,
    outdir: scratch,
    minify: true,
    format: 'esm',
    write: false,
    plugins: [withoutTable],
  })
  const sizes = { client: 0, 'local copy': 0, react: 0, 'tanstack-db': 0 }
  for (const { path, contents } of outputFiles) {
    const name = basename(path, '.js')
    // The one that nothing but the copy needs; what others share with the client is loaded with it.
    const part = name.startsWith('sync-') ? 'local copy' : name
    sizes[isPart(part, sizes) ? part : 'client'] += gzipSync(contents, { level: 9 }).byteLength
  }
  return {
    client: [sizes.client, MAX_CLIENT],
    'local copy': [sizes['local copy'], MAX_COPY],
    react: [sizes.react, MAX_ADAPTER],
    'tanstack-db': [sizes['tanstack-db'], MAX_ADAPTER],
  }
}

function isPart<Sizes extends object>(name: PropertyKey, sizes: Sizes): name is keyof Sizes {
  return name in sizes
}

function createdTables(migration: string): string[] {
  const statements = migration.split(/;|--> statement-breakpoint/).map((statement) => statement.trim())
  return statements.filter((statement) => /^CREATE (TEMP )?TABLE\b/i.test(statement))
}

/** Builds what `wrangler deploy` would upload. */
async function bundleSize(): Promise<string> {
  await output('wrangler', 'deploy', '--dry-run', `--outdir=${scratch}/worker`, `--outfile=${bundle}`)
  const { byteLength } = gzipSync(readFileSync(join(scratch, 'worker', 'index.js')), { level: 9 })
  const size = `${(byteLength / 1024).toFixed(1)} KiB gzipped`
  if (byteLength > MAX_BUNDLE) throw new Error(`${size}, more than ${MAX_BUNDLE / 1024} KiB`)
  return `${size} of ${MAX_BUNDLE / 1024}`
}

/**
 * Starts what was built, and in turn a Worker with the same libraries and nothing else: on a busy machine both take
 * longer. Other work on the machine only adds to a profile, so the shortest counts; of the bare Worker, whose start is
 * so short that the samples of a profile may miss it, the longest.
 */
async function startup(): Promise<string> {
  const settings = join(scratch, 'bare.toml')
  const entry = join(import.meta.dirname, '..', 'load', 'bare-start.ts')
  writeFileSync(
    settings,
    `name = "bare"\nmain = "${entry}"\ncompatibility_date = "2026-10-01"\nminify = true\n`,
  )
  const bare = join(scratch, 'bare.bundle')
  await output(
    'wrangler',
    'deploy',
    '-c',
    settings,
    '--dry-run',
    `--outdir=${scratch}/bare`,
    `--outfile=${bare}`,
  )
  let [ours, theirs] = [Number.POSITIVE_INFINITY, 0]
  const isSlow = () => ours >= MAX_STARTUP && ours >= MAX_STARTS * theirs
  for (let taken = 1; taken <= PROFILES && isSlow(); taken += 1) {
    theirs = Math.max(theirs, await startOf(bare))
    ours = Math.min(ours, await startOf(bundle))
  }
  const time = `${ours.toFixed(1)} ms of CPU, a bare Worker ${theirs.toFixed(1)}`
  if (isSlow()) {
    throw new Error(`${time}: neither under ${MAX_STARTUP} ms nor under ${MAX_STARTS} times that`)
  }
  return time
}

async function startOf(built: string): Promise<number> {
  const file = join(scratch, 'startup.cpuprofile')
  await output('wrangler', 'check', 'startup', `--worker=${built}`, `--outfile=${file}`)
  return startupMilliseconds(readFileSync(file, 'utf8'))
}

/** Runs a tool of ours. Throws all that it printed when it fails. */
function output(command: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: wranglerEnvironment })
    let printed = ''
    child.stdout.on('data', (chunk) => (printed += String(chunk)))
    child.stderr.on('data', (chunk) => (printed += String(chunk)))
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve('') : reject(new Error(printed.trim()))))
  })
}
