import type { Page } from 'playwright-core'

/** Gives a page authenticators that know their user, which the debugger plays (CDP, WebAuthn). */
export async function useDevices(page: Page) {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable', { enableUI: false })
  return async function device(transport: 'internal' | 'usb') {
    const options = {
      protocol: 'ctap2',
      transport,
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    } as const
    const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options })
    return {
      credentials: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
      away: () => cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }),
    }
  }
}
