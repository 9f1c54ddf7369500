import type { Client } from 'freehold-client'
import { OfflineError, ProblemError } from 'freehold-client'
import { reasonOf } from './account-parts.ts'
import { endOffer, offerPasskeys, showWays } from './account-ways.ts'
import { find } from './page.ts'

const form = find('#sign-in form', HTMLFormElement)
const note = find('#sign-in-note', HTMLElement)
const submit = find('.primary', HTMLButtonElement, form)
const other = find('#other', HTMLButtonElement)
const forgot = find('#forgot', HTMLButtonElement)
const fields = { email: find('#email', HTMLInputElement), password: find('#password', HTMLInputElement) }
type Field = keyof typeof fields

/** Shows the form that creates an account or, for those who have one, logs in; resolves when that is done. */
export function signIn(client: Client, registered: boolean): Promise<void> {
  return new Promise((resolve) => {
    let isNew = !registered
    const email = () => fields.email.value
    function done(): void {
      endOffer()
      resolve()
    }

    function choose(): void {
      note.textContent = isNew
        ? 'An account of your own, for every device you have.'
        : 'Log in to pick up where you left off.'
      submit.textContent = isNew ? 'Create account' : 'Log in'
      other.textContent = isNew ? 'I have an account' : 'I am new here'
      forgot.hidden = isNew
      fields.password.autocomplete = isNew ? 'new-password' : 'current-password'
      tell({})
      showWays({ client, isNew, email, done, refused })
    }

    form.reset()
    choose()
    // Whoever is new is to see first what this is.
    if (!isNew) fields.email.focus()
    void offerPasskeys({ client, isNew, email, done, refused })

    forgot.onclick = async () => {
      if (!email()) return tell({ email: 'Say which address the mail goes to.' })
      try {
        await client.forgot(email())
        note.textContent = 'If there is an account with this address, it gets a mail with a link.'
        tell({})
      } catch (error) {
        refused(error)
      }
    }
    other.onclick = () => {
      isNew = !isNew
      choose()
    }
    form.onsubmit = async (event) => {
      event.preventDefault()
      submit.disabled = true
      const account = { email: email(), password: fields.password.value }
      try {
        if (isNew) await client.register(account)
        isNew = false
        await client.login(account)
        done()
      } catch (error) {
        refused(error)
      } finally {
        submit.disabled = false
      }
    }
  })
}

function refused(error: unknown): void {
  tell(faultsOf(error))
}

/** Puts what is wrong beside each field, and the focus on the first of them. */
function tell(faults: Partial<Record<Field, string>>): void {
  for (const name of ['password', 'email'] as const) {
    const fault = faults[name]
    find(`#${name}-error`, HTMLElement).textContent = fault ?? ''
    fields[name].ariaInvalid = fault ? 'true' : null
    if (fault) fields[name].focus()
  }
}

function faultsOf(error: unknown): Partial<Record<Field, string>> {
  if (error instanceof OfflineError || !(error instanceof ProblemError)) return { password: reasonOf(error) }
  if (error.type === 'email_taken') return { email: 'There is an account with this e-mail already.' }
  if (!error.errors.length) return { password: reasonOf(error) }
  return Object.fromEntries(error.errors.map((fault) => [fault.path, `It ${fault.message}.`]))
}
