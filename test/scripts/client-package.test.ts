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
  const parts: Record<string, Record<string, string>> = exports
  for (const { types, default: code } of Object.values(parts)) {
    for (const file of [types, code]) if (file) expect(names).toContain(file.replace('./', ''))
  }
})

test('every example of its README type-checks against what is published', () => {
  const readme = readFileSync(join(client, 'README.md'), 'utf8')
  const examplesIn = (language: string) =>
    Array.from(readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms')), ([, code]) => code)
  expect([examplesIn('ts').length > 5, examplesIn('tsx').length]).toEqual([true, 2])
  const folder = mkdtempSync(join(client, 'dist', 'readme-'))
  try {
    const given = 'declare function getToken(options: { fresh: boolean }): Promise<string>\n'
    check(join(folder, 'examples.ts'), given + examplesIn('ts').join(''))
    check(join(folder, 'react.tsx'), examplesIn('tsx').join(''))
  } catch (error) {
    expect.fail(String(error instanceof Error && 'stdout' in error ? error.stdout : error))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function check(file: string, code: string): void {
  writeFileSync(file, code)
  const options = ['--strict', '--target', 'es2023', '--module', 'preserve', '--jsx', 'react-jsx']
  execFileSync('tsc', ['--ignoreConfig', '--noEmit', '--skipLibCheck', 'false', ...options, file])
}
