import type { Client, TeamRole, components } from 'freehold-client'
import { action, attempt, element, removal, row, rows, section, tell, when } from './account-parts.ts'
import { nameOf, rankOf, roleChoice, roleIn } from './team-parts.ts'

type Member = components['schemas']['Member']

interface Team {
  id: string
  role: TeamRole
}

/** Who is in a team, and as what; `again` shows the page anew once the user's own role has changed. */
export async function membersSection(
  client: Client,
  { id, role: own }: Team,
  user: string,
  again: () => Promise<void>,
): Promise<HTMLElement> {
  const list = rows()
  const more = element('div', { className: 'buttons' })
  const isAdmin = rankOf(own) >= rankOf('admin')

  function item(member: Member): HTMLLIElement {
    const isSelf = member.user_id === user
    const name = isSelf ? 'You' : nameOf(member)
    const details = [isSelf ? member.email : undefined, `joined ${when(member.joined_at)}`]
    const mayChange = isAdmin && rankOf(member.role) <= rankOf(own)
    if (!mayChange) return row(name, [member.role, ...details])
    const role = roleChoice(`Role of ${name}`, own, member.role)
    role.onchange = async () => {
      const to = roleIn(role)
      try {
        await client.teams.changeRole(id, member.user_id, to)
        if (isSelf) return await again()
        tell(`${name} is ${to === 'viewer' ? 'a' : 'an'} ${to} now.`)
      } catch (error) {
        role.value = member.role
        await attempt(element('button'), () => Promise.reject(error))
      }
    }
    const remove = removal('Remove', name, async () => {
      await client.teams.remove(id, member.user_id)
      made.remove()
      tell(`${name} is out, with the very next request.`)
    })
    const made = row(name, details, role, ...(isSelf ? [] : [remove]))
    return made
  }

  async function show(cursor?: string): Promise<void> {
    const { members, next_cursor } = await client.teams.members(id, cursor)
    list.append(...members.map(item))
    more.replaceChildren()
    if (next_cursor !== null) more.append(action('Show more', 'members', () => show(next_cursor)))
  }
  await show()
  return section(
    'Members',
    'Viewers look, editors change tasks, admins also invite and remove, owners do everything.',
    list,
    more,
  )
}

/** What the events of a team are called. */
const EVENTS: Record<string, string> = {
  team_created: 'made the list',
  team_renamed: 'renamed it',
  invited: 'invited somebody',
  invitation_withdrawn: 'revoked an invitation',
  joined: 'joined',
  left: 'left',
  removed: 'removed',
  role_changed: 'gave another role to',
  exported: 'exported everything',
  admin_access: 'looked in, as an administrator',
}

/** What happened in a team, newest first, a page at a time. */
export async function historySection(client: Client, { id }: Team, user: string): Promise<HTMLElement> {
  const { members } = await client.teams.members(id)
  const names = new Map(members.map((member) => [member.user_id, nameOf(member)]))
  const called = (who: string | null, you: string) => {
    if (who === null) return 'Somebody'
    return who === user ? you : (names.get(who) ?? nameOf({ user_id: who }))
  }
  const list = rows()
  const more = element('div', { className: 'buttons' })
  async function show(cursor?: string): Promise<void> {
    const { activity, next_cursor } = await client.teams.activity(id, cursor)
    const items = activity.map(({ event, at, user_id, member_id, role }) => {
      const whom = member_id === null ? '' : ` ${called(member_id, 'you')}`
      return row(`${called(user_id, 'You')} ${EVENTS[event] ?? event}${whom}`, [
        when(at),
        role ? `as ${role}` : undefined,
      ])
    })
    list.append(...items)
    more.replaceChildren()
    if (next_cursor !== null) more.append(action('Show earlier', 'events', () => show(next_cursor)))
  }
  await show()
  return section('What happened', '', list, more)
}
