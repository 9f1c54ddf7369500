import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

// Writes the list of the decisions from their titles: npm run docs.
const folder = 'docs/decisions'
const list = process.argv[2] ?? join(folder, 'README.md')

const rows = readdirSync(folder)
  .filter((file) => /^\d{4}-/.test(file))
  .toSorted()
  .map((file) => {
    const [, title = ''] = /^# (.+)$/m.exec(readFileSync(join(folder, file), 'utf8')) ?? []
    return [`[${file.slice(0, 4)}](${file})`, title] as const
  })
const width = Math.max(...rows.map(([link]) => link.length))
const wide = Math.max(...rows.map(([, title]) => title.length))

writeFileSync(
  list,
  `# Decisions

Short records of what shaped the house: what we chose, against what, and what it costs.

${[['', ''] as const, ['-'.repeat(width), '-'.repeat(wide)] as const, ...rows]
  .map(([link, title]) => `| ${link.padEnd(width)} | ${title.padEnd(wide)} |\n`)
  .join('')}`,
)
