import type { Collection } from './outbox.ts'
import { parse } from './storage.ts'

/** What is heard of an owner's rows: hints that carry no row, so ask for `/changes`, or sync (contract: Live). */
export type LiveEvent =
  /** Connected from now on; what happened before has to be asked for. */
  | { type: 'ready' }
  /** Something was written, by whomever: the newest revision of each collection. A bookmark is taken in already. */
  | { type: 'changed'; bookmark: string | null; revisions: Partial<Record<Collection, number>> }
  /** Not connected: the line was cut, or cannot be had. It tries again by itself. */
  | { type: 'lost' }
  /** The session has ended or the account is erased: it does not try again. */
  | { type: 'ended' }

/** What is used of a WebSocket. */
export interface Socket {
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
  addEventListener(type: 'close', listener: (event: { code: number }) => void): void
  /** As in a browser: 2 and more when it is closing; unknown otherwise. */
  readonly readyState?: number
  send(text: string): void
  close(): void
}

/** A socket, and what says whether there is another token than the one it was opened with. */
export interface Line {
  socket: Socket
  renew: () => Promise<boolean>
}

/** A connection that comes back by itself. */
export interface Live {
  /** Tries now instead of later, also after it has ended; makes sure that a line which looks open is. */
  wake: () => void
  /** Whoever it was for has signed out. */
  end: () => void
  /** Closes it for good; not one event follows. */
  close: () => void
}

/** How often the line is tried, in milliseconds: proxies close what is silent for a minute or two. */
const HEARTBEAT = 25_000
/** How long an answer may take that is waited for, in milliseconds. */
const PATIENCE = 5000
/** The first and the longest wait before it connects again, in milliseconds; the actual one is random below (full jitter). */
const SOONEST = 2000
const LATEST = 60_000
/** How long it stays away when there are too many connections: coming back at once would push out another one, and so on. */
const CROWDED = 300_000

/** Keeps a connection by what opens one, and tells a listener what is heard on it. */
export function live(open: () => Promise<Line>, listener: (event: LiveEvent) => void): Live {
  let current: { check(): void; drop(): void } | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let attempt = 0
  let told: LiveEvent['type'] | undefined
  /** Which try counts: what belongs to an earlier one is over. */
  let turn = 0
  let isClosed = false

  function connect(): void {
    clearTimeout(timer)
    timer = undefined
    turn += 1
    const mine = turn
    open().then(
      (line) => (mine === turn ? attach(line) : line.socket.close()),
      () => mine === turn && again(),
    )
  }

  function attach({ socket, renew }: Line): void {
    let answered = false
    const beat = setInterval(() => {
      if (answered) ask()
      else over()
    }, HEARTBEAT)
    let patience: ReturnType<typeof setTimeout> | undefined
    let isOver = false

    function ask(): void {
      if ((socket.readyState ?? 1) > 1) return over()
      answered = false
      socket.send('ping')
    }
    function drop(): void {
      isOver = true
      clearInterval(beat)
      clearTimeout(patience)
      current = undefined
      socket.close()
    }
    function over(code?: number): void {
      if (isOver) return
      drop()
      if (code === 4429) again(CROWDED)
      else if (code === 4401 || code === 4410) {
        const mine = turn
        renew().then(
          (renewed) => mine === turn && (renewed ? again() : finish()),
          // Whether there is another token is not known either, or it is somebody else's.
          () => mine === turn && again(),
        )
      } else again()
    }
    current = {
      check() {
        if (!answered) return
        ask()
        clearTimeout(patience)
        patience = setTimeout(() => !answered && over(), PATIENCE)
      },
      drop,
    }
    socket.addEventListener('message', ({ data }) => {
      if (isOver) return
      answered = true
      if (data !== 'pong') tell(parse<LiveEvent>(String(data)))
      // One that lasts, unlike one that is cut off as soon as it is open.
      else attempt = 0
    })
    socket.addEventListener('close', ({ code }) => over(code))
  }

  function again(wait = Math.random() * Math.min(LATEST, SOONEST * 2 ** attempt)): void {
    attempt += 1
    timer = setTimeout(connect, wait)
    if (told !== 'lost') tell({ type: 'lost' })
  }

  function finish(): void {
    tell({ type: 'ended' })
  }

  function tell(event: LiveEvent): void {
    told = event.type
    listener(event)
  }

  function leave(): void {
    clearTimeout(timer)
    timer = undefined
    turn += 1
    current?.drop()
  }

  connect()
  return {
    wake() {
      if (isClosed) return
      if (current) current.check()
      else connect()
    },
    end() {
      if (isClosed) return
      leave()
      finish()
    },
    close() {
      isClosed = true
      leave()
    },
  }
}
