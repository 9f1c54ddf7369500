import type { Client, TeamRole, components } from 'freehold-client'
import { attempt, element, removal, row, rows, section, tell, when } from './account-parts.ts'
import { roleChoice, roleIn } from './team-parts.ts'

type Invitation = components['schemas']['Invitation']

/** What becomes of the link of an invitation: its page takes the token out of the address. */
function linkOf(token: string): string {
  return `${location.origin}/#invitation=${token}`
}

/** Who is invited to a team: make a link, copy it, revoke one. */
export async function invitationsSection(
  client: Client,
  { id, role }: { id: string; role: TeamRole },
): Promise<HTMLElement> {
  const list = rows()
  const as = roleChoice('What they may do', role, 'editor')
  const email = element('input', {
    type: 'email',
    placeholder: 'E-mail, if only for one person',
    ariaLabel: 'E-mail of the only person who may use it',
    autocomplete: 'off',
  })
  const submit = element('button', { className: 'primary' }, 'Make a link')
  const form = element('form', { className: 'beside', noValidate: true }, as, email, submit)
  const made = element('div', { className: 'made', hidden: true })
  form.onsubmit = (event) => {
    event.preventDefault()
    void attempt(submit, async () => {
      const to = email.value.trim()
      const { token, ...invitation } = await client.teams.invite(id, {
        role: roleIn(as),
        ...(to && { email: to }),
      })
      email.value = ''
      list.prepend(item(invitation))
      show(linkOf(token))
    })
  }

  /** The link is shown this once: nothing but its hash is kept. */
  function show(link: string): void {
    const field = element('input', { readOnly: true, value: link, ariaLabel: 'Link of the invitation' })
    field.onfocus = () => field.select()
    const copy = element('button', { type: 'button', className: 'secondary' }, 'Copy')
    copy.onclick = () =>
      attempt(copy, async () => {
        await navigator.clipboard.writeText(link)
        tell('The link is copied. Send it to whom you mean.')
      })
    made.replaceChildren(
      element('p', { className: 'quiet' }, 'Send this link to whom you mean. It is shown this once.'),
      element('div', { className: 'beside' }, field, copy),
    )
    made.hidden = false
    field.focus()
  }

  function item({ id: invitation, role: given, email: to, expires_at }: Invitation): HTMLLIElement {
    const whom = to ?? 'Anybody with the link'
    const shown = row(
      whom,
      [`as ${given === 'viewer' ? 'a' : 'an'} ${given}`, `until ${when(expires_at)}`],
      removal('Revoke', `the invitation of ${whom.toLowerCase()}`, async () => {
        await client.teams.withdraw(id, invitation)
        shown.remove()
        made.hidden = true
        tell('Its link does nothing any more.')
      }),
    )
    return shown
  }

  const { invitations } = await client.teams.invitations(id)
  list.append(...invitations.map(item))
  return section('Invite', 'A link lets one person in, within seven days.', form, made, list)
}
