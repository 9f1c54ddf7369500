import { ProblemError, type Client } from 'freehold-client'
import { action, deviceOf, element, row, rows, section, tell, when } from './account-parts.ts'

/** Where the user is logged in, each with its end. */
export async function sessionsSection(client: Client): Promise<HTMLElement> {
  const { sessions } = await client.sessions()
  const items = sessions.map((session) => {
    const device = deviceOf(session.user_agent)
    const used = `used ${when(session.last_used_at)}`
    if (session.current) return row(device, ['this device', used])
    const made = row(
      device,
      [used, `since ${when(session.created_at)}`],
      action('End', `the session of ${device}`, async () => {
        await client.endSession(session.id).catch((error: unknown) => {
          if (!(error instanceof ProblemError) || error.status !== 404) throw error
        })
        made.remove()
        tell('That session has ended.')
      }),
    )
    return made
  })
  return section('Where you are logged in', '', rows(...items))
}

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

/** What happened to the account, newest first, a page at a time. */
export async function activitySection(client: Client): Promise<HTMLElement> {
  const list = rows()
  const more = element('div', { className: 'buttons' })
  async function show(cursor?: string): Promise<void> {
    const { activity, next_cursor } = await client.activity(cursor)
    const items = activity.map(({ event, at, address, user_agent }) =>
      row(EVENTS[event] ?? event, [when(at), deviceOf(user_agent), address ?? undefined]),
    )
    list.append(...items)
    more.replaceChildren()
    if (next_cursor !== null) more.append(action('Show earlier', 'events', () => show(next_cursor)))
  }
  await show()
  return section(
    'What happened',
    'The last 90 days. If something here was not you, change the password.',
    list,
    more,
  )
}
