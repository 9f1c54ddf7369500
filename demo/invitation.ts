import { ProblemError, type Client } from 'freehold-client'
import { element, reasonOf } from './account-parts.ts'
import type { Lists } from './lists.ts'
import { find, say } from './page.ts'

const invited = find('#invited', HTMLElement)

/** Where a token waits until somebody has signed in, for as long as the tab lives: a provider may lead away from the page. */
const KEPT = 'invitation'

/** Takes the token of an invitation out of the address of this page: it is nobody else's to see. */
export function takeInvitation(): void {
  const [, token] = /^#invitation=([\w-]+)$/.exec(location.hash) ?? []
  if (!token) return
  history.replaceState(null, '', location.pathname)
  sessionStorage.setItem(KEPT, token)
}

/** Says to somebody who is not signed in what the link was for. */
export function showInvited(isSignedIn: boolean): void {
  invited.hidden = isSignedIn || sessionStorage.getItem(KEPT) === null
}

/** Asks whether to join by the invitation whose link was opened, and joins; at once when there was none. */
export function answerInvitation(client: Client, lists: Lists): void {
  const token = sessionStorage.getItem(KEPT)
  if (token === null || document.querySelector('#joining')) return
  const heading = element('h2', { id: 'joining-heading' }, 'You are invited')
  const note = element(
    'p',
    { className: 'quiet' },
    'Somebody shares a list of tasks with you. Whoever is in it sees who else is, and by which address.',
  )
  const fault = element('p', { className: 'error', role: 'alert' })
  const join = element('button', { className: 'primary' }, 'Join the list')
  const cancel = element('button', { type: 'button', className: 'link' }, 'Not now')
  const form = element('form', {}, note, fault, join, cancel)
  const asking = element('dialog', { id: 'joining', className: 'asking' }, heading, form)
  asking.setAttribute('aria-labelledby', heading.id)
  cancel.onclick = () => asking.close()
  asking.onclose = () => {
    sessionStorage.removeItem(KEPT)
    asking.remove()
  }
  form.onsubmit = async (event) => {
    event.preventDefault()
    join.disabled = true
    try {
      const team = await client.teams.accept(token)
      asking.close()
      await lists.refresh()
      await lists.open(team.id)
      say(`You are in “${team.name}” now.`)
    } catch (error) {
      fault.textContent = whyNot(error)
      // What is used up stays so; what could not be asked can be asked again.
      join.hidden = error instanceof ProblemError
      cancel.textContent = join.hidden ? 'All right' : 'Not now'
    } finally {
      join.disabled = false
    }
  }
  document.body.append(asking)
  asking.showModal()
}

function whyNot(error: unknown): string {
  const type = error instanceof ProblemError ? error.type : ''
  if (type === 'invalid_token_link') return 'This invitation was used, revoked or is over. Ask for another.'
  if (type === 'already_member') return 'You are in this list already.'
  if (type === 'not_your_invitation')
    return 'It is for another address. Sign in with that one, and verify it first.'
  return reasonOf(error)
}
