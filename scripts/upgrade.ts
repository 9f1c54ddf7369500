import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { writeIndex } from './declarations.ts'
import { copyEngineMigrations } from './engine-migrations.ts'
import { root } from './project.ts'
import { replay } from './replay.ts'

const USAGE = `Usage: npx freehold upgrade [<version>]

Installs that version of freehold, when one is given, then writes the migrations of its tables that this project does not
have yet into migrations/, and tries all of them on a database with rows in it. Nothing of yours is edited.`

const [version] = process.argv.slice(2)
if (version === '--help') {
  console.log(USAGE)
} else if (version === undefined) {
  await follow()
} else {
  const wanted = /^[\d^~]|^(latest|next)$/.test(version) ? `freehold@${version}` : version
  execFileSync('npm', ['install', '--save-exact', wanted], { cwd: root, stdio: 'inherit' })
  // What is installed now knows its own migrations.
  execFileSync('node', [import.meta.filename], { cwd: root, stdio: 'inherit' })
}

async function follow(): Promise<void> {
  const migrations = join(root, 'migrations')
  const added = copyEngineMigrations(migrations)
  const lost = await replay(migrations)
  await writeIndex(root)
  for (const { file, table, before, after } of lost) {
    console.log(`${file}: ${table} had ${before} rows, then ${after}`)
  }
  console.log(
    added.length
      ? `Wrote ${added.map((file) => `migrations/${file}`).join(', ')}. npm run dev applies it here, npm run deploy there.`
      : 'The migrations are those of this version already.',
  )
}
