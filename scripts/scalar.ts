import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

// Scalar's reference page is one self-contained file in a package with 27 dependencies that the file does not need. So it
// is no dependency: npm install (the prepare script) takes the file out of the packed package.

/** The package. To update, change the version and run `node scripts/scalar.ts`: it prints the new hash, which belongs below. */
const PACKAGE = '@scalar/api-reference@1.72.1'
const FILE = 'package/dist/browser/standalone.js'
const SHA_256 = 'bf091006bdc3af6067af77c2f534812e3e633e94a94e87138069f570f33b762c'

/**
 * The path of Scalar's page: a file that git ignores and the packed `freehold` brings along. Fetched from the npm registry
 * unless it is there already. Throws when what is fetched is not the file that was reviewed.
 */
export function scalarPage(page = join(import.meta.dirname, '..', 'public', 'docs', 'scalar.js')): string {
  if (existsSync(page) && hashOf(page) === SHA_256) return page
  const scratch = mkdtempSync(join(tmpdir(), 'freehold-scalar-'))
  try {
    // npm and not fetch: it knows this machine's registry, proxy and cache.
    const options = ['--silent', '--prefer-offline', '--pack-destination', scratch]
    execFileSync('npm', ['pack', PACKAGE, ...options], { cwd: scratch, env: ownEnvironment() })
    const [tarball = ''] = readdirSync(scratch)
    execFileSync('tar', ['-xzf', tarball, FILE], { cwd: scratch })
    const found = hashOf(join(scratch, FILE))
    if (found !== SHA_256) throw new Error(`${PACKAGE} has SHA-256 ${found}, not ${SHA_256}`)
    mkdirSync(dirname(page), { recursive: true })
    copyFileSync(join(scratch, FILE), page)
  } finally {
    rmSync(scratch, { recursive: true })
  }
  return page
}

/** The environment without what a surrounding `npm install` or `npm pack` was asked for. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const asked = /^npm_config_(dry_run|json|workspaces?|include_workspace_root|global)$/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !asked.test(name)))
}

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

if (import.meta.main) scalarPage()
