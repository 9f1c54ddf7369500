import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../load/server.ts'

// From packed tarballs and outside the repository, on the machine's own Node: npm run test:package.
const root = join(import.meta.dirname, '..', '..')
const scratch = mkdtempSync(join(tmpdir(), 'freehold-package-'))
const project = join(scratch, 'my-api')
const NAMES = ['ants', 'bees', 'cats', 'dogs', 'elks', 'frogs', 'goats', 'hens', 'ibises', 'jays']

beforeAll(() => {
  pack(root, '0.1.0')
  const next = join(scratch, 'engine')
  const filter = (path: string) => !/\/(node_modules|\.git|dist|\.wrangler|coverage)$/.test(path)
  cpSync(root, next, { recursive: true, filter })
  for (const folder of ['', 'client']) {
    symlinkSync(join(root, folder, 'node_modules'), join(next, folder, 'node_modules'))
  }
  // What another version may bring: a table of the engine, a step of the pipeline, another document.
  edit(
    next,
    'src/engine/idempotency.ts',
    'outcome: text().notNull(),',
    'outcome: text().notNull(),\n    note: text(),',
  )
  edit(
    next,
    'src/app.ts',
    '  app.onError(onError)',
    `  app.use(async (c, following) => {\n    await following()\n    c.header('X-Next', 'yes')\n  })\n  app.onError(onError)`,
  )
  edit(next, 'openapi/document.ts', 'The same paths answer under', 'In the next version they answer under')
  run(next, 'node', 'scripts/migrate-new.ts')
  pack(next, '0.2.0')
}, 600_000)
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

test('a project of a team is made from nothing, follows to the next version with one command, and keeps its rows', async () => {
  const creator = join(scratch, '0.1.0', 'create-freehold-0.1.0.tgz')
  const first = ['--freehold', join(scratch, '0.1.0', 'freehold-0.1.0.tgz')]
  run(scratch, 'npm', 'exec', '--yes', `--package=${creator}`, '--', 'create-freehold', 'my-api', ...first)
  git('init', '--quiet')
  expect(tracked().length, tracked().join()).toBeLessThanOrEqual(15)

  const source = readFileSync(join(project, 'src/resources/notes.ts'), 'utf8')
  for (const name of NAMES) {
    writeFileSync(join(project, `src/resources/${name}.ts`), source.replaceAll('notes', name))
  }
  run(project, 'npm', 'run', 'migrate:new')
  run(project, 'npm', 'run', 'types')
  run(project, 'npm', 'exec', 'wrangler', '--', 'deploy', '--dry-run', '--outdir', join(scratch, 'bundle'))
  git('add', '--all')
  git('commit', '--quiet', '-m', 'Ten resources')

  await served(async (url, headers) => {
    for (const name of NAMES) {
      const body = JSON.stringify({ title: `One of the ${name}` })
      const { status } = await fetch(`${url}/api/me/${name}`, { method: 'POST', headers, body })
      expect([name, status]).toEqual([name, 201])
    }
    const document = await fetch(`${url}/openapi.json`).then((answer) => answer.text())
    expect(document).toContain('/api/{user_id}/jays/{id}')
    expect(JSON.parse(document).info).toMatchObject({ title: 'my-api', version: '0.1.0' })
    expect((await fetch(`${url}/docs`)).status).toBe(200)
  })

  run(project, 'npm', 'exec', 'freehold', '--', 'upgrade', join(scratch, '0.2.0', 'freehold-0.2.0.tgz'))
  const changed = git('status', '--porcelain').trim().split('\n')
  expect(changed.map((line) => line.trim())).toEqual([
    'M package-lock.json',
    'M package.json',
    expect.stringMatching(/^\?\? migrations\/\d{14}_freehold\.sql$/),
  ])

  await served(async (url, headers) => {
    const ready = await fetch(`${url}/ready`)
    expect([ready.status, ready.headers.get('X-Next')]).toEqual([200, 'yes'])
    for (const name of NAMES) {
      const answer = await fetch(`${url}/api/me/${name}`, { headers })
      expect(await answer.text()).toContain(`One of the ${name}`)
    }
    const document = await fetch(`${url}/openapi.json`).then((answer) => answer.text())
    expect(document).toContain('In the next version they answer under')
  })

  run(project, 'npm', 'run', 'generate')
  const clients = readdirSync(join(project, '.freehold')).filter((file) => file.endsWith('.tgz'))
  expect(clients).toEqual([expect.stringMatching(/^freehold-client-.*-api\.x[0-9a-f]{10}\.tgz$/)])
}, 900_000)

