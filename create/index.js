#!/usr/bin/env node
// npm create freehold <folder>: copies template/, installs, and declares a first resource. Plain JavaScript, because it
// runs on the machine's own Node.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const USAGE = `Usage: npm create freehold <folder> [-- --empty] [--freehold <version or tarball>]

Makes a project with one resource, notes, to look at; with --empty it has none, and waits for your own.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { freehold: { type: 'string' }, empty: { type: 'boolean' }, help: { type: 'boolean' } },
})
const [given, ...others] = positionals
if (values.help || given === undefined || others.length) {
  console.log(USAGE)
  process.exit(values.help ? 0 : 2)
}
const folder = resolve(given)
const name = basename(folder).toLowerCase()
if (!/^[a-z][a-z0-9-]{0,62}$/.test(name))
  fail(`${name} cannot name a Worker: letters, digits and -, a letter first.`)
if (existsSync(folder) && readdirSync(folder).length) fail(`${given} is there already, and not empty.`)

const own = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
cpSync(new URL('template', import.meta.url), folder, { recursive: true })
// npm packs no file of that name.
renameSync(join(folder, 'gitignore'), join(folder, '.gitignore'))
for (const file of ['package.json', 'wrangler.toml', 'README.md']) {
  const path = join(folder, file)
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll('my-api', name))
}
const path = join(folder, 'package.json')
const manifest = JSON.parse(readFileSync(path, 'utf8'))
const wanted = values.freehold ?? own.version
manifest.dependencies.freehold = wanted.endsWith('.tgz') ? `file:${resolve(wanted)}` : wanted
Object.assign(manifest, own.freehold)
writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`)

run('npm', 'install', '--no-audit', '--no-fund', '--loglevel=error')
// By the command, so that the first resource is written as every later one.
if (values.empty) run('npm', 'run', '--silent', 'migrate:new')
else run('npm', 'run', '--silent', 'resource', '--', 'notes', 'title:string', 'body:text?')
console.log(`
cd ${given}
npm run dev      # serves on http://localhost:8787
npm test         # the tests of every resource, in the Workers runtime`)

function run(command, ...args) {
  const { status } = spawnSync(command, args, {
    cwd: folder,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) fail(`${command} ${args.join(' ')} failed.`)
}

function fail(sentence) {
  console.error(sentence)
  process.exit(1)
}
