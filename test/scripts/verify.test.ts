import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort, migrate, startServer, type Server } from '../../load/server.ts'
import { developmentToken } from '../../scripts/token.ts'
import type { Result } from '../../verify/report.ts'

// That each planted fault turns its own check red takes minutes: verify/plant.ts, run by hand.
const folder = mkdtempSync(join(tmpdir(), 'freehold-verify-'))
let server: Server
beforeAll(async () => {
  migrate(folder)
  server = await startServer(folder)
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('the real Worker passes as two users, and what was made is put into their trash', async () => {
  const users = [await newToken(), await newToken()]
  const { status, stdout } = await verify(
    server.url,
    '--json',
    '--only',
    'projects',
    ...users.flatMap((token) => ['--token', token]),
  )
  const { passed, results }: { passed: boolean; results: Result[] } = JSON.parse(stdout)
  expect(results.filter(({ outcome }) => outcome === 'failed')).toEqual([])
  expect([status, passed]).toEqual([0, true])
  const subjects = new Set(
    results.filter(({ outcome }) => outcome === 'passed').map(({ subject }) => subject),
  )
  expect([...subjects]).toEqual(
    expect.arrayContaining(['isolation', 'concurrency', 'sync', 'openapi', 'run']),
  )
  for (const token of users) {
    const left = await fetch(`${server.url}/api/me/projects`, {
      headers: { Authorization: `Bearer ${token}` },
    })
    expect(await left.json()).toMatchObject({ count: 0 })
  }
})

test('with one user, the isolation of two is reported as not checked', async () => {
  const token = await newToken()
  const { status, stdout } = await verify(server.url, '--only', 'projects', '--token', token)
  expect(status, stdout).toBe(0)
  expect(stdout).toMatch(/^· isolation: another user's path .*: it takes two users/m)
  expect(stdout).not.toMatch(/^✓ isolation.*another user/m)
  expect(stdout).not.toContain(token)
})

test('what cannot be verified is told apart from what fails, by exit code', async () => {
  const nowhere = `http://localhost:${await freePort()}`
  for (const args of [
    [],
    ['ftp://localhost'],
    [nowhere],
    [server.url, '--nonsense'],
    [server.url, '--token', 'x'],
  ]) {
    const { status, stderr } = await verify(...args)
    expect([status, stderr]).toEqual([2, expect.stringMatching(/Usage:|cannot be verified/)])
  }
  expect(await verify('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--origin') })
})

function newToken(): Promise<string> {
  return developmentToken(`verify-${crypto.randomUUID()}`)
}

function verify(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const options = { encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 } as const
  return new Promise((resolve) => {
    execFile('node', ['scripts/verify.ts', ...args], options, (error, stdout, stderr) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr })
    })
  })
}
