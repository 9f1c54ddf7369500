import type { LocalCopy } from 'freehold-client'
import { element } from './account-parts.ts'

/** The comments of a task and a field for another; they follow the copy for as long as they are on the page. */
export function commentsOf(copy: LocalCopy, id: string): HTMLElement {
  const list = element('ul')
  list.setAttribute('role', 'list')
  const field = element('input', {
    ariaLabel: 'Comment',
    placeholder: 'Say something about it',
    maxLength: 2000,
    autocomplete: 'off',
  })
  const form = element('form', {}, field, element('button', { className: 'link' }, 'Comment'))
  const view = element('div', { className: 'comments' }, list, form)
  form.onsubmit = async (event) => {
    event.preventDefault()
    const body = field.value.trim()
    form.reset()
    if (body) await copy.create('comments', { task_id: id, body })
  }
  function show(): void {
    if (!view.isConnected && list.children.length) return stop()
    const comments = copy.rows('comments', { task_id: id, sort: 'created_at' })
    list.replaceChildren(
      ...comments.map(({ id: comment, body, created_at }) => {
        const isWaiting = copy.waiting('comments', comment).length > 0
        const when = isWaiting
          ? 'waiting'
          : new Date(created_at).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })
        return element('li', {}, body, ' ', element('span', { className: 'quiet' }, when))
      }),
    )
  }
  const stop = copy.subscribe(show, 'comments')
  show()
  queueMicrotask(() => field.focus())
  return view
}
