import type { Live, LiveEvent } from './live.ts'
import { platform } from './storage.ts'

/** How often a copy asks that hears what is written, in milliseconds: a hint may be lost. */
const RARELY = 300_000

/** What the tabs of a copy tell each other: whether the one that is connected is. */
export type Word = { live: boolean } | 'live?'

/** What keeps a copy in step. */
export interface Upkeep {
  /** Whether changes are heard of at once, by this tab or another. */
  readonly isLive: boolean
  /** Takes in what another tab has said. */
  hear(word: Word): void
  /** A sync has succeeded: who had signed out may be back. */
  synced(): void
  stop(): void
}

/** How to keep a copy in step. */
export interface Keeping {
  /** How often to ask while nothing is heard, in milliseconds. */
  interval: number
  /** The lock of the tab that connects for all; undefined for a copy that no other tab has. */
  lock: string | undefined
  connect: (listener: (event: LiveEvent) => void) => Live
  /** Fetches what changed. */
  sync: () => void
  /** Takes in the revisions of a hint. */
  hint: (revisions: object) => void
  tellTabs: (word: Word) => void
  /** Whether changes are heard of has changed. */
  changed: () => void
}

/**
 * Keeps a copy in step: by what is heard, one tab connecting for all, and by asking: now, when it connects, when the page is
 * looked at or the network is back, every five minutes, and as often as `interval` says while nothing is heard.
 */
export function keepUp({ interval, lock, connect, sync, hint, tellTabs, changed }: Keeping): Upkeep {
  const over = new AbortController()
  let connection: Live | undefined
  let isLive = false
  let hasEnded = false
  let timer: ReturnType<typeof setTimeout> | undefined

  function plan(): void {
    clearTimeout(timer)
    timer = setTimeout(
      () => {
        plan()
        sync()
      },
      isLive ? Math.max(RARELY, interval) : interval,
    )
  }

  function turn(now: boolean): void {
    if (now === isLive) return
    isLive = now
    plan()
    changed()
  }

  function listener(event: LiveEvent): void {
    hasEnded = event.type === 'ended'
    if (event.type === 'changed') return hint(event.revisions)
    turn(event.type === 'ready')
    if (isLive) sync()
    tellTabs({ live: isLive })
  }

  /** Connects for all tabs until it is stopped. */
  function lead(): Promise<void> {
    if (over.signal.aborted) return Promise.resolve()
    connection = connect(listener)
    return new Promise((resolve) => {
      over.signal.addEventListener('abort', () => {
        connection?.close()
        tellTabs({ live: false })
        resolve()
      })
    })
  }

  function look(): void {
    if (platform.document?.visibilityState === 'hidden') return
    connection?.wake()
    sync()
  }

  for (const type of LOOKS) platform.addEventListener?.(type, look)
  plan()
  const locks = lock === undefined ? undefined : platform.navigator?.locks
  if (lock !== undefined && locks) {
    tellTabs('live?')
    // It is refused only when it is stopped while it waits.
    locks.request(lock, { signal: over.signal }, lead).catch(() => {})
  } else void lead()

  return {
    get isLive() {
      return isLive
    },
    hear(word) {
      if (!connection && word !== 'live?') turn(word.live)
      else if (connection && word === 'live?') tellTabs({ live: isLive })
    },
    synced() {
      if (hasEnded) connection?.wake()
      hasEnded = false
    },
    stop() {
      over.abort()
      clearTimeout(timer)
      for (const type of LOOKS) platform.removeEventListener?.(type, look)
    },
  }
}

/** When a page is looked at again, or can be. */
const LOOKS = ['online', 'focus', 'visibilitychange']
