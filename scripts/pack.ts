import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { engine } from './project.ts'
import { scalarPage } from './scalar.ts'

// Packs what a team installs: freehold, built, since Node strips no types under node_modules, and create-freehold.
// npm run pack [-- --version 0.2.0 --out <folder>] prints the tarballs.

/** Everything that is not code: schemas, pages, and the sources of the client, which each project builds for its API. */
const FILES = [
  '.oxfmtrc.json',
  'LICENSE',
  'README.md',
  'CHANGELOG.md',
  'public/_headers',
  'public/favicon.svg',
  'public/docs.html',
  'public/docs/problems.css',
  'public/docs/reference.css',
  'public/docs/reference.js',
  'public/docs/scalar.js',
  'client/README.md',
  'client/package.json',
  'client/src',
  'client/tsconfig.json',
  'client/tsconfig.build.json',
  'src/schema',
]
/** What the commands and the tests of a project run on: with the engine, so that one version moves all of them. */
const TOOLS = [
  '@cloudflare/vitest-pool-workers',
  '@cloudflare/workers-types',
  '@types/node',
  'ajv',
  'drizzle-kit',
  'esbuild',
  'fast-check',
  'miniflare',
  'node',
  'oxfmt',
  'vitest',
  'wrangler',
]

interface Manifest {
  name: string
  version: string
  description: string
  license: string
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
  overrides: Record<string, object>
  allowScripts: Record<string, boolean>
}

const parse: (json: string) => Manifest = JSON.parse
const manifest = parse(readFileSync(join(engine, 'package.json'), 'utf8'))
const clientManifest = parse(readFileSync(join(engine, 'client', 'package.json'), 'utf8'))
const { values } = parseArgs({ options: { version: { type: 'string' }, out: { type: 'string' } } })
const version = values.version ?? manifest.version
const out = values.out ?? join(engine, 'dist')
const folder = join(out, 'freehold')

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
scalarPage()
execFileSync('tsc', ['-p', join(engine, 'tsconfig.build.json'), '--outDir', folder], { stdio: 'inherit' })
for (const file of FILES) {
  cpSync(join(engine, file), join(folder, file), {
    recursive: true,
    filter: (path) => !/schema.\w+\.ts$/.test(path),
  })
}
// The application is not the package's: the suites find that of the project here.
rmSync(join(folder, 'src', 'resources'), { recursive: true })
mkdirSync(join(folder, 'src', 'resources'))
writeFileSync(
  join(folder, 'src', 'resources', 'index.js'),
  'export const { resources, verbs, migrations } = globalThis.freeholdApi\n',
)
rmSync(join(folder, 'src', 'index.js'), { force: true })
chmodSync(join(folder, 'scripts', 'cli.js'), 0o755)

const entry = (file: string) => ({ types: `./${file}.d.ts`, default: `./${file}.js` })
writeManifest(folder, {
  name: 'freehold',
  version,
  description: manifest.description,
  license: manifest.license,
  type: 'module',
  bin: { freehold: './scripts/cli.js' },
  exports: {
    '.': entry('src/freehold'),
    './worker': entry('src/worker'),
    './testing': entry('test/testing'),
    './testing/config': entry('test/testing-config'),
    './package.json': './package.json',
  },
  engines: { node: '>=20' },
  dependencies: {
    ...manifest.dependencies,
    ...Object.fromEntries(TOOLS.map((tool) => [tool, manifest.devDependencies[tool]])),
    ...clientManifest.dependencies,
    ...clientManifest.devDependencies,
  },
})

const template = join(out, 'create-freehold')
rmSync(template, { recursive: true, force: true })
cpSync(join(engine, 'create'), template, { recursive: true })
writeManifest(template, {
  ...JSON.parse(readFileSync(join(engine, 'create', 'package.json'), 'utf8')),
  version,
  // What npm has to be told about the tools, which only the project's own package.json can.
  freehold: {
    overrides: { ...manifest.overrides, '@cloudflare/vitest-pool-workers': poolOverride() },
    allowScripts: manifest.allowScripts,
  },
})

for (const each of [folder, template]) {
  const packed = execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', out], {
    cwd: each,
  })
  console.log(join(out, packed.toString().trim()))
}

function poolOverride() {
  return {
    ...manifest.overrides['@cloudflare/vitest-pool-workers'],
    wrangler: manifest.devDependencies.wrangler,
  }
}

function writeManifest(into: string, content: object): void {
  writeFileSync(join(into, 'package.json'), `${JSON.stringify(content, null, 2)}\n`)
}
