import type { Account, Client } from 'freehold-client'
import { action, attempt, element, row, rows, section, tell } from './account-parts.ts'

/** The address and the password: prove the one, change the other. */
export function addressSection(client: Client, { email, email_verified }: Account): HTMLElement {
  if (email === null) {
    return section('Address', 'You try this without an account. Add an e-mail to keep what you have.')
  }
  const prove = action('Verify', email, async () => {
    await client.sendVerification()
    tell(`A mail with a link is on its way to ${email}.`)
  })
  const address = row(
    email,
    [email_verified ? 'verified' : 'not verified yet'],
    ...(email_verified ? [] : [prove]),
  )

  const current = element('input', { type: 'password', autocomplete: 'current-password', required: true })
  const next = element('input', { type: 'password', autocomplete: 'new-password', required: true })
  const save = element('button', { className: 'secondary' }, 'Change it')
  const change = element(
    'form',
    { className: 'stacked' },
    // Password managers ask whose it is.
    element('input', { type: 'email', autocomplete: 'username', value: email, hidden: true, readOnly: true }),
    element('label', {}, 'The one you have', current),
    element('label', {}, 'The new one', next),
    save,
  )
  change.onsubmit = (event) => {
    event.preventDefault()
    void attempt(save, async () => {
      await client.changePassword({ current_password: current.value, new_password: next.value })
      change.reset()
      folded.open = false
      tell('Your password is changed, and every other session has ended.')
    })
  }
  const forgot = action('Mail a link instead', 'to set the password', async () => {
    await client.forgot(email)
    tell(`A mail with a link is on its way to ${email}.`)
  })
  const folded = element('details', {}, element('summary', {}, 'Change the password'), change, forgot)
  return section('Address and password', '', rows(address), folded)
}
