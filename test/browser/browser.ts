import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import { freePort, migrate, startServer } from '../../load/server.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const PLACES = [
  ...(process.env.PATH ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name))),
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

/** Where screenshots are put, to be looked at. */
const SCREENSHOTS = join(tmpdir(), 'freehold-screenshots')

/** The Chromium of this machine: `CHROMIUM_PATH`, or where one is usually found. Throws how to get one. */
function chromiumPath(): string {
  const { CHROMIUM_PATH } = process.env
  const found = CHROMIUM_PATH ? [CHROMIUM_PATH].find(existsSync) : PLACES.find(existsSync)
  if (found) return found
  throw new Error(
    CHROMIUM_PATH
      ? `There is no Chromium at CHROMIUM_PATH=${CHROMIUM_PATH}.`
      : 'The browser tests need Chromium or Chrome, and there is none. Install one (Debian and Ubuntu: ' +
          'apt install chromium; macOS: brew install --cask chromium), or set CHROMIUM_PATH to yours.',
  )
}

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
    browser = await chromium.launch({
      executablePath: chromiumPath(),
      args: [
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
        // A page that a test fulfils comes from no address, and may open no WebSocket to this machine's.
        '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets',
        // Chromium's sandbox refuses root, which is who runs in a container.
        ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ],
    })
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
