import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as z from 'zod'

const overrides = z.record(z.string(), z.union([z.string(), z.record(z.string(), z.string())]))
const manifest = z.looseObject({
  workspaces: z.array(z.string()).default([]),
  overrides: overrides.default({}),
})
const dependencies = z.record(z.string(), z.string()).default({})
const lockfile = z.object({
  packages: z.record(z.string(), z.object({ optionalDependencies: dependencies })),
})

/**
 * The overrides of a project and those among them that steer nothing any more: without them, the versions in the lockfile
 * are what every package asks for. Needs no network.
 */
export function overridesOf(project: string): { all: string[]; idle: string[] } {
  const { overrides: steered, ...rest } = manifest.parse(readJson(join(project, 'package.json')))
  const all = Object.entries(steered).flatMap(([name, value]) =>
    typeof value === 'string' ? [name] : Object.keys(value),
  )
  const scratch = mkdtempSync(join(tmpdir(), 'freehold-overrides-'))
  try {
    writeFileSync(join(scratch, 'package.json'), JSON.stringify(rest))
    for (const file of ['package-lock.json', ...rest.workspaces.map((name) => join(name, 'package.json'))]) {
      mkdirSync(dirname(join(scratch, file)), { recursive: true })
      copyFileSync(join(project, file), join(scratch, file))
    }
    const list = ['ls', '--all', '--json', '--package-lock-only', '--loglevel=silent']
    const { stdout } = spawnSync('npm', list, { cwd: scratch, encoding: 'utf8' })
    const { problems } = z.object({ problems: z.array(z.string()).default([]) }).parse(JSON.parse(stdout))
    return {
      all,
      idle: all.filter((name) => !problems.some((problem) => problem.startsWith(`invalid: ${name}@`))),
    }
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** The optional packages, one for each platform, that a lockfile lacks: what needs them breaks on other machines. */
export function missingPlatforms(lock: unknown): string[] {
  const { packages } = lockfile.parse(lock)
  return Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !ancestorsOf(path).some((above) => `${above}node_modules/${name}` in packages),
    ),
  )
}

/** The folders that a package looks into for another one: its own and every one above it. */
function ancestorsOf(path: string): string[] {
  const parts = path.split(/(?<=\/)(?=node_modules\/)/)
  return parts.map((_, end) => parts.slice(0, end).join('')).concat(path ? `${path}/` : '')
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
