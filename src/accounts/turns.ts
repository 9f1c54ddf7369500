import { Problem } from '../problems.ts'

/** How many may wait in an isolate, the one at work included. */
export const MAX_WAITING = 128
/** How long one may wait for its turn, in milliseconds. */
const MAX_WAIT = 5_000
/** How long all wait between two turns, in milliseconds: then the isolate serves other requests. */
const PAUSE = 10
/** How long one keeps its place without a sign of life, in milliseconds: longer than any hash we accept takes. */
const LEASE = 3_000

/** A place in the queue. A request that is cancelled never leaves it, so a place is kept only until it is renewed. */
interface Place {
  until: number
}

let queue: readonly Place[] = []

/**
 * Does work that blocks the isolate, such as hashing a password, when it is its turn: one at a time, in order of arrival, and
 * never two without a pause for everybody else. Throws `busy` when too many wait, or when it took too long.
 */
export async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  const arrived = Date.now()
  const place = { until: arrived + LEASE }
  queue = queue.filter(({ until }) => until > arrived)
  if (queue.length >= MAX_WAITING) throw new Problem('busy')
  queue = [...queue, place]
  try {
    await reachFront(place, arrived + MAX_WAIT)
    return await work()
  } finally {
    queue = queue.filter((other) => other !== place)
  }
}

/** Polls, because a Worker may not resolve another request's promise. The clock moves only while it waits. */
async function reachFront(place: Place, deadline: number): Promise<void> {
  let first = false
  while (!first) {
    // The first in the queue waits once more, so that requests that came during the last turn are served before the next.
    const ahead = queue.indexOf(place)
    first = ahead === 0
    // A place far back polls less often: a hundred polling every few milliseconds would keep the isolate busy.
    await new Promise((resolve) => setTimeout(resolve, PAUSE * Math.max(1, ahead)))
    const now = Date.now()
    if (now > deadline) throw new Problem('busy')
    place.until = now + LEASE
    queue = queue.filter(({ until }) => until > now)
  }
}
