import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import { launchChromium } from '../../load/chromium.ts'
import { freePort, migrate, startServer } from '../../load/server.ts'

/** Where screenshots are put, to be looked at. */
const SCREENSHOTS = join(tmpdir(), 'freehold-screenshots')

/**
 * A Chromium, and the Worker in development on data of its own, for all the tests of a file. No name but localhost
 * resolves: the network is off.
 */
export function useBrowser() {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-browser-'))
  let browser: Browser | undefined
  let server: Awaited<ReturnType<typeof startServer>> | undefined
  let port = 0

  beforeAll(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true })
    browser = await launchChromium()
    migrate(folder)
    port = await freePort()
    server = await startServer(folder, port)
  })
  afterAll(async () => {
    await browser?.close()
    await server?.stop()
    rmSync(folder, { recursive: true })
  })

  const origin = () => server?.url ?? ''
  return {
    /** The origin of the Worker. */
    get url() {
      return origin()
    },
    /** Takes the server away; `start` brings it back, with the same data. */
    stop: async () => server?.stop(),
    async start() {
      server = await startServer(folder, port)
    },
    /**
     * A page of a browser that nothing is stored in, and all that goes wrong in it: errors on its console, exceptions,
     * violations of the content security policy, requests to another origin than those allowed. `tab` opens another.
     */
    async open(url: string, options: BrowserContextOptions = {}, origins: readonly string[] = [origin()]) {
      if (!browser) throw new Error('the browser is not there yet')
      const context = await browser.newContext(options)
      const faults: string[] = []
      async function tab() {
        const page = await context.newPage()
        page.on('pageerror', (error) => faults.push(error.message))
        page.on('console', (message) => {
          if (message.type() === 'error') faults.push(`${message.text()} ${message.location().url}`)
        })
        page.on('request', (request) => {
          const { origin: asked, protocol } = new URL(request.url())
          const isLocal = protocol === 'data:' || protocol === 'blob:'
          if (!isLocal && !origins.includes(asked)) faults.push(`request to ${request.url()}`)
        })
        await page.addInitScript(
          `addEventListener('securitypolicyviolation', (event) =>
            console.error('blocked by ' + event.violatedDirective + ': ' + event.blockedURI))`,
        )
        await page.goto(url)
        return page
      }
      return { page: await tab(), tab, faults, close: () => context.close() }
    },
  }
}

/** Keeps what a page looks like now. */
export async function screenshot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) })
}
