import { OfflineError, ProblemError, type Client } from 'freehold-client'
import { find } from './page.ts'

const form = find('#sign-in form', HTMLFormElement)
const note = find('#sign-in-note', HTMLElement)
const [submit, other] = [find('.primary', HTMLButtonElement, form), find('.link', HTMLButtonElement, form)]
const forgot = find('#forgot', HTMLButtonElement)
const fields = { email: find('#email', HTMLInputElement), password: find('#password', HTMLInputElement) }
type Field = keyof typeof fields

/** Shows the form that creates an account or, for those who have one, logs in; resolves when that is done. */
export function signIn(client: Client, registered: boolean): Promise<void> {
  let isNew = !registered
  form.reset()
  choose()
  fields.email.focus()

  function choose(): void {
    note.textContent = isNew
      ? 'They keep up with each other, and work while the server is away. Create an account to try.'
      : 'Log in to pick up where you left off.'
    submit.textContent = isNew ? 'Create account' : 'Log in'
    other.textContent = isNew ? 'I have an account' : 'I am new here'
    fields.password.autocomplete = isNew ? 'new-password' : 'current-password'
    tell({})
  }
  forgot.onclick = async () => {
    const email = fields.email.value
    if (!email) return tell({ email: 'Say which address the mail goes to.' })
    try {
      await client.forgot(email)
      note.textContent = 'If there is an account with this address, it gets a mail with a link.'
      tell({})
    } catch (error) {
      tell(faultsOf(error))
    }
  }
  other.onclick = () => {
    isNew = !isNew
    choose()
  }

  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault()
      submit.disabled = true
      const account = { email: fields.email.value, password: fields.password.value }
      try {
        if (isNew) await client.register(account)
        isNew = false
        await client.login(account)
        resolve()
      } catch (error) {
        tell(faultsOf(error))
      } finally {
        submit.disabled = false
      }
    }
  })
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
  if (error instanceof OfflineError)
    return { password: 'The server cannot be reached. Try again in a while.' }
  if (!(error instanceof ProblemError)) throw error
  if (error.type === 'email_taken') return { email: 'There is an account with this e-mail already.' }
  if (error.type === 'rate_limited') return { password: 'Too many tries. Wait a minute, then try again.' }
  const { errors, detail, message } = error
  if (!errors.length) return { password: detail ?? message }
  return Object.fromEntries(errors.map((fault) => [fault.path, `It ${fault.message}.`]))
}
