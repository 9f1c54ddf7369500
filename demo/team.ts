import { ProblemError, type Client } from 'freehold-client'
import { attempt, element, reasonOf, recently, removal, section, tell } from './account-parts.ts'
import type { Lists } from './lists.ts'
import { find, say } from './page.ts'
import { invitationsSection } from './team-invitations.ts'
import { historySection, membersSection } from './team-members.ts'
import { rankOf } from './team-parts.ts'

const page = find('#team-page', HTMLDialogElement)

/** Asks for the name of a list to share, and makes its team. */
export function makeTeam(client: Client, made: (team: { id: string }) => Promise<void>): void {
  const name = element('input', {
    maxLength: 100,
    autocomplete: 'off',
    required: true,
    placeholder: 'Garden',
  })
  const submit = element('button', { className: 'primary' }, 'Make the list')
  const cancel = element('button', { type: 'button', className: 'link' }, 'Cancel')
  const fault = element('p', { className: 'error', role: 'alert' })
  const form = element(
    'form',
    {},
    element(
      'p',
      { className: 'quiet' },
      'Your own tasks stay yours. In this list, everybody whom you invite sees the same.',
    ),
    element('label', {}, 'What is it called?', name),
    fault,
    submit,
    cancel,
  )
  const heading = element('h2', { id: 'make-heading' }, 'Share a list')
  const asking = element('dialog', { className: 'asking' }, heading, form)
  asking.setAttribute('aria-labelledby', heading.id)
  cancel.onclick = () => asking.close()
  asking.onclose = () => asking.remove()
  form.onsubmit = async (event) => {
    event.preventDefault()
    submit.disabled = true
    try {
      const team = await client.teams.create(name.value.trim())
      asking.close()
      await made(team)
    } catch (error) {
      fault.textContent = reasonOf(error)
    } finally {
      submit.disabled = false
    }
  }
  document.body.append(asking)
  asking.showModal()
}

/** Shows a team: who is in it, who is invited, and how to leave it. */
export async function showTeam(client: Client, lists: Lists, id: string, user: string): Promise<void> {
  try {
    const team = await client.teams.get(id)
    const isAdmin = rankOf(team.role) >= rankOf('admin')
    const parts = await Promise.all([
      isAdmin ? invitationsSection(client, team) : undefined,
      membersSection(client, team, user, () => showTeam(client, lists, id, user)),
      isAdmin ? historySection(client, team, user) : undefined,
    ])
    const heading = element('h1', { id: 'team-heading', tabIndex: -1 }, team.name)
    const close = element('button', { className: 'link' }, 'Close')
    close.onclick = () => page.close()
    const told = element('p', { className: 'told quiet', role: 'status' })
    page.replaceChildren(
      element('header', {}, heading, close),
      told,
      ...parts.filter((part) => part !== undefined),
      ending(),
    )
    if (!page.open) page.showModal()
    heading.focus()
    page.scrollTop = 0

    function ending(): HTMLElement {
      const name = element('input', {
        value: team.name,
        maxLength: 100,
        autocomplete: 'off',
        ariaLabel: 'Name of the list',
      })
      const save = element('button', { className: 'secondary' }, 'Rename')
      const rename = element('form', { className: 'beside' }, name, save)
      rename.onsubmit = (event) => {
        event.preventDefault()
        void attempt(save, async () => {
          heading.textContent = (await client.teams.rename(id, name.value.trim())).name
          await lists.refresh()
          tell('It has its new name, for everybody.')
        })
      }
      const leave = removal('Leave', 'the list', async () => {
        await client.teams.leave(id)
        await gone(`You have left “${heading.textContent}”.`)
      })
      const end = removal('Delete', 'the list', () =>
        recently(client, async () => {
          await client.teams.delete(id)
          await gone(`“${heading.textContent}” is deleted, with every task in it.`)
        }),
      )
      return section(
        'This list',
        team.role === 'owner' ? 'Deleting it deletes every task in it, for everybody and for good.' : '',
        ...(isAdmin ? [rename] : []),
        element('div', { className: 'buttons' }, leave, ...(team.role === 'owner' ? [end] : [])),
      )
    }

    async function gone(text: string): Promise<void> {
      page.close()
      await lists.forget(id)
      say(text)
    }
  } catch (error) {
    page.close()
    if (!(error instanceof ProblemError) || error.type !== 'not_your_path') say(reasonOf(error))
    await lists.refresh()
  }
}
