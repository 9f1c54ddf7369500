import { ProblemError, type Client } from 'freehold-client'
import { find, say } from './page.ts'

const view = find('#proof', HTMLElement)
const form = find('#proof form', HTMLFormElement)
const heading = find('#proof-heading', HTMLElement)
const note = find('#proof-note', HTMLElement)
const password = find('#new-password', HTMLInputElement)
const label = find('#new-password-label', HTMLElement)
const fault = find('#new-password-error', HTMLElement)
const submit = find('.primary', HTMLButtonElement, form)

/**
 * Handles the link of a mail, whose token is in the address of this page; resolves when that is done, at once without one.
 * It waits for a click: some mail programs open every link, scripts and all.
 */
export function followLink(client: Client): Promise<void> {
  const [, purpose, token = ''] = /^#(reset|verify)=([\w-]+)$/.exec(location.hash) ?? []
  if (!purpose) return Promise.resolve()
  // It is nobody else's to see: not in the history, nor on a screen that is shared.
  history.replaceState(null, '', location.pathname)
  const resets = purpose === 'reset'
  heading.textContent = resets ? 'Set a new password' : 'Is this your account?'
  note.textContent = resets
    ? 'It ends every session of the account. Then log in with it.'
    : 'Confirm the address that the mail went to. If you did not ask for it, close this page.'
  submit.textContent = resets ? 'Set password' : 'Confirm address'
  for (const element of [password, label, fault]) element.hidden = !resets
  view.hidden = false
  heading.focus()
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault()
      submit.disabled = true
      try {
        await (resets ? client.reset({ token, new_password: password.value }) : client.verify(token))
        view.hidden = true
        say(resets ? 'Your password is set. Log in with it.' : 'Your address is verified.')
        resolve()
      } catch (error) {
        tell(error)
      } finally {
        submit.disabled = false
      }
    }
  })

  function tell(error: unknown): void {
    if (!(error instanceof ProblemError)) throw error
    const [first] = error.errors
    note.textContent = first ? note.textContent : (error.detail ?? error.message)
    fault.textContent = first ? `It ${first.message}.` : ''
  }
}
