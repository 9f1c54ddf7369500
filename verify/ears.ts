import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { User } from './client.ts'
import { Mismatch } from './report.ts'
import type { Run } from './run.ts'

/** A live connection, and what it hears. */
export interface Ears {
  /** Every hint so far, oldest first. */
  hints: readonly Hint[]
  /** Resolves once a message fits. Throws a {@link Mismatch} after {@link PATIENCE}. */
  hear(what: string, fits: (text: string, hint: Hint | undefined) => boolean): Promise<void>
  send(text: string): void
  /** Resolves to the code that the server closes with. Throws a {@link Mismatch} after {@link PATIENCE}. */
  closed(): Promise<number>
  close(): void
}

/** What a `changed` message says. */
export type Hint = z.output<typeof changed>

const changed = z.strictObject({
  type: z.literal('changed'),
  bookmark: z.string().nullable(),
  revisions: z.record(z.string(), z.number()),
})
const closing = z.object({ code: z.number() })

/** How long a message may take, in milliseconds. */
const PATIENCE = 15_000

/** Opens a WebSocket as a browser does, and waits until it is ready. */
export async function listenBySocket({ client, signal }: Run, as: User, owner = 'me'): Promise<Ears> {
  const socket = new WebSocket(`${client.url.replace(/^http/, 'ws')}/api/${owner}/events`, [
    'freehold',
    `bearer.${as.token}`,
  ])
  const inbox = newInbox(signal, {
    send: (text) => socket.send(text),
    close: () => socket.close(),
  })
  socket.addEventListener('message', ({ data }) => inbox.take(String(data)))
  socket.addEventListener('close', ({ code }) => inbox.end(code))
  await ready(inbox.ears)
  if (socket.protocol !== 'freehold') throw new Mismatch('the subprotocol freehold', String(socket.protocol))
  return inbox.ears
}

/** Opens a stream of server-sent events, and waits until it is ready. */
export async function listenByStream({ client, signal }: Run, as: User): Promise<Ears> {
  const left = new AbortController()
  const response = await fetch(`${client.url}/api/me/events`, {
    headers: { Authorization: `Bearer ${as.token}`, Accept: 'text/event-stream' },
    signal: AbortSignal.any([signal, left.signal]),
  })
  const type = String(response.headers.get('Content-Type'))
  if (!response.body || !type.startsWith('text/event-stream')) {
    throw new Mismatch('a stream of events', `${response.status} ${type}`)
  }
  const inbox = newInbox(signal, {
    send() {
      throw new Error('a stream sends nothing')
    },
    close: () => left.abort(),
  })
  void readEvents(response.body, inbox).catch(() => inbox.end(NO_CODE))
  await ready(inbox.ears)
  return inbox.ears
}

/** Of a line that broke (RFC 6455 §7.1.5). */
const NO_CODE = 1006

async function readEvents(body: ReadableStream<Uint8Array>, { take, end }: Inbox): Promise<void> {
  let text = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const events = (text + chunk).split('\n\n')
    text = events.pop() ?? ''
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1]
      if (data === undefined) continue
      if (/^event: close$/m.test(event)) end(closing.parse(JSON.parse(data)).code)
      else take(data)
    }
  }
  end(NO_CODE)
}

async function ready(ears: Ears): Promise<void> {
  await ears.hear('the message ready', (text) => text === '{"type":"ready"}')
}

interface Inbox {
  ears: Ears
  take: (text: string) => void
  end: (code: number) => void
}

function newInbox(signal: AbortSignal, { send, close }: Pick<Ears, 'send' | 'close'>): Inbox {
  const messages: string[] = []
  const hints: Hint[] = []
  const over = Promise.withResolvers<number>()
  let wake = Promise.withResolvers<void>()

  /** The work, or a mismatch when it takes too long. */
  async function inTime<Result>(what: string, work: Promise<Result>): Promise<Result> {
    const done = new AbortController()
    const late = sleep(PATIENCE, undefined, { signal: AbortSignal.any([signal, done.signal]) }).then(() => {
      throw new Mismatch(what, `${messages.length} messages: ${messages.slice(-3).join(' ')}`)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      done.abort()
      late.catch(() => {})
    }
  }

  return {
    ears: {
      hints,
      send,
      close,
      hear: (what, fits) =>
        inTime(
          what,
          (async () => {
            while (!messages.some((text) => fits(text, hintIn(text)))) {
              await Promise.race([
                wake.promise,
                over.promise.then((code) => {
                  throw new Mismatch(what, `the end of the connection, ${code}`)
                }),
              ])
            }
          })(),
        ),
      closed: () => inTime('the end of the connection', over.promise),
    },
    take(text) {
      messages.push(text)
      const hint = hintIn(text)
      if (hint) hints.push(hint)
      wake.resolve()
      wake = Promise.withResolvers<void>()
    },
    end: over.resolve,
  }
}

function hintIn(text: string): Hint | undefined {
  return text.startsWith('{') ? changed.safeParse(JSON.parse(text)).data : undefined
}
