import { exports } from 'cloudflare:workers'
import { createClient, type ClientOptions, type Fetch, type Socket } from '../../client/src/index.ts'
import { newUser, tokenFor } from '../client.ts'

/** What can happen on the way: the request never arrives, its answer is lost, or something else answers. */
export type Fault = 'lost request' | 'lost answer' | Response

/** What happens to a request. */
export type FaultOf = (request: Request, count: number) => Fault | undefined | Promise<Fault | undefined>

/** The way to the deployed Worker, where `faultOf` says what happens to each request, counted from 0. */
export function network(faultOf: FaultOf = () => undefined) {
  const sent: Request[] = []
  const fetch: Fetch = async (request) => {
    const fault = await faultOf(request, sent.length)
    sent.push(request.clone())
    if (fault instanceof Response) return fault
    if (fault === 'lost request') throw new TypeError('Failed to fetch')
    const response = await exports.default.fetch(request)
    if (fault === 'lost answer') throw new TypeError('Failed to fetch')
    return response
  }
  return { sent, fetch }
}

/** Live lines to the deployed Worker: `passes` says which messages get through, `cut` ends all that are open. */
export function lines(passes: (message: string) => boolean = () => true) {
  const open = new Set<() => void>()
  async function webSocket(url: string, protocols: string[]): Promise<Socket> {
    const headers = { Upgrade: 'websocket', 'Sec-WebSocket-Protocol': protocols.join(', ') }
    const request = new Request(url.replace('ws', 'http'), { headers })
    const { status, webSocket: socket } = await exports.default.fetch(request)
    if (!socket) throw new TypeError(`refused with ${status}`)
    const onMessage: ((event: { data: unknown }) => void)[] = []
    const onClose: ((event: { code: number }) => void)[] = []
    let isOver = false
    let isAccepted = false
    function end(code: number): void {
      if (isOver) return
      isOver = true
      open.delete(cut)
      accept()
      socket?.close()
      for (const listener of onClose) listener({ code })
    }
    const cut = () => end(1006)
    open.add(cut)
    socket.addEventListener('message', ({ data }) => {
      if (!isOver && passes(String(data))) for (const listener of onMessage) listener({ data })
    })
    socket.addEventListener('close', ({ code }) => end(code))
    // Not before there are listeners.
    const accepting = setTimeout(accept)
    function accept(): void {
      if (!isAccepted) socket?.accept()
      isAccepted = true
      clearTimeout(accepting)
    }
    return {
      addEventListener(
        type: 'message' | 'close',
        listener: (event: { data: unknown; code: number }) => void,
      ) {
        if (type === 'message') onMessage.push((event) => listener({ ...event, code: 0 }))
        else onClose.push((event) => listener({ ...event, data: '' }))
      },
      send: (text) => socket.send(text),
      close: () => end(1000),
    }
  }
  return {
    webSocket,
    get open() {
      return open.size
    },
    cut: () => [...open].forEach((end) => end()),
  }
}

/** Where no WebSocket gets through. */
const noLine = () => Promise.reject(new TypeError('blocked'))

/** A client of a new user, over a {@link network}. */
export async function newClient(faultOf?: FaultOf, options: ClientOptions & { id?: string } = {}) {
  const { id = `user-${crypto.randomUUID()}`, ...rest } = options
  const user = await newUser(id)
  const { sent, fetch } = network(faultOf)
  const token = await tokenFor(id)
  return {
    user,
    sent,
    client: createClient({
      baseUrl: 'https://api.test',
      token,
      backoff: 1,
      fetch,
      webSocket: noLine,
      ...rest,
    }),
  }
}
