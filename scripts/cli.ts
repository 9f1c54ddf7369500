#!/usr/bin/env node
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, extname, join } from 'node:path'

// The command `freehold` of the package. Each command is a script beside this one, and runs on the Node that the package
// brings along, whatever the machine's own is.
const commands: Readonly<Record<string, readonly [does: string, ...steps: string[][]]>> = {
  dev: ['serve on this machine, with migrations applied', ['dev']],
  resource: ['declare a resource: its file and its migration', ['resource']],
  'migrate:new': ['write the migration of what has changed in src/resources', ['migrate-new']],
  'migrate:merge': ['settle the migrations of two branches', ['migrate-merge']],
  migrate: ['apply the migrations to the local database (--remote: to the deployed one)', ['migrate']],
  token: ['make an access token for a user', ['token']],
  generate: [
    'record examples for /openapi.json and make the typed client, in .freehold/',
    ['examples'],
    ['docs'],
    ['client'],
  ],
  build: ['make the static pages and src/resources/index.ts (wrangler calls it)', ['docs']],
  verify: ['hold a deployment to the contract', ['verify']],
  admin: ['make an account an administrator', ['admin']],
  objects: ['say where owners’ rows are, and move all of them: status | move | back', ['objects']],
  keys: ['make a signing key', ['keys']],
  upgrade: ['follow another version of freehold: upgrade [<version>]', ['upgrade']],
}

const [name = '', ...args] = process.argv.slice(2)
const [, ...steps] = commands[name] ?? ['']
if (name === '--version') {
  console.log(
    /"version": "(.*)"/.exec(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'))?.[1],
  )
} else if (!steps.length) {
  const lines = Object.entries(commands).map(([command, [does]]) => `  ${command.padEnd(15)}${does}`)
  console.log(`Usage: freehold <command> [options]; --help after a command says more.\n\n${lines.join('\n')}`)
  process.exitCode = name === '--help' ? 0 : 2
} else {
  const bins = [
    join(import.meta.dirname, '..', 'node_modules', '.bin'),
    join(process.cwd(), 'node_modules', '.bin'),
  ]
  const path = [...bins.filter((folder) => existsSync(folder)), process.env.PATH].join(delimiter)
  const own = extname(import.meta.filename)
  for (const [script = '', ...options] of steps) {
    const { status } = spawnSync('node', [join(import.meta.dirname, script + own), ...options, ...args], {
      stdio: 'inherit',
      env: { ...process.env, PATH: path },
    })
    if (status !== 0) process.exit(status ?? 1)
  }
}
