import { spawnSync } from 'node:child_process'
import { root } from './project.ts'
import { wranglerEnvironment } from './wrangler.ts'

// Applies the migrations: to the local database, or with --remote to the deployed one.
const where = process.argv.slice(2)
const local = where.includes('--remote') ? [] : ['--local']
const { status } = spawnSync('wrangler', ['d1', 'migrations', 'apply', 'DB', ...local, ...where], {
  stdio: 'inherit',
  cwd: root,
  env: wranglerEnvironment,
})
process.exitCode = status ?? 1
