import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const PLACES = [
  ...(process.env.PATH ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name))),
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

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

/** A Chromium for which no name but localhost resolves: the network is off. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath(),
    args: [
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
      // A page that a test fulfils comes from no address, and may open no WebSocket to this machine's.
      '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets',
      // Chromium's sandbox refuses root, which is who runs in a container.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ],
  })
}
