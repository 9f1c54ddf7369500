import { buildSync } from 'esbuild'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

const root = join(import.meta.dirname, '..')
const { outputFiles } = buildSync({
  entryPoints: [join(root, 'client', 'src', 'index.ts')],
  bundle: true,
  format: 'iife',
  globalName: 'freehold',
  write: false,
})
const script = outputFiles.map(({ text }) => text).join('')

/** An empty page of an origin, with the client as `freehold`, in a tab that is open already. */
export async function openHarness(page: Page, origin: string): Promise<Page> {
  await page.route(`${origin}/harness`, (route) =>
    route.fulfill({
      contentType: 'text/html',
      body: `<!doctype html><title>Harness</title><link rel="icon" href="data:,"><script>${script}</script>`,
    }),
  )
  await page.goto(`${origin}/harness`)
  return page
}

/** Runs the body of an async function in a page. Resolves to what it returns. */
export function run<Result>(page: Page, body: string): Promise<Result> {
  return page.evaluate(`(async () => { ${body} })()`)
}
