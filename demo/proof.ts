import type { Client } from 'freehold-client'
import { element, reasonOf } from './account-parts.ts'
import { find, say } from './page.ts'

const view = find('#proof', HTMLElement)
const form = find('#proof form', HTMLFormElement)
const heading = find('#proof-heading', HTMLElement)
const note = find('#proof-note', HTMLElement)
const submit = find('.primary', HTMLButtonElement, form)

/**
 * Handles the link of a mail, whose token is in the address of this page; resolves when that is done, at once without one.
 * It waits for a click: some mail programs open every link, scripts and all.
 */
export async function followLink(client: Client): Promise<void> {
  const [, purpose, token = ''] = /^#(reset|verify)=([\w-]+)$/.exec(location.hash) ?? []
  if (!purpose) return
  // It is nobody else's to see: not in the history, nor on a screen that is shared.
  history.replaceState(null, '', location.pathname)
  const resets = purpose === 'reset'
  const password = element('input', { id: 'new-password', type: 'password', autocomplete: 'new-password' })
  const fault = element('p', { className: 'error', role: 'alert' })
  const label = element('label', { htmlFor: 'new-password' }, 'New password')
  heading.textContent = resets ? 'Set a new password' : 'Is this your account?'
  note.textContent = resets
    ? 'It ends every session of the account. Then log in with it.'
    : (await client.signedIn())
      ? 'Confirm the address that the mail went to.'
      : 'Confirm only if you made the account yourself. If you did not, somebody else has a password to it: close ' +
        'this page, choose “Forgot the password?” with this address, and the account is yours alone.'
  submit.textContent = resets ? 'Set password' : 'Confirm address'
  form.prepend(...(resets ? [label, password] : []), fault)
  view.hidden = false
  heading.focus()
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault()
      submit.disabled = true
      try {
        await (resets ? client.reset({ token, new_password: password.value }) : client.verify(token))
        view.remove()
        say(resets ? 'Your password is set. Log in with it.' : 'Your address is verified.')
        resolve()
      } catch (error) {
        fault.textContent = reasonOf(error)
      } finally {
        submit.disabled = false
      }
    }
  })
}
