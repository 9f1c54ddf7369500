import { exports } from 'cloudflare:workers'
import { onTestFinished } from 'vitest'
import { requestOf, type Json } from './client.ts'

/** A live connection, and what it has received. */
export interface Listener {
  /** Every message so far, oldest first. */
  messages: Json[]
  /** Resolves to the first message that fits, received already or yet to come, from after the last one that was asked for. */
  next: (fits?: (message: Json) => boolean) => Promise<Json>
  send: (text: string) => void
  close: () => void
  /** Resolves to the code once the server has closed the connection. */
  closed: Promise<number>
}

/** Opens a WebSocket as a client that can send headers; throws the status of a refusal. */
export async function listen(path: string, headers: Record<string, string>): Promise<Listener> {
  const request = requestOf('GET', path, { headers: { Upgrade: 'websocket', ...headers } })
  const { status, webSocket } = await exports.default.fetch(request)
  if (!webSocket) throw new Error(`refused with ${status}`)
  const listener = listenerTo(webSocket)
  onTestFinished(() => listener.close())
  await listener.next(({ type }) => type === 'ready')
  return listener
}

/** What a socket receives, from now on. */
export function listenerTo(socket: WebSocket): Listener {
  const messages: Json[] = []
  const { promise: closed, resolve: settle } = Promise.withResolvers<number>()
  let wake = Promise.withResolvers<void>()
  let seen = 0
  const news = () => {
    wake.resolve()
    wake = Promise.withResolvers<void>()
  }
  socket.addEventListener('message', ({ data }) => {
    const text = String(data)
    messages.push(text.startsWith('{') ? JSON.parse(text) : text)
    news()
  })
  socket.addEventListener('close', ({ code }) => settle(code))
  socket.accept()
  return {
    messages,
    async next(fits = () => true) {
      for (;;) {
        while (seen < messages.length) {
          const message = messages[seen]
          seen += 1
          if (fits(message)) return message
        }
        await wake.promise
      }
    },
    send: (text) => socket.send(text),
    close: () => socket.close(1000),
    closed,
  }
}
