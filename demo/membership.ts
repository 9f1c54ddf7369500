import { ProblemError, type LocalCopy } from 'freehold-client'
import { element } from './account-parts.ts'
import type { Lists, Shared } from './lists.ts'
import { find, say } from './page.ts'

const view = find('#tasks', HTMLElement)
const place = find('#membership', HTMLElement)

/** What {@link showMembership} is about. */
interface Membership {
  lists: Lists
  copy: LocalCopy
  /** The user's own list. */
  own: LocalCopy
  teamNow: () => Shared | undefined
}

/** Why somebody cannot tick anything. */
export const VIEWING =
  'You can look at this list, not change it: you are a viewer. Whoever runs it can change that.'

/**
 * Says what the user may not do in a team's list, and when they are in it no more; returns what looks again. Without a team
 * there is nothing to say.
 */
export function showMembership(about?: Membership): () => void {
  let said = ''
  function show(): void {
    const isOut = about !== undefined && isRemoved(about.copy)
    const isViewing = about?.teamNow()?.role === 'viewer'
    view.classList.toggle('removed', isOut)
    view.classList.toggle('viewing', isViewing && !isOut)
    place.hidden = !isOut && !isViewing
    const now = isOut ? `out ${about.copy.pending.length}` : String(isViewing)
    if (now === said) return
    said = now
    place.className = isOut ? 'out' : 'notice'
    place.replaceChildren(...(isOut ? farewell(about) : isViewing ? [element('span', {}, VIEWING)] : []))
  }
  show()
  return show
}

/** Whether the server has said that the list is not, or no more, the user's to see. */
function isRemoved({ status, error }: LocalCopy): boolean {
  return status === 'stopped' && error instanceof ProblemError && error.type === 'not_your_path'
}

/** Tells a former member so, and offers what they wrote and the team has not got. */
function farewell({ lists, copy, own, teamNow }: Membership): Node[] {
  const { id = '', name = 'this list' } = teamNow() ?? {}
  const unsent = unsentOf(copy)
  const leave = element(
    'button',
    { className: 'secondary' },
    unsent.length ? 'Drop them' : 'Back to my tasks',
  )
  leave.onclick = () => lists.forget(id)
  const note = element(
    'p',
    { className: 'quiet' },
    'Somebody removed you, or deleted the list. It is gone from this device once you leave.',
  )
  const title = element('h2', { tabIndex: -1 }, `You are no longer in “${name}”`)
  if (!unsent.length) return [title, note, element('div', { className: 'buttons' }, leave)]
  const many = unsent.length > 1
  note.textContent = `What you changed here was not sent any more. It is still yours:`
  const rescue = element(
    'button',
    { className: 'primary' },
    many ? 'Keep them in my tasks' : 'Keep it in my tasks',
  )
  if (!many) leave.textContent = 'Drop it'
  rescue.onclick = async () => {
    for (const task of unsent) await rescueTask(copy, own, task.id)
    await lists.forget(id)
    say(`${many ? `${unsent.length} tasks are` : `“${unsent[0]?.title}” is`} among your own now.`)
  }
  const list = element('ul', {}, ...unsent.map((task) => element('li', {}, task.title)))
  list.setAttribute('role', 'list')
  return [title, note, list, element('div', { className: 'buttons' }, rescue, leave)]
}

/** The tasks that changes wait for: their own, or a comment's. */
function unsentOf(copy: LocalCopy) {
  const ids = copy.pending.flatMap(({ collection, id }) => {
    if (collection === 'tasks') return [id]
    const comment = collection === 'comments' ? copy.row('comments', id) : undefined
    return comment ? [comment.task_id] : []
  })
  return [...new Set(ids)].flatMap((id) => copy.row('tasks', id) ?? [])
}

/** Makes a task of the user's own of one that they may no longer send, with the comments that wait. */
async function rescueTask(copy: LocalCopy, own: LocalCopy, id: string): Promise<void> {
  const task = copy.row('tasks', id)
  if (!task) return
  const { title, description, status, priority, due_date, tags } = task
  const task_id = await own.create('tasks', { title, description, status, priority, due_date, tags })
  for (const comment of copy.rows('comments', { task_id: id, sort: 'created_at' })) {
    if (copy.waiting('comments', comment.id).length)
      await own.create('comments', { task_id, body: comment.body })
  }
}
