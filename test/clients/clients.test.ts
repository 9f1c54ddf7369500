import { execFile, spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort, migrate, startServer, type Server } from '../../load/server.ts'
import { developmentToken } from '../../scripts/token.ts'

// Clients that other people's generators make of the document: each compiles, strictly, and makes a round trip with the
// Worker. The generators come from npm, PyPI and Maven when the tests run, and are no dependencies of ours.

const GENERATOR = 'org.openapitools:openapi-generator-cli:7.25.0'
const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'freehold-clients-'))
let server: Server

beforeAll(async () => {
  migrate(join(folder, 'd1'))
  server = await startServer(join(folder, 'd1'), await freePort())
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('openapi-typescript and orval: TypeScript', async () => {
  const home = homeOf('typescript')
  await run(home, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund')
  await run(
    home,
    join(root, 'client', 'node_modules', '.bin', 'openapi-typescript'),
    'openapi.json',
    '-o',
    'schema.ts',
  )
  await run(home, join(home, 'node_modules', '.bin', 'orval'), '--config', 'orval.config.mjs')
  await run(home, 'tsc', '--project', '.', '--typeRoots', join(root, 'node_modules', '@types'))
  await run(home, 'node', 'openapi-fetch.ts', server.url, await newToken())
  await run(home, 'node', 'orval.ts', server.url, await newToken())
})

describe.skipIf(isMissing('python3', '-m', 'venv', '--help'))('Python', () => {
  let home: string
  let bin: string
  beforeAll(async () => {
    home = homeOf('python', 'openapi.v1.json')
    bin = join(home, 'venv', 'bin')
    await run(home, 'python3', '-m', 'venv', 'venv')
    await run(home, join(bin, 'pip'), 'install', '--quiet', '--requirement', 'requirements.txt')
  }, 600_000)

  test('openapi-python-client, at the pinned version', async () => {
    const target = ['--output-path', 'generated', '--meta', 'none', '--fail-on-warning']
    await run(home, join(bin, 'openapi-python-client'), 'generate', '--path', 'openapi.json', ...target)
    await run(home, join(bin, 'python'), '-m', 'compileall', '-q', 'generated')
    // What is strict is our use of it: the base class that it generates has faults of its own.
    await run(home, join(bin, 'mypy'), '--strict', '--follow-imports=silent', 'round_trip.py')
    await run(home, join(bin, 'python'), 'round_trip.py', server.url, await newToken())
  })

  test('requests and Authlib, as docs/python.md has it, and the session renews its token by itself', async () => {
    const page = readFileSync(join(root, 'docs', 'python.md'), 'utf8')
    const [, code = ''] = /^```python\n(.*?)^```/ms.exec(page) ?? []
    const [, printed = ''] =
      /^```\n(.*?)^```/ms.exec(page.slice(page.indexOf(code) + code.length + '```'.length)) ?? []
    const renewal = `
old = session.token["refresh_token"]
session.token["expires_at"] = 0
print(session.get(tasks).status_code, session.token["refresh_token"] != old)
`
    writeFileSync(join(home, 'newcomer.py'), code.replace('http://localhost:8787', server.url) + renewal)
    expect(await run(home, join(bin, 'python'), 'newcomer.py')).toBe(`${printed}200 True\n`)
  })
})

test.skipIf(isMissing('mvn', '--version'))('openapi-generator: Java', async () => {
  const home = homeOf('java')
  await run(home, 'mvn', '-q', 'dependency:copy', `-Dartifact=${GENERATOR}`, '-DoutputDirectory=.')
  const jar = `openapi-generator-cli-${GENERATOR.split(':').at(-1)}.jar`
  // Without the first, it leaves out the model of a form that it refers to.
  const only = 'skipFormModel=false,modelTests=false,apiTests=false,modelDocs=false,apiDocs=false'
  const options = ['-g', 'java', '--library', 'native', '--additional-properties', 'openApiNullable=false']
  await run(
    home,
    'java',
    '-jar',
    jar,
    'generate',
    '-i',
    'openapi.json',
    '-o',
    '.',
    '--global-property',
    only,
    ...options,
  )
  copyFileSync(join(home, 'RoundTrip.java'), join(home, 'src', 'main', 'java', 'RoundTrip.java'))
  await run(home, 'mvn', '-q', 'compile', 'dependency:build-classpath', '-Dmdep.outputFile=classpath')
  const classpath = readFileSync(join(home, 'classpath'), 'utf8')
  const classes = ['target/classes', classpath.trim()].join(delimiter)
  await run(home, 'java', '-cp', classes, 'RoundTrip', server.url, await newToken())
})

/** A folder with the round trip in a language and a document. */
function homeOf(language: string, document = 'openapi.json'): string {
  const home = join(folder, language)
  mkdirSync(home)
  cpSync(join(import.meta.dirname, language), home, { recursive: true })
  copyFileSync(join(root, 'public', document), join(home, 'openapi.json'))
  return home
}

/** A token of a user whom nobody was before. */
function newToken(): Promise<string> {
  return developmentToken(`client-${uuidv7()}`)
}

/** Whether this machine lacks a tool; says so, because its test is skipped then. */
function isMissing(tool: string, ...args: string[]): boolean {
  const missing = spawnSync(tool, args, { stdio: 'ignore' }).status !== 0
  if (missing)
    console.warn(`SKIPPED: there is no ${tool} here, so the client in its language is not generated.`)
  return missing
}

/** Runs a command to its end, and resolves to what it printed. Fails with that and its errors. */
async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  const env = {
    ...process.env,
    API_URL: server.url,
    PATH: [join(cwd, 'venv', 'bin'), process.env.PATH].join(delimiter),
  }
  try {
    const { stdout } = await promisify(execFile)(command, args, { cwd, env, maxBuffer: 2 ** 26 })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return expect.fail(`${command} ${args.join(' ')}\n${stdout}${stderr}`)
  }
}
