import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')
const PARTS = [
  'src',
  'scripts',
  'openapi',
  'load',
  'test',
  'migrations',
  'public',
  'client',
  'docs',
  'demo',
  'client/src',
  'client/tsconfig.json',
  'drizzle.config.ts',
  'package.json',
  'tsconfig.json',
]

/** A copy of the project in a temporary folder, to run its scripts in. */
export function newProject() {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-project-'))
  for (const part of [...PARTS, 'wrangler.toml', '.oxfmtrc.json', '.gitignore']) {
    const filter = (path: string) => !/node_modules|client.dist/.test(path.slice(root.length))
    cpSync(join(root, part), join(folder, part), { recursive: true, filter })
  }
  symlinkSync(join(root, 'client', 'node_modules'), join(folder, 'client', 'node_modules'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const path = join(root, 'node_modules', '.bin') + delimiter + process.env.PATH

  /** Runs a script as npm does. Returns its exit code and all that it printed. */
  function run(script: string, ...args: string[]) {
    const { status, stdout, stderr } = spawnSync('node', [join('scripts', script), ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, PATH: path },
      // A test's own timeout cannot end what blocks.
      timeout: 590_000,
    })
    return { status, output: stdout + stderr }
  }

  return {
    folder,
    run,
    read: (file: string) => readFileSync(join(folder, file), 'utf8'),
    /** The migration of this name, whatever its number. */
    migration(name: string) {
      const folderOf = join(folder, 'migrations')
      const file = readdirSync(folderOf).find((each) => each.endsWith(`_${name}.sql`))
      if (!file) throw new Error(`there is no migration ${name}`)
      return readFileSync(join(folderOf, file), 'utf8')
    },
    /** Replaces a text that must be there. */
    edit(file: string, from: string, to: string) {
      const before = readFileSync(join(folder, file), 'utf8')
      if (!before.includes(from)) throw new Error(`${file} does not have: ${from}`)
      writeFileSync(join(folder, file), before.replace(from, to))
    },
    /** Everything a script could have changed, for comparing. */
    state: () =>
      spawnSync('sh', ['-c', 'find src migrations public docs -type f | sort | xargs cksum'], {
        cwd: folder,
        encoding: 'utf8',
      }).stdout,
    remove: () => rmSync(folder, { recursive: true }),
  }
}
