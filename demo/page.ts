/** The first element that matches a selector. Throws when it is missing or of another kind. */
export function find<Kind extends Element>(
  selector: string,
  kind: new () => Kind,
  within: ParentNode = document,
): Kind {
  const found = within.querySelector(selector)
  if (found instanceof kind) return found
  throw new Error(`No ${kind.name} at ${selector}`)
}

/** A new copy of what a template holds. */
export function copyOf<Kind extends Element>(template: string, kind: new () => Kind): Kind {
  return find('*', kind, document.importNode(find(template, HTMLTemplateElement).content, true))
}

/** How long a message that goes by itself stays, in milliseconds. */
const SHOWN = 10_000

/**
 * Says something, with something to do about it. It goes after ten seconds, unless it is in use or is kept until
 * somebody has dismissed it.
 */
export function say(text: string, label = '', act?: () => unknown, dismissed?: () => unknown): void {
  const message = copyOf('#message', HTMLDivElement)
  const action = find('.act', HTMLButtonElement, message)
  find('p', HTMLElement, message).textContent = text
  action.textContent = label
  action.hidden = !act

  function close(): void {
    if (message.contains(document.activeElement))
      find('main > :not([hidden]) h1[tabindex]', HTMLElement).focus()
    message.remove()
  }
  action.onclick = () => {
    close()
    act?.()
  }
  function dismiss(): void {
    close()
    dismissed?.()
  }
  find('.close', HTMLButtonElement, message).onclick = dismiss
  message.onkeydown = ({ key }) => {
    if (key === 'Escape') dismiss()
  }
  find('#messages', HTMLElement).append(message)
  if (dismissed) return
  action.focus()
  const timer = setInterval(() => {
    if (message.matches(':hover, :has(:focus-visible)')) return
    close()
    clearInterval(timer)
  }, SHOWN)
}
