import type { LocalCopy, QueryOf, Row } from 'freehold-client'
import { element } from './account-parts.ts'
import { commentsOf } from './comments.ts'
import { choice } from './conflicts.ts'
import { VIEWING } from './membership.ts'
import { copyOf, find, say } from './page.ts'

/** A list on the page, which follows a copy. */
export interface ListView {
  /** Shows the tasks that pass a query from now on. */
  filter(query: QueryOf<'tasks'>): void
  show(): void
}

/** How a list is shown. */
export interface ListOptions {
  list: HTMLElement
  /** What has the focus when what had it is gone. */
  fallback: HTMLElement
  /** Whether a row shows its projects, dates and comments, and can be edited. */
  isWhole: boolean
  sharing?: Sharing
}

/** What a list has to know of those who share it. */
export interface Sharing {
  /** Whether the user may look only. */
  isViewing: () => boolean
  /** What another member is called, if that is known; undefined for the user. */
  nameOf: (user: string) => string | undefined
}

/** Shows the tasks of a copy in a list; the caller says when to look again. */
export function listOf(copy: LocalCopy, { list, fallback, isWhole, sharing }: ListOptions): ListView {
  const items = new Map<string, Element>()
  let query: QueryOf<'tasks'> = {}
  list.replaceChildren()

  function show(): void {
    const tasks = copy.rows('tasks', query)
    const shown = new Set(tasks.map(({ id }) => id))
    for (const [id, item] of items) {
      if (shown.has(id)) continue
      // The focus must not get lost with what had it.
      if (item.contains(document.activeElement)) fallback.focus()
      item.remove()
      items.delete(id)
    }
    for (const [at, task] of tasks.entries()) {
      const item = items.get(task.id) ?? newItem(copy, task.id, isWhole, sharing)
      items.set(task.id, item)
      fill(copy, item, task, isWhole, sharing)
      if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null)
    }
  }

  return {
    filter(now) {
      query = now
      show()
    },
    show,
  }
}

/** Puts a task as it is now into its item. */
function fill(copy: LocalCopy, item: Element, task: Row<'tasks'>, isWhole: boolean, sharing?: Sharing): void {
  const { id, title, completed } = task
  const isWaiting = copy.waiting('tasks', id).length > 0
  const box = find('label input', HTMLInputElement, item)
  box.checked = completed
  box.ariaDisabled = sharing?.isViewing() ? 'true' : null
  find('label span', HTMLElement, item).textContent = title
  item.classList.toggle('waiting', isWaiting)
  for (const button of item.querySelectorAll<HTMLElement>('[data-do]')) {
    button.ariaLabel = `${button.dataset.do} “${title}”`
  }
  const by = sharing?.nameOf(task.updated_by)
  const facts = [
    ...(isWhole ? factsOf(copy, task) : []),
    ...(by ? [mark('by', `by ${by}`)] : []),
    ...(isWaiting ? [mark('waits', 'waiting')] : []),
  ]
  find('.facts', HTMLElement, item).replaceChildren(...facts)
  if (!isWhole) return
  const count = copy.rows('comments', { task_id: id }).length
  const talk = find('.talk', HTMLButtonElement, item)
  if (count) talk.dataset.count = String(count)
  else delete talk.dataset.count
}

function factsOf(
  copy: LocalCopy,
  { due_date, completed, project_id, priority }: Row<'tasks'>,
): HTMLElement[] {
  const facts: HTMLElement[] = []
  if (due_date !== null) {
    const isLate = !completed && due_date.slice(0, 10) < today()
    facts.push(mark(isLate ? 'late' : 'due', `${isLate ? 'was due' : 'due'} ${dayOf(due_date)}`))
  }
  const project = project_id === null ? undefined : copy.row('projects', project_id)
  if (project) facts.push(mark('project', project.name))
  if (priority === 'high') facts.push(mark('high', 'high priority'))
  return facts
}

function mark(className: string, text: string): HTMLElement {
  return element('span', { className: `mark ${className}` }, text)
}

function today(): string {
  return new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10)
}

function dayOf(date: string): string {
  const day = new Date(date.length === 10 ? `${date}T12:00` : date)
  const isThisYear = day.getFullYear() === new Date().getFullYear()
  return day.toLocaleDateString('en', {
    month: 'short',
    day: 'numeric',
    ...(!isThisYear && { year: 'numeric' }),
  })
}

function newItem(copy: LocalCopy, id: string, isWhole: boolean, sharing?: Sharing): Element {
  const item = copyOf('#task', HTMLLIElement)
  const box = find('label input', HTMLInputElement, item)
  box.onclick = (event) => {
    if (!sharing?.isViewing()) return
    event.preventDefault()
    say(VIEWING)
  }
  box.onchange = () => copy.update('tasks', id, { completed: box.checked })
  if (!isWhole) {
    for (const part of item.querySelectorAll('[data-do=Edit], [data-do=Delete], .talk, form')) part.remove()
    return item
  }

  const titleNow = () => copy.row('tasks', id)?.title ?? ''
  find('[data-do=Delete]', HTMLButtonElement, item).onclick = async () => {
    const title = titleNow()
    await copy.delete('tasks', id)
    say(`“${title}” deleted.`, 'Undo', async () => {
      await copy.restore('tasks', id)
      document.querySelector<HTMLElement>(`[data-id="${id}"] input`)?.focus()
    })
  }
  item.dataset.id = id
  edits(copy, item, id)

  const talk = find('.talk', HTMLButtonElement, item)
  talk.onclick = () => {
    const open = item.querySelector('.comments')
    talk.ariaExpanded = String(!open)
    if (open) open.remove()
    else item.append(commentsOf(copy, id))
  }
  return item
}

/** Lets an item be edited: its title, its date and its project. */
function edits(copy: LocalCopy, item: Element, id: string): void {
  const button = find('[data-do=Edit]', HTMLButtonElement, item)
  const form = find('form', HTMLFormElement, item)
  const title = find('[name=title]', HTMLInputElement, form)
  const due = find('[name=due]', HTMLInputElement, form)
  const project = find('[name=project]', HTMLSelectElement, form)
  let before: Row<'tasks'> | undefined

  button.onclick = () => {
    before = copy.row('tasks', id)
    if (!before) return
    title.value = before.title
    due.value = before.due_date?.slice(0, 10) ?? ''
    project.replaceChildren(
      new Option('No project', ''),
      ...copy.rows('projects', { sort: 'name' }).map(({ id: value, name }) => new Option(name, value)),
    )
    project.value = before.project_id ?? ''
    form.hidden = false
    title.select()
  }
  function close(): void {
    form.hidden = true
    button.focus()
  }
  form.onsubmit = (event) => {
    event.preventDefault()
    const now = copy.row('tasks', id)
    close()
    if (!before || !now) return
    const mine = {
      ...(title.value.trim() && title.value.trim() !== before.title && { title: title.value.trim() }),
      ...(due.value !== (before.due_date?.slice(0, 10) ?? '') && { due_date: due.value || null }),
      ...(project.value !== (before.project_id ?? '') && { project_id: project.value || null }),
    }
    if (!Object.keys(mine).length) return
    const save = () => copy.update('tasks', id, mine)
    // Somebody else may have changed it while it was edited here.
    if (mine.title === undefined || now.title === before.title) void save()
    else choice(copy, now.title, { title: now.title }, mine, save)
  }
  form.onreset = close
  form.onkeydown = ({ key }) => {
    if (key === 'Escape') close()
  }
}