test('a project may begin without a resource, and passes its tests', () => {
  const tarballs = join(scratch, '0.1.0')
  const creator = join(tarballs, 'create-freehold-0.1.0.tgz')
  const freehold = ['--freehold', join(tarballs, 'freehold-0.1.0.tgz')]
  const create = ['exec', '--yes', `--package=${creator}`, '--', 'create-freehold', 'my-api-empty', '--empty']
  run(scratch, 'npm', ...create, ...freehold)
  const empty = join(scratch, 'my-api-empty')
  expect(readdirSync(join(empty, 'src/resources'))).toEqual(['index.ts'])
  run(empty, 'npm', 'run', 'types')
  run(empty, 'npm', 'test')
  run(empty, 'npm', 'exec', 'wrangler', '--', 'deploy', '--dry-run', '--outdir', join(scratch, 'empty'))
}, 900_000)

function pack(from: string, version: string): void {
  mkdirSync(join(scratch, version))
  const path = join(root, 'node_modules', '.bin') + delimiter + process.env.PATH
  const env = { ...process.env, PATH: path }
  execFileSync('node', ['scripts/pack.ts', '--version', version, '--out', join(scratch, version)], {
    cwd: from,
    env,
  })
}

/** Serves the project as `npm run dev` does, while something is done with it as a user. */
async function served(work: (url: string, headers: Record<string, string>) => Promise<void>): Promise<void> {
  const port = await freePort()
  const url = `http://localhost:${port}`
  const server = spawn('npm', ['run', 'dev', '--', '--port', String(port)], {
    cwd: project,
    env: machine(),
    detached: true,
  })
  let printed = ''
  for (const stream of [server.stdout, server.stderr])
    stream.on('data', (chunk) => (printed += String(chunk)))
  try {
    while (
      !(await fetch(`${url}/ready`).then(
        (answer) => answer.ok,
        () => false,
      ))
    ) {
      if (server.exitCode !== null) throw new Error(printed)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    const token = run(project, 'npm', 'run', '--silent', 'token', '--', 'ada').trim()
    await work(url, { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' })
  } finally {
    if (server.pid !== undefined) process.kill(-server.pid, 'SIGTERM')
    await new Promise((resolve) => server.on('exit', resolve))
  }
}

function run(folder: string, command: string, ...args: string[]): string {
  const env = folder.startsWith(project) || command === 'npm' ? machine() : process.env
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, env, encoding: 'utf8' })
  expect(status, `${command} ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

/** The environment of somebody who has none of this repository's tools. */
function machine(): NodeJS.ProcessEnv {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST|NODE_)/.test(name))
  return { ...Object.fromEntries(own), PATH: path.join(delimiter), CI: 'true' }
}

function tracked(): string[] {
  git('add', '--all')
  return git('ls-files')
    .trim()
    .split('\n')
    .filter((file) => file !== 'package-lock.json')
}

function git(...args: string[]): string {
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.com']
  return execFileSync('git', [...identity, ...args], { cwd: project, encoding: 'utf8' })
}

function edit(folder: string, file: string, from: string, to: string): void {
  const before = readFileSync(join(folder, file), 'utf8')
  if (!before.includes(from)) throw new Error(`${file} does not have: ${from}`)
  writeFileSync(join(folder, file), before.replace(from, to))
}
