import {
  createClient,
  memoryStore,
  OfflineError,
  type Client,
  type LocalCopy,
  type Socket,
} from 'freehold-client'
import { listOf } from './list.ts'
import { copyOf, find } from './page.ts'

const view = find('#panes', HTMLElement)
const place = find('#devices', HTMLElement)
const keep = find('#keep-guest', HTMLButtonElement)

/** What a new guest finds. */
const FIRST = ['Book the train to Lisbon', 'Buy rye bread', 'Water the plants']

/** Where the guest's tokens are kept for as long as the tab lives, so that a reload goes on with the same guest. */
const KEPT = 'guest of the panes'
const storage = {
  getItem: () => sessionStorage.getItem(KEPT),
  setItem: (_: string, value: string) => sessionStorage.setItem(KEPT, value),
  removeItem: () => sessionStorage.removeItem(KEPT),
}

/** A device in a pane: a client with a copy of its own, and a network that can be switched off. */
interface Device {
  client: Client
  copy: LocalCopy
  unplug: (isOff: boolean) => void
}

let devices: Device[] = []

/**
 * Shows one list on two devices side by side, of a guest who need not say anything; `enter` goes on with that guest. Shows
 * nothing where there are no guests.
 */
export async function showPanes(enter: () => unknown): Promise<void> {
  if (!view.hidden) return
  view.hidden = false
  place.ariaBusy = 'true'
  keep.disabled = true
  const opened: Device[] = []
  try {
    const first = newClient()
    const isNew = !(await first.client.signedIn())
    if (isNew) await first.client.login.asGuest()
    for (const each of [first, newClient()]) opened.push(await openDevice(each))
    const [device] = opened
    await device?.copy.sync()
    if (isNew) for (const title of FIRST) await device?.copy.create('tasks', { title })
  } catch {
    // There are no guests here, or no server: the form says the rest.
    view.hidden = true
  }
  place.ariaBusy = null
  if (view.hidden) return stop(opened)
  devices = opened
  place.replaceChildren(...devices.map((device, at) => paneOf(device, at ? 'Phone' : 'Laptop')))
  keep.onclick = async () => {
    view.hidden = true
    // What was just added goes along, if the server can be reached.
    await Promise.allSettled(devices.map(({ copy }) => copy.sync()))
    stop(devices)
    enter()
  }
  keep.disabled = false
}

/** Takes the panes away, and their devices off the net. */
export function hidePanes(): void {
  stop(devices)
  devices = []
  place.replaceChildren()
  view.hidden = true
}

function stop(opened: readonly Device[]): void {
  for (const { copy } of opened) copy.stop()
}

/** Has the guest of the panes go on in this browser: what signed them in is kept where others find it. */
export function adoptGuest(): void {
  localStorage.setItem(`freehold:${location.origin}`, storage.getItem() ?? '')
  storage.removeItem()
}

function newClient(): Omit<Device, 'copy'> {
  let isOff = false
  const sockets = new Set<WebSocket>()
  const client = createClient({
    storage,
    retries: 0,
    fetch: (request) => (isOff ? Promise.reject(new TypeError('unplugged')) : fetch(request)),
    webSocket(url, protocols): Socket {
      if (isOff) throw new OfflineError('unplugged')
      const socket = new WebSocket(url, protocols)
      sockets.add(socket)
      socket.addEventListener('close', () => sockets.delete(socket))
      return socket
    },
  })
  return {
    client,
    unplug(now) {
      isOff = now
      if (isOff) for (const socket of sockets) socket.close()
      // Every copy of the page looks whether its network is back.
      else dispatchEvent(new Event('online'))
    },
  }
}

async function openDevice({ client, unplug }: Omit<Device, 'copy'>): Promise<Device> {
  const copy = await client.sync({ storage: memoryStore() })
  copy.start()
  return { client, copy, unplug }
}

function paneOf({ copy, unplug }: Device, name: string): HTMLElement {
  const pane = copyOf('#pane', HTMLElement)
  const heading = find('h2', HTMLElement, pane)
  heading.textContent = name
  pane.ariaLabel = name
  const plug = find('.switch', HTMLButtonElement, pane)
  plug.ariaLabel = `Network of the ${name.toLowerCase()}`
  plug.onclick = () => {
    const isOff = plug.ariaChecked === 'true'
    plug.ariaChecked = String(!isOff)
    unplug(isOff)
  }
  const add = find('form', HTMLFormElement, pane)
  const field = find('input', HTMLInputElement, add)
  field.ariaLabel = `What to do, on the ${name.toLowerCase()}`
  add.onsubmit = (event) => {
    event.preventDefault()
    if (field.value.trim()) void copy.create('tasks', { title: field.value.trim() })
    add.reset()
  }
  const rows = listOf(copy, { list: find('ul', HTMLElement, pane), fallback: heading, isWhole: false })
  const state = find('.state', HTMLElement, pane)
  function show(): void {
    rows.show()
    const { pending, status, live } = copy
    const isAway = status === 'offline' || plug.ariaChecked === 'false'
    state.dataset.state = isAway ? 'waiting' : 'in-sync'
    const waiting = pending.length ? `, ${pending.length} waiting` : ''
    state.textContent = isAway ? `Offline${waiting}` : live ? `Live${waiting}` : `Connecting${waiting}`
  }
  copy.subscribe(show)
  plug.addEventListener('click', show)
  show()
  return pane
}
