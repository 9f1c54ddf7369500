import { OfflineError, ProblemError, type Client, type LocalCopy, type TeamRole } from 'freehold-client'
import { element } from './account-parts.ts'
import { showMembership } from './membership.ts'
import { find } from './page.ts'
import { showTasks } from './tasks.ts'
import { nameOf, rankOf } from './team-parts.ts'
import { makeTeam, showTeam } from './team.ts'

const heading = find('#tasks-heading', HTMLElement)
const place = find('#lists', HTMLElement)
const share = find('#share', HTMLButtonElement)
const shareLabel = find('#share span', HTMLElement)

/** A list that several people share, and what its reader may do there. */
export interface Shared {
  id: string
  name: string
  role: TeamRole
}

/** The lists of a user on this page: their own, and those of their teams. */
export interface Lists {
  /** Shows a team's list, or without an id the user's own. */
  open(id?: string): Promise<void>
  /** Asks which teams there are now, and as what the user is in them. */
  refresh(): Promise<void>
  /** Takes a team's list off this device, with what waits in it, and shows the user's own. */
  forget(id: string): Promise<void>
  /** How many changes the server does not have yet. */
  waiting(): number
  stop(): void
  /** Takes every list off this device. */
  clear(): Promise<void>
}

/** Shows the user's own list, or the one that this tab showed last, and what turns to the others. `changed` hears of the own. */
export async function showLists(client: Client, changed: () => unknown): Promise<Lists> {
  const own = await client.sync()
  own.start()
  own.subscribe(() => own.error || changed())
  const { user } = own
  // Also for a page that opens while the server is away.
  const kept = `lists of ${user}`
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as a page of this version kept it
  let teams = JSON.parse(localStorage.getItem(kept) ?? '[]') as Shared[]
  const copies = new Map<string | undefined, LocalCopy>([[undefined, own]])
  const names = new Map<string, string | undefined>()
  let shown: string | undefined
  let leave: (() => void) | undefined
  const lists: Lists = {
    open,
    refresh,
    async forget(id) {
      if (shown === id) await open()
      await drop(id)
      keep(teams.filter((team) => team.id !== id))
    },
    waiting: () => [...copies.values()].reduce((sum, { pending }) => sum + pending.length, 0),
    stop() {
      leave?.()
      for (const copy of copies.values()) copy.stop()
    },
    async clear() {
      // The list on the page follows, so that nothing of it is left there either.
      for (const { id } of teams) await drop(id)
      await own.clear()
      leave?.()
      place.replaceChildren()
      heading.textContent = 'Tasks'
      localStorage.removeItem(kept)
      sessionStorage.removeItem(kept)
    },
  }

  /** Each list that was shown goes on keeping in step: what was written there has to get away. */
  async function copyOf(id?: string): Promise<LocalCopy> {
    const copy = copies.get(id) ?? (await client.owner(id ?? user).sync({ user }))
    copies.set(id, copy)
    return copy
  }

  async function drop(id: string): Promise<void> {
    await (await copyOf(id)).clear()
    copies.delete(id)
  }

  async function open(id?: string): Promise<void> {
    const isNew = !copies.has(id)
    const copy = await copyOf(id)
    if (isNew) copy.start()
    leave?.()
    shown = id
    if (id) sessionStorage.setItem(kept, id)
    else sessionStorage.removeItem(kept)
    show()
    const teamNow = () => teams.find((team) => team.id === id)
    const showStanding = showMembership(id ? { lists, copy, own, teamNow } : undefined)
    const tasks = showTasks(copy, {
      isViewing: () => teamNow()?.role === 'viewer',
      nameOf(by) {
        if (!id || by === user) return undefined
        if (!names.has(by)) void learnNames(client, id, by, names).then(again)
        return names.get(by)
      },
    })
    let wasLive = false
    function follow(): void {
      showStanding()
      // A role that was changed closes the connection, which comes back.
      if (id && copy.live && !wasLive) void refresh().then(again)
      wasLive = copy.live
    }
    function again(): void {
      if (shown !== id) return
      showStanding()
      tasks.show()
    }
    const unsubscribe = copy.subscribe(follow)
    leave = () => {
      unsubscribe()
      tasks.leave()
    }
    follow()
  }

  async function refresh(): Promise<void> {
    try {
      const now: Shared[] = []
      for (let cursor: string | undefined; ;) {
        const page = await client.teams.list(cursor)
        now.push(...page.teams.map(({ id, name, role }) => ({ id, name, role })))
        if (page.next_cursor === null) break
        cursor = page.next_cursor
      }
      const isIn = (id: string) => now.some((team) => team.id === id)
      const lost = teams.filter(({ id }) => !isIn(id))
      const waits = await Promise.all(
        lost.map(async ({ id }) => id === shown || (await copyOf(id)).pending.length > 0),
      )
      // What was not sent is not thrown away unasked.
      const held = lost.filter((_, at) => waits[at])
      for (const team of lost) if (!held.includes(team)) await drop(team.id)
      keep([...now, ...held])
    } catch (error) {
      // Without the server those that are known have to do.
      if (!(error instanceof OfflineError || error instanceof ProblemError)) throw error
    }
  }

  function keep(now: Shared[]): void {
    if (JSON.stringify(now) === JSON.stringify(teams)) return
    teams = now
    localStorage.setItem(kept, JSON.stringify(teams))
    show()
  }

  function show(): void {
    const tabs = [{ id: undefined, name: 'My tasks' }, ...teams].map(({ id, name }) => {
      const tab = element('button', { type: 'button', ariaCurrent: id === shown ? 'true' : null }, name)
      tab.onclick = () => open(id)
      return tab
    })
    const had = [...place.children].findIndex((tab) => tab === document.activeElement)
    place.replaceChildren(...tabs)
    tabs[had]?.focus()
    place.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
    const team = teams.find(({ id }) => id === shown)
    heading.textContent = team?.name ?? 'Tasks'
    shareLabel.textContent = team && rankOf(team.role) < rankOf('admin') ? 'Members' : 'Share'
    share.onclick = async () => {
      if (team) return showTeam(client, lists, team.id, user)
      makeTeam(client, async (made) => {
        await refresh()
        await open(made.id)
        await showTeam(client, lists, made.id, user)
      })
    }
  }

  const last = sessionStorage.getItem(kept)
  await open()
  if (last && teams.some(({ id }) => id === last)) await open(last)
  void refresh()
  return lists
}

/** Asks once what somebody in a team is called, who may have left it. */
async function learnNames(
  client: Client,
  team: string,
  user: string,
  names: Map<string, string | undefined>,
): Promise<void> {
  names.set(user, undefined)
  const { members } = await client.teams.members(team).catch(() => ({ members: [] }))
  for (const member of members) names.set(member.user_id, nameOf(member).split('@', 1)[0])
}
