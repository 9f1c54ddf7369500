import { OfflineError, StorageError, type LocalCopy, type QueryOf } from 'freehold-client'
import { showConflicts } from './conflicts.ts'
import { listOf, type Sharing } from './list.ts'
import { find } from './page.ts'

const view = find('#tasks', HTMLElement)
const heading = find('#tasks-heading', HTMLElement)
const list = find('#list', HTMLElement)
const add = find('#add', HTMLFormElement)
const title = find('input', HTMLInputElement, add)
const filters = find('#filters', HTMLFormElement)
const project = find('[name=project]', HTMLSelectElement, filters)
const search = find('[name=q]', HTMLInputElement, filters)
const status = find('#status', HTMLElement)
const empty = find('.empty', HTMLElement, view)
const NEW_PROJECT = 'new'
let settling: ReturnType<typeof setTimeout>

/** The tasks of a copy as they are shown. */
export interface TasksView {
  show(): void
  /** Follows the copy no longer. */
  leave(): void
}

/** Shows the tasks of a copy, and follows it; those of a team as `sharing` says. */
export function showTasks(copy: LocalCopy, sharing: Sharing): TasksView {
  const rows = listOf(copy, { list, fallback: heading, isWhole: true, sharing })

  add.onsubmit = (event) => {
    event.preventDefault()
    const project_id = projectNow()
    const text = title.value.trim()
    if (text) void copy.create('tasks', { title: text, ...(project_id !== undefined && { project_id }) })
    add.reset()
  }

  function filter(): void {
    const project_id = projectNow()
    const q = search.value.trim()
    const state = new FormData(filters).get('state')
    const query: QueryOf<'tasks'> = {
      ...(state !== 'all' && { completed: state === 'done' }),
      ...(project_id !== undefined && { project_id }),
      ...(q && { q }),
    }
    rows.filter(query)
    showEmpty(copy, Object.keys(query).length > 0)
  }
  filters.onsubmit = (event) => event.preventDefault()
  filters.oninput = async (event) => {
    if (event.target === project && project.value === NEW_PROJECT) {
      const name = prompt('What is the project called?')?.trim()
      project.value = name ? await newProject(copy, name) : ''
    }
    filter()
  }

  function show(): void {
    showProjects(copy, !sharing.isViewing())
    filter()
    showConflicts(copy)
    showStatus(copy)
  }
  filters.reset()
  const leave = copy.subscribe(show)
  show()
  if (sharing.isViewing()) heading.focus()
  else title.focus()
  return { show, leave }
}

/** The project that is chosen. */
function projectNow(): string | undefined {
  return project.value && project.value !== NEW_PROJECT ? project.value : undefined
}

async function newProject(copy: LocalCopy, name: string): Promise<string> {
  const id = await copy.create('projects', { name })
  showProjects(copy, true)
  return id
}

/** Offers the projects there are, and a new one to whom may make it; what is chosen stays so. */
function showProjects(copy: LocalCopy, mayAdd: boolean): void {
  const chosen = project.value
  const projects = copy.rows('projects', { archived: false, sort: 'name' })
  const options = projects.map(({ id, name }) => new Option(name, id))
  project.replaceChildren(
    new Option('Every project', ''),
    ...options,
    ...(mayAdd ? [new Option('New project…', NEW_PROJECT)] : []),
  )
  project.value = projects.some(({ id }) => id === chosen) || chosen === NEW_PROJECT ? chosen : ''
}

/** Says why there is nothing: nothing has come yet, nothing passes, or there is nothing to do. */
function showEmpty({ status: now, error, fetched }: LocalCopy, isFiltered: boolean): void {
  const isLoading = now === 'opening' || now === 'first-sync'
  empty.ariaBusy = String(isLoading && !error)
  if (isLoading) empty.textContent = fetched ? `Loading… ${fetched} rows so far` : 'Loading your tasks…'
  else if (now === 'offline' && !list.children.length && !isFiltered) {
    empty.textContent =
      'Nothing is kept here yet, and the server cannot be reached. What you add waits for it.'
  } else if (isFiltered) empty.textContent = 'No task is like that.'
  else empty.textContent = 'Nothing to do. Add a task, and open this page in a second tab, too.'
}

function showStatus({ pending, error, live, status: now }: LocalCopy): void {
  const waiting = pending.length
    ? `${pending.length} ${pending.length === 1 ? 'change' : 'changes'} waiting`
    : ''
  const trouble = troubleOf(error)
  status.dataset.state = trouble || waiting ? 'waiting' : now === 'ready' ? 'in-sync' : 'loading'
  // What is over in the blink of an eye is not worth saying.
  clearTimeout(settling)
  settling = setTimeout(() => {
    const catches = trouble && !(error instanceof StorageError) && 'will catch up'
    status.textContent =
      [trouble, waiting, catches].filter(Boolean).join(', ') ||
      (now === 'ready' ? (live ? 'In sync, live' : 'In sync, asking every few seconds') : 'Loading')
  }, 300)
}

function troubleOf(error: unknown): string {
  if (!error) return ''
  if (error instanceof OfflineError) return 'Offline'
  return error instanceof StorageError ? 'This browser cannot keep your tasks' : 'The server has trouble'
}
