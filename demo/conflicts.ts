import type { Conflict, LocalCopy } from 'freehold-client'
import { element } from './account-parts.ts'
import { find } from './page.ts'

const place = find('#conflicts', HTMLElement)

/** What the fields of a task are called. */
const NAMES = new Map([
  ['title', 'Title'],
  ['due_date', 'Due'],
  ['project_id', 'Project'],
  ['completed', 'Done'],
  ['priority', 'Priority'],
])

/** Shows every change of a copy that the server refused, until somebody has decided. */
export function showConflicts(copy: LocalCopy): void {
  for (const box of place.querySelectorAll<HTMLElement>('[data-key]')) {
    if (!copy.refused.some(({ change }) => change.key === box.dataset.key)) box.remove()
  }
  for (const conflict of copy.refused) {
    const { key } = conflict.change
    if (!place.querySelector(`[data-key="${key}"]`)) place.append(boxOf(copy, conflict))
  }
}

function boxOf(copy: LocalCopy, { change, problem, base, mine, theirs }: Conflict): HTMLElement {
  const { key, collection, id } = change
  const title = textOf(copy, 'title', valueOf(theirs ?? mine ?? base, 'title')) || 'A change'
  const box =
    problem.type === 'stale_revision' && theirs && change.data
      ? versions(copy, title, theirs, change.data, {
          keep: () => copy.discard(key),
          apply: () => copy.applyAgain(key),
        })
      : refusal(
          title,
          problem.type === 'row_not_found' ? 'it was deleted elsewhere' : reasonIn(problem),
          () => copy.discard(key),
        )
  box.dataset.key = key
  box.dataset.row = `${collection}/${id}`
  return box
}

/** Shows two versions of a task at the top of the list, for somebody to choose: theirs, which is there, or their own. */
export function choice(
  copy: LocalCopy,
  title: string,
  theirs: object,
  mine: object,
  apply: () => unknown,
): void {
  const box = versions(copy, title, theirs, mine, {
    keep: () => box.remove(),
    apply: () => (box.remove(), apply()),
  })
  place.append(box)
}

function versions(
  copy: LocalCopy,
  title: string,
  theirs: object,
  mine: object,
  { keep, apply }: { keep: () => unknown; apply: () => unknown },
): HTMLElement {
  const names = Object.keys(mine)
  const version = (heading: string, of: object, label: string, act: () => unknown) => {
    const button = element('button', { type: 'button', className: 'secondary' }, label)
    button.onclick = act
    const values = names.flatMap((name) => [
      element('dt', {}, NAMES.get(name) ?? name),
      element('dd', {}, textOf(copy, name, valueOf(of, name)) || 'none'),
    ])
    return element(
      'div',
      { className: 'version' },
      element('h2', {}, heading),
      element('dl', {}, ...values),
      button,
    )
  }
  const box = element(
    'div',
    { className: 'conflict', role: 'group', ariaLabel: `Two versions of “${title}”` },
    element('p', {}, `“${title}” was changed elsewhere while you changed it here. Which one shall it be?`),
    version('Theirs', theirs, 'Keep theirs', keep),
    version('Yours', mine, 'Use yours', apply),
  )
  return box
}

function refusal(title: string, reason: string, discard: () => unknown): HTMLElement {
  const button = element('button', { type: 'button', className: 'secondary' }, 'All right')
  button.onclick = discard
  return element(
    'div',
    { className: 'conflict', role: 'group', ariaLabel: `“${title}” was not saved` },
    element('p', {}, `“${title}” was not saved: ${reason}.`),
    button,
  )
}

function reasonIn({ errors, message }: Conflict['problem']): string {
  return errors[0]?.message ?? message
}

function valueOf(row: object | undefined, name: string): unknown {
  return row && Object.entries(row).find(([field]) => field === name)?.[1]
}

function textOf(copy: LocalCopy, name: string, value: unknown): string {
  if (name === 'project_id') return copy.row('projects', String(value))?.name ?? ''
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'string' ? value : ''
}
