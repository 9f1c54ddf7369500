import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'

const client = join(import.meta.dirname, '..', '..', 'client')

beforeAll(() => {
  rmSync(join(client, 'dist'), { recursive: true, force: true })
  execFileSync(join(client, 'node_modules', '.bin', 'tsc'), ['-p', join(client, 'tsconfig.build.json')])
})

test('the package holds the built client, its types and its README, and nothing else', () => {
  const packed = execFileSync('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], { cwd: client })
  const [{ files }] = JSON.parse(packed.toString())
  const names: string[] = files.map(({ path }: { path: string }) => path)
  const modules = names.filter((name) => name.endsWith('.js')).map((name) => name.slice(0, -'.js'.length))
  expect(modules).toContain('dist/index')
  expect(names.toSorted()).toEqual(
    ['README.md', 'package.json', ...modules.flatMap((name) => [`${name}.js`, `${name}.d.ts`])].toSorted(),
  )
  const { exports } = JSON.parse(readFileSync(join(client, 'package.json'), 'utf8'))
  for (const file of Object.values<string>(exports['.'])) expect(names).toContain(file.replace('./', ''))
})

test('every example of its README type-checks against what is published', () => {
  const readme = readFileSync(join(client, 'README.md'), 'utf8')
  const examples = Array.from(readme.matchAll(/^```ts\n(.*?)^```/gms), ([, code]) => code)
  expect(examples.length).toBeGreaterThan(5)
  const folder = mkdtempSync(join(client, 'dist', 'readme-'))
  try {
    const given = 'declare function getToken(options: { fresh: boolean }): Promise<string>\n'
    writeFileSync(join(folder, 'examples.ts'), given + examples.join(''))
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      'false',
      '--target',
      'es2023',
      '--module',
      'preserve',
    ]
    execFileSync('tsc', ['--ignoreConfig', ...options, join(folder, 'examples.ts')])
  } catch (error) {
    expect.fail(String(error instanceof Error && 'stdout' in error ? error.stdout : error))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
