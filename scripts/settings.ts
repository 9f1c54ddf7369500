import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { settingsFor } from '../src/config.ts'

// What is said of the settings elsewhere is made from their schema: the table of the README and .dev.vars.example.
const project = join(import.meta.dirname, '..')
const target = process.argv[2] ?? project
mkdirSync(target, { recursive: true })

// What each does is the comment above it: words that the Worker does not have to carry.
const source = readFileSync(join(import.meta.dirname, '..', 'src', 'config.ts'), 'utf8')

const settings = Object.entries(settingsFor(false).shape).map(([name, schema]) => ({
  name,
  does: doesOf(name),
  usual: 'defaultValue' in schema.def ? schema.def.defaultValue : '',
}))

const TABLE = /(?<=<!-- settings: npm run docs -->\n)[^]*?(?=\n<!-- settings end -->)/
const readme = readFileSync(join(project, 'README.md'), 'utf8')
writeFileSync(join(target, 'README.md'), readme.replace(TABLE, `\n${table()}`))
writeFileSync(join(target, '.dev.vars.example'), example())

/** What the comment above a setting says. Throws when there is none. */
function doesOf(name: string): string {
  const [, does] = new RegExp(String.raw`^ *\/\*\* (.+) \*\/\n *${name}: `, 'm').exec(source) ?? []
  if (does === undefined) throw new Error(`${name} has no comment in src/config.ts that says what it does`)
  return does
}

function table(): string {
  const rows = settings.map(
    ({ name, does, usual }) => [`\`${name}\``, `${does}${usual && ` (${usual})`}`] as const,
  )
  const width = Math.max(...rows.map(([name]) => name.length))
  const wide = Math.max(...rows.map(([, does]) => does.length))
  return [['Setting', ''] as const, ['-'.repeat(width), '-'.repeat(wide)] as const, ...rows]
    .map(([name, does]) => `| ${name.padEnd(width)} | ${does.padEnd(wide)} |\n`)
    .join('')
}

function example(): string {
  const lines = settings.map(({ name, does, usual }) => `# ${does.replaceAll('`', '')}\n# ${name}=${usual}\n`)
  return `# The settings of a deployment, all optional in development. \`npm run dev\` writes .dev.vars with a random JWT_SECRET;
# add what you need there, and use \`wrangler secret put\` or [vars] for a deployment. Keep every line here a comment: the
# generated types (npm run types) are made with this file in place of .dev.vars, so that they do not depend on it.
# Written by \`npm run docs\` from src/config.ts.

${lines.join('\n')}`
}
