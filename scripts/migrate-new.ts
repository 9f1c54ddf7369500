import { parseArgs } from 'node:util'
import config from '../drizzle.config.ts'
import { generateMigration } from './migrations.ts'

const { values } = parseArgs({ options: { name: { type: 'string' } } })

const added = generateMigration(String(config.schema), config.out ?? 'migrations', values.name)
console.log(
  added.length
    ? `Wrote ${added.map((file) => `migrations/${file}`).join(', ')}. Read it, then apply it: npm run migrate`
    : 'The migrations match the declarations already: nothing to do.',
)
