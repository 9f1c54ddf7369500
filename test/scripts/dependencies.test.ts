import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { missingPlatforms, overridesOf } from '../../scripts/dependencies.ts'
import { scalarPage } from '../../scripts/scalar.ts'

const scratch = mkdtempSync(join(tmpdir(), 'freehold-dependencies-'))
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

/** A project whose one dependency asks for version 1 of another, which an override replaces. */
function projectWith(override: string) {
  mkdirSync(scratch, { recursive: true })
  const manifest = { name: 'project', version: '1.0.0', dependencies: { asks: '1.0.0' } }
  const packages = {
    '': manifest,
    'node_modules/asks': { version: '1.0.0', dependencies: { steered: '^1.0.0' } },
    'node_modules/steered': { version: override },
  }
  const steered = { ...manifest, overrides: { asks: { steered: override } } }
  writeFileSync(join(scratch, 'package.json'), JSON.stringify(steered))
  writeFileSync(join(scratch, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages }))
  return scratch
}

test('an override is needed while a package asks for something else', () => {
  expect(overridesOf(projectWith('2.0.0'))).toEqual({ all: ['steered'], idle: [] })
})

test('an override is idle once every package accepts what it says', () => {
  expect(overridesOf(projectWith('1.4.0'))).toEqual({ all: ['steered'], idle: ['steered'] })
})

test('a platform that the lockfile has nowhere above a package is missing', () => {
  const packages = {
    '': {},
    'node_modules/native': { optionalDependencies: { 'native-linux': '1', 'native-darwin': '1' } },
    'node_modules/native-linux': {},
    'node_modules/user/node_modules/native': { optionalDependencies: { 'native-linux': '1' } },
  }
  expect(missingPlatforms({ packages })).toEqual(['native-darwin'])
})

test('the reference page comes out of its package, and a damaged copy is fetched again', () => {
  const page = join(scratch, 'docs', 'scalar.js')
  mkdirSync(join(scratch, 'docs'), { recursive: true })
  writeFileSync(page, 'damaged')
  expect(scalarPage(page)).toBe(page)
  expect(readFileSync(page, 'utf8')).toContain('createApiReference')
})
