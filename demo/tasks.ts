import { OfflineError, type Conflict, type LocalCopy, type Row } from 'freehold-client'
import { copyOf, find, say } from './page.ts'

const list = find('#list', HTMLElement)
const add = find('#add', HTMLFormElement)
const status = find('#status', HTMLElement)
let settling: ReturnType<typeof setTimeout>

/** Shows the tasks of a copy, and follows it. */
export function showTasks(copy: LocalCopy): void {
  const title = find('input', HTMLInputElement, add)
  add.onsubmit = (event) => {
    event.preventDefault()
    if (title.value.trim()) void copy.create('tasks', { title: title.value.trim() })
    add.reset()
  }
  copy.subscribe(() => {
    showRows(copy)
    showStatus(copy)
  })
  list.replaceChildren()
  showRows(copy)
  showStatus(copy)
  title.focus()
}

function showRows(copy: LocalCopy): void {
  const items = copy.rows('tasks').map((task) => itemOf(copy, task))
  for (const item of [...list.children].filter((each) => !items.some((kept) => kept === each))) {
    // The focus must not get lost with what had it.
    if (item.contains(document.activeElement)) find('#tasks-heading', HTMLElement).focus()
    item.remove()
  }
  for (const [at, item] of items.entries()) {
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null)
  }
}

function showStatus({ pending, error }: LocalCopy): void {
  const waiting = pending.length
    ? `${pending.length} ${pending.length === 1 ? 'change' : 'changes'} waiting`
    : ''
  const trouble = error instanceof OfflineError ? 'Offline' : error ? 'The server has trouble' : ''
  status.dataset.state = trouble || waiting ? 'waiting' : 'in-sync'
  // What is over in the blink of an eye is not worth saying.
  clearTimeout(settling)
  settling = setTimeout(() => {
    status.textContent =
      [trouble, waiting, trouble && 'will catch up'].filter(Boolean).join(', ') || 'In sync'
  }, 300)
}

/** The item of a task, as the task is now. */
function itemOf(copy: LocalCopy, { id, title, completed }: Row<'tasks'>): Element {
  const item = document.getElementById(id) ?? newItem(copy, id)
  find('label input', HTMLInputElement, item).checked = completed
  find('label span', HTMLElement, item).textContent = title
  for (const button of item.querySelectorAll<HTMLElement>('[data-do]')) {
    button.ariaLabel = `${button.dataset.do} “${title}”`
  }
  return item
}

function newItem(copy: LocalCopy, id: string): Element {
  const item = copyOf('#task', HTMLLIElement)
  const box = find('label input', HTMLInputElement, item)
  const edit = find('[data-do=Edit]', HTMLButtonElement, item)
  const form = find('form', HTMLFormElement, item)
  const field = find('form input', HTMLInputElement, item)
  const titleNow = () => copy.row('tasks', id)?.title ?? ''
  let titleBefore = ''
  item.id = id

  box.onchange = () => copy.update('tasks', id, { completed: box.checked })

  find('[data-do=Delete]', HTMLButtonElement, item).onclick = async () => {
    const title = titleNow()
    await copy.delete('tasks', id)
    say(`“${title}” deleted.`, 'Undo', async () => {
      await copy.restore('tasks', id)
      document.getElementById(id)?.querySelector('input')?.focus()
    })
  }

  edit.onclick = () => {
    titleBefore = titleNow()
    field.value = titleBefore
    form.hidden = false
    field.select()
  }
  function close(): void {
    form.hidden = true
    edit.focus()
  }
  form.onsubmit = (event) => {
    event.preventDefault()
    const title = field.value.trim()
    close()
    if (!title || title === titleBefore) return
    const save = () => copy.update('tasks', id, { title })
    if (titleNow() === titleBefore) void save()
    else sayChanged(titleNow(), save, () => undefined)
  }
  form.onreset = close
  form.onkeydown = ({ key }) => {
    if (key === 'Escape') close()
  }
  return item
}

/** Says that the server refused a change, and offers it again when the only reason is that somebody else was first. */
export function sayConflict(copy: LocalCopy, { change: { collection, id, key }, problem }: Conflict): void {
  const title = copy.row('tasks', id)?.title ?? 'A task'
  if (collection === 'tasks' && problem.type === 'stale_revision') {
    sayChanged(
      title,
      () => copy.applyAgain(key),
      () => copy.discard(key),
    )
  } else {
    const reason = problem.type === 'row_not_found' ? 'it was deleted elsewhere' : problem.errors[0]?.message
    say(`“${title}” was not saved: ${reason ?? problem.message}.`, '', undefined, () => copy.discard(key))
  }
}

function sayChanged(title: string, again: () => unknown, dismissed: () => unknown): void {
  say(`“${title}” was changed elsewhere first, and that was kept.`, 'Apply mine again', again, dismissed)
}
