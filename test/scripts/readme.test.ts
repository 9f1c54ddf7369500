import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrate, startServer, type Server } from '../../load/server.ts'

// The tour of the README is run as a reader would, in one shell, and each answer is held against what the README shows.
const root = join(import.meta.dirname, '..', '..')
const END = '--- end of an answer ---'
const folder = mkdtempSync(join(tmpdir(), 'freehold-readme-'))
let server: Server
beforeAll(async () => {
  migrate(folder)
  server = await startServer(folder)
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('the tour of the README prints what the README says', () => {
  const steps = stepsOf(section('A tour'))
  expect(steps.length).toBeGreaterThan(8)
  const script = steps.map(({ command }) => `${command}\necho\necho '${END}'`).join('\n')
  const { stdout, stderr } = spawnSync(
    'bash',
    ['-c', script.replaceAll('http://localhost:8787', server.url)],
    {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, PATH: join(root, 'node_modules', '.bin') + delimiter + process.env.PATH },
      timeout: 590_000,
    },
  )
  const answers = stdout.replaceAll('\r', '').split(`${END}\n`)
  const untrue = steps.flatMap(({ command, shown }, at) => {
    const answer = answers[at] ?? ''
    const lines = missing(shown, answer.split('\n'))
    return lines.length ? [{ command, lines, answer }] : []
  })
  expect(untrue, stderr).toEqual([])
})

/** What stands under a heading of the README. */
function section(heading: string): string {
  const [, text = ''] = readFileSync(join(root, 'README.md'), 'utf8').split(`\n## ${heading}\n`)
  return text.split('\n## ')[0] ?? ''
}

/** The commands of the shell blocks, each with the lines that are shown after it. A block without `$ ` shows nothing. */
function stepsOf(text: string): { command: string; shown: string[] }[] {
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block)
  return blocks.flatMap((block) =>
    block.startsWith('$ ')
      ? block
          .split(/^\$ /m)
          .slice(1)
          .map((step) => {
            const [, command = '', rest = ''] = /^((?:[^\n]*\\\n)*[^\n]*)\n(.*)$/s.exec(step) ?? []
            return { command, shown: rest.split('\n').filter(Boolean) }
          })
      : [{ command: block, shown: [] }],
  )
}

/** The lines that do not come, in this order, among those that were printed. `…` stands for anything. */
function missing(shown: readonly string[], printed: readonly string[]): string[] {
  let from = 0
  return shown.filter((line) => {
    const pattern = patternOf(line)
    const at = printed.findIndex((each, index) => index >= from && pattern.test(each))
    if (at >= 0) from = at + 1
    return at < 0
  })
}

/** Ids, times, revisions and tokens differ from run to run; all else is to be as it is shown. */
function patternOf(line: string): RegExp {
  const changing: [RegExp, string][] = [
    [/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/g, '[0-9a-f-]{36}'],
    [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\\\.\d{3}Z/g, '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z'],
    [/\b\d{13}\b/g, '\\d{13}'],
    [/"[\w-]+…"/g, '"[^"]+"'],
    [/…/g, '.*'],
  ]
  const escaped = line.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return new RegExp(`^${changing.reduce((text, [from, to]) => text.replaceAll(from, () => to), escaped)}$`)
}
