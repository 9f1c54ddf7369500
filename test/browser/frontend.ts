import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createServer } from 'vite'
import { freePort } from '../../load/server.ts'

const root = join(import.meta.dirname, '..', '..')
const require = createRequire(join(root, 'client', 'package.json'))

/** Where a package is installed that does not say so itself. */
function folderOf(name: string): string {
  const found = (require.resolve.paths(name) ?? [])
    .map((modules) => join(modules, name))
    .find((folder) => existsSync(join(folder, 'package.json')))
  if (found === undefined) throw new Error(`${name} is not installed`)
  return found
}

/**
 * A Vite application outside the repository, on the client as it is published: unpacked from its tarball, beside the
 * packages that it names and those that the application does. Its page is at every name of this machine.
 */
export async function newFrontend(files: Record<string, string>, packages: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-frontend-'))
  const modules = join(folder, 'node_modules')
  const client = join(modules, 'freehold-client')
  mkdirSync(client, { recursive: true })
  execFileSync(join(root, 'client', 'node_modules', '.bin', 'tsc'), ['-p', 'client/tsconfig.build.json'], {
    cwd: root,
  })
  const packing = [
    'pack',
    '--silent',
    '--ignore-scripts',
    '--workspace',
    'client',
    '--pack-destination',
    folder,
  ]
  const tarball = execFileSync('npm', packing, { cwd: root, encoding: 'utf8' }).trim()
  execFileSync('tar', ['-xzf', join(folder, tarball), '-C', client, '--strip-components', '1'])
  for (const name of ['openapi-fetch', 'idb-keyval', ...packages]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(realpathSync(folderOf(name)), join(modules, name))
  }
  const page = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/main.ts"></script>'
  const options = JSON.stringify({ compilerOptions: { jsx: 'react-jsx' } })
  for (const [name, text] of Object.entries({ 'index.html': page, 'tsconfig.json': options, ...files })) {
    writeFileSync(join(folder, name), text)
  }
  const port = await freePort()
  const server = await createServer({
    root: folder,
    configFile: false,
    logLevel: 'silent',
    server: { port, strictPort: true, host: '127.0.0.1' },
  })
  await server.listen()
  return {
    port,
    async close() {
      await server.close()
      rmSync(folder, { recursive: true })
    },
  }
}
