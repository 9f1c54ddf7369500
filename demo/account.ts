import { ProblemError, type Client } from 'freehold-client'
import { find, say } from './page.ts'

const dialog = find('#account-page', HTMLDialogElement)
const [sessions, activity] = [find('#sessions', HTMLElement), find('#activity', HTMLElement)]

/** What the events of an account are called. */
const EVENTS: Record<string, string> = {
  login_password: 'Logged in by password',
  login_passkey: 'Logged in by passkey',
  login_provider: 'Logged in with a provider',
  login_guest: 'Started as a guest',
  login_failed: 'Somebody tried a wrong password',
  refresh_token_reused: 'A token was used twice, so its session ended',
  password_refused: 'Gave a wrong current password',
  password_changed: 'Changed the password',
  password_reset: 'Set a new password by mail',
  email_verified: 'Verified the address',
  email_change_requested: 'Asked for another address',
  email_changed: 'Changed the address',
  passkey_added: 'Added a passkey',
  passkey_removed: 'Removed a passkey',
  identity_added: 'Added a provider',
  identity_removed: 'Removed a provider',
  session_ended: 'A session ended',
  exported: 'Exported everything',
  admin_access: 'An administrator looked in',
}

/** Shows where the user is signed in, each with its end, and what happened to the account. */
export async function showAccount(client: Client): Promise<void> {
  const [here, happened] = await Promise.all([client.sessions(), client.activity()])
  sessions.replaceChildren(
    ...here.sessions.map((session) => {
      const item = entry(session.user_agent ?? 'Unknown device', session.created_at)
      if (session.current) {
        item.append(quiet('this device'))
        return item
      }
      const end = document.createElement('button')
      end.className = 'link'
      end.textContent = 'End'
      end.onclick = async () => {
        await client.endSession(session.id).catch((error: unknown) => {
          if (!(error instanceof ProblemError) || error.status !== 404) throw error
        })
        item.remove()
        say('That session has ended.')
      }
      item.append(end)
      return item
    }),
  )
  activity.replaceChildren(
    ...happened.activity.flatMap(({ event, at, address }) => {
      const name = EVENTS[event]
      if (name === undefined) return []
      const item = entry(name, at)
      if (address !== null) item.append(quiet(address))
      return [item]
    }),
  )
  if (!dialog.open) dialog.showModal()
}

function entry(text: string, at: string): HTMLElement {
  const item = document.createElement('li')
  const time = quiet(new Date(at).toLocaleString())
  item.append(text, ' ', time, ' ')
  return item
}

function quiet(text: string): HTMLElement {
  const element = document.createElement('span')
  element.className = 'quiet'
  element.textContent = text
  return element
}
