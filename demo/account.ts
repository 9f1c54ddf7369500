import type { Client } from 'freehold-client'
import { find, say } from './page.ts'
import { activitySection, sessionsSection } from './account-history.ts'
import { element, reasonOf } from './account-parts.ts'
import { passkeysSection } from './account-passkeys.ts'
import { addressSection } from './account-password.ts'
import { providersSection } from './account-providers.ts'

const page = find('#account-page', HTMLDialogElement)

/** Where a provider sends the browser back to when it was added on the account page. */
const RETURN = '/?account'

/** Shows the account: its address, ways in, sessions and history, each with what ends or removes it. */
export async function showAccount(client: Client): Promise<void> {
  try {
    const account = await client.me()
    const parts = await Promise.all([
      passkeysSection(client),
      providersSection(client, new URL(RETURN, location.href).href),
      sessionsSection(client),
      activitySection(client),
    ])
    const heading = element('h1', { id: 'account-heading', tabIndex: -1 }, 'Your account')
    const close = element('button', { className: 'link' }, 'Close')
    close.onclick = () => page.close()
    const status = element('p', { id: 'account-status', className: 'told quiet', role: 'status' })
    page.replaceChildren(
      element('header', {}, heading, close),
      status,
      addressSection(client, account),
      ...parts.filter((part) => part !== undefined),
    )
    if (!page.open) page.showModal()
    heading.focus()
    page.scrollTop = 0
  } catch (error) {
    say(reasonOf(error))
  }
}

/** Shows the account if a provider has sent the browser back to it. */
export async function returnToAccount(client: Client): Promise<void> {
  if (location.search !== '?account') return
  history.replaceState(null, '', location.pathname + location.hash)
  if (await client.signedIn()) await showAccount(client)
}
