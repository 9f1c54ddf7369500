import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useBrowser } from './browser.ts'
import { newFrontend } from './frontend.ts'

const chromium = useBrowser()
const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8')
const [, example = ''] = /```ts\n(\/\/ src\/main\.ts\n.*?)```/s.exec(readme) ?? []

let app: Awaited<ReturnType<typeof newFrontend>>

beforeAll(async () => {
  expect(example).toContain('http://localhost:8787')
  app = await newFrontend({ 'main.ts': example.replace('http://localhost:8787', chromium.url) })
})
afterAll(() => app.close())

/** Opens the application at one of its names. Resolves to all that a developer sees in the console until it has ended. */
async function consoleOf(host: string): Promise<string[]> {
  const origin = `http://${host}:${app.port}`
  const { page, close } = await chromium.open('about:blank', {}, [origin, chromium.url])
  const lines: string[] = []
  page.on('console', (message) => lines.push(message.text()))
  page.on('pageerror', ({ name, message }) => lines.push(`${name}: ${message}`))
  await page.goto(origin)
  await expect.poll(() => lines.join('\n'), { timeout: 50_000 }).toMatch(/pending|Error: /)
  await close()
  return lines
}

test('README’s frontend runs in a Vite application on localhost, on the packed client', async () => {
  expect(await consoleOf('localhost')).toContain('Water the plants pending')
})

test('a page of another address is told that its origin is refused, in the words of README', async () => {
  const lines = await consoleOf('127.0.0.1')
  const asInReadme = (line: string) =>
    line.replaceAll(chromium.url, 'http://localhost:8787').replaceAll(`:${app.port}`, ':5173')
  const said = lines.map(asInReadme).filter((line) => readme.includes(line))
  expect(said).toEqual([
    expect.stringMatching(/^Access to fetch at .* has been blocked by CORS policy/),
    expect.stringMatching(/^OriginRefusedError: /),
  ])
})

test('a server that is not there is told as being offline', async () => {
  await chromium.stop()
  try {
    expect(await consoleOf('localhost')).toContain('OfflineError: No answer')
  } finally {
    await chromium.start()
  }
})
