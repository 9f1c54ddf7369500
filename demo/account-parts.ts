import { OfflineError, ProblemError, type Client } from 'freehold-client'

/** A new element, with its properties and what it holds. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...content: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...content)
  return made
}

/** A part of the account page: a heading, what it is about, and what is in it. */
export function section(title: string, about: string, ...content: Node[]): HTMLElement {
  const intro = about ? [element('p', { className: 'quiet' }, about)] : []
  return element('section', {}, element('h2', {}, title), ...intro, ...content)
}

/** A list of {@link row}s. */
export function rows(...items: HTMLLIElement[]): HTMLUListElement {
  const list = element('ul', {}, ...items)
  // Safari takes an unstyled list for none.
  list.setAttribute('role', 'list')
  return list
}

/** One thing of a list: what it is called, what else is known, and what can be done. */
export function row(
  title: string,
  details: readonly (string | undefined)[],
  ...actions: Node[]
): HTMLLIElement {
  const known = details.filter((detail) => detail !== undefined).join(' · ')
  const text = element(
    'div',
    { className: 'what' },
    element('strong', {}, title),
    element('span', { className: 'quiet' }, known),
  )
  return element('li', {}, text, ...actions)
}

/** Says something on the page that is open over this one, for people and screen readers; nothing clears it. */
export function tell(text = ''): void {
  const status = document.querySelector('.sheet[open] .told')
  if (status) status.textContent = text
}

/** A button that works on something, one click at a time, and tells what goes wrong. */
export function action(label: string, of: string, act: () => Promise<unknown>): HTMLButtonElement {
  const button = element('button', { type: 'button', className: 'link', ariaLabel: `${label} ${of}` }, label)
  button.onclick = () => attempt(button, act)
  return button
}

/** An {@link action} that cannot be undone: the first click asks. */
export function removal(label: string, of: string, act: () => Promise<unknown>): HTMLButtonElement {
  const button = element('button', { type: 'button', className: 'link', ariaLabel: `${label} ${of}` }, label)
  let asked = false
  function ask(sure: boolean): void {
    asked = sure
    button.textContent = sure ? 'Really?' : label
    button.ariaLabel = sure ? `Really ${label.toLowerCase()} ${of}?` : `${label} ${of}`
    button.classList.toggle('danger', sure)
  }
  button.onclick = () => {
    if (asked) void attempt(button, act)
    ask(!asked)
  }
  button.onblur = () => ask(false)
  return button
}

/** Does something that a button or a form stands for, and tells what goes wrong. */
export async function attempt(button: HTMLButtonElement, act: () => Promise<unknown>): Promise<void> {
  button.disabled = true
  try {
    tell()
    await act()
  } catch (error) {
    tell(reasonOf(error))
  } finally {
    button.disabled = false
  }
}

/** Why something did not work, in a sentence. Throws what is a fault of this page. */
export function reasonOf(error: unknown): string {
  if (error instanceof OfflineError) return 'The server cannot be reached. Try again in a while.'
  if (error instanceof DOMException) return whyNoPasskey(error)
  if (!(error instanceof ProblemError)) throw error
  if (error.type === 'rate_limited') return 'Too many tries. Wait a minute, then try again.'
  const [first] = error.errors
  return first ? `It ${first.message}.` : (error.detail ?? error.message)
}

/** Why a browser made or used no passkey (WebAuthn Level 3 §5.1.3, §5.1.4). */
function whyNoPasskey({ name }: DOMException): string {
  if (name === 'InvalidStateError') return 'This device has a passkey of your account already.'
  if (name === 'NotSupportedError') return 'This device cannot make passkeys.'
  return 'No passkey was used: it was cancelled, or took too long.'
}

/** When something was, in the reader's own form. */
export function when(at: string): string {
  return new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
}

/** What a `User-Agent` stands for, as people call it. */
export function deviceOf(agent: string | null): string {
  if (agent === null) return 'An unknown device'
  const first = (names: readonly [RegExp, string][]) => names.find(([form]) => form.test(agent))?.[1]
  const browser = first([
    [/Edg/, 'Edge'],
    [/OPR/, 'Opera'],
    [/Firefox|FxiOS/, 'Firefox'],
    [/Chrom|CriOS/, 'Chrome'],
    [/Safari/, 'Safari'],
  ])
  const system = first([
    [/iPhone/, 'iPhone'],
    [/iPad/, 'iPad'],
    [/Android/, 'Android'],
    [/Windows/, 'Windows'],
    [/Mac OS/, 'Mac'],
    [/CrOS/, 'ChromeOS'],
    [/Linux/, 'Linux'],
  ])
  return browser ? [browser, system].filter(Boolean).join(' on ') : agent
}

/** Does what needs a login of the last ten minutes; when there is none, asks for one first. */
export async function recently(client: Client, act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (!(error instanceof ProblemError) || error.type !== 'reauthentication_required') throw error
    await logInAgain(client)
    await act()
  }
}

/** Asks who it is, in place of the page; resolves once that is shown. */
async function logInAgain(client: Client): Promise<void> {
  const { email } = await client.me()
  const page = document.querySelector('.sheet[open]')
  const password = element('input', { type: 'password', autocomplete: 'current-password', required: true })
  const submit = element('button', { className: 'primary' }, 'Continue')
  const passkey = element('button', { type: 'button', className: 'secondary' }, 'Use a passkey')
  const status = element('p', { className: 'error', role: 'alert' })
  const form = element(
    'form',
    {},
    element('p', { className: 'quiet' }, 'You logged in a while ago, and this changes who can get in.'),
    element('label', {}, `Password of ${email ?? 'your account'}`, password),
    status,
    submit,
    passkey,
  )
  const asking = element('dialog', { className: 'asking' }, element('h2', {}, 'Is it you?'), form)
  asking.setAttribute('aria-label', 'Is it you?')
  page?.append(asking)
  asking.showModal()
  try {
    await new Promise<void>((resolve, reject) => {
      async function by(way: () => Promise<void>): Promise<void> {
        submit.disabled = true
        await way().then(resolve, (error: unknown) => (status.textContent = reasonOf(error)))
        submit.disabled = false
      }
      form.onsubmit = (event) => {
        event.preventDefault()
        void by(() => client.login({ email: email ?? '', password: password.value }))
      }
      passkey.onclick = () => by(() => client.login.withPasskey())
      asking.onclose = () => reject(new DOMException('closed', 'AbortError'))
    })
  } finally {
    asking.onclose = null
    asking.remove()
  }
}
