// What live changes cost for a million users, from Cloudflare's prices of November 2026 in dollars:
// developers.cloudflare.com/durable-objects/platform/pricing and /workers/platform/pricing. What the paid plan includes is
// left out, and so is what costs the same either way: the writes themselves, and the rows that are read.

/** A million Workers requests, and a million milliseconds of their CPU. */
const WORKER_REQUESTS = 0.3
const WORKER_CPU = 0.02
/** A million requests to objects, and a million GB-seconds of an object that runs or cannot hibernate. */
const OBJECT_REQUESTS = 0.15
const OBJECT_DURATION = 12.5
/** The memory that an object is billed for, in GB, independent of its use. */
const OBJECT_MEMORY = 0.128

const DAYS = 30
/** Of a million users, those who come on a day. */
const USERS = 200_000
/** What each of them does on that day: hours connected, connections (deploys and sleeping phones end some), writes. */
const HOURS = 2
const CONNECTIONS = 4
const WRITES = 20
/** How long a hub is awake for a connection or an announcement, in milliseconds. */
const AWAKE = 10
/** The CPU time of one request, in milliseconds. */
const CPU = 1
/** How often a client asks for changes, in seconds: with hints, and without. */
const SELDOM = 300
const POLL = 15
const FAST_POLL = 5

/** A line of the table: what is billed, how it is counted, and what it costs a month. */
interface Line {
  what: string
  count: string
  dollars: number
}

/** The lines of each way to hear of changes, and their sum. */
export function liveCosts(): { way: string; parts: readonly Line[]; dollars: number }[] {
  const connections = USERS * CONNECTIONS * DAYS
  const writes = USERS * WRITES * DAYS
  const seconds = USERS * HOURS * 3_600 * DAYS
  const told = [
    objects(`Announcements: ${WRITES} writes a day`, writes),
    requests(`Connections: ${CONNECTIONS} a day`, connections),
    objects('The same, at the hubs', connections),
    requests('A pull on one other device after each write', writes),
    requests(`A pull every ${SELDOM / 60} minutes, since a hint may be lost`, seconds / SELDOM),
  ]
  const ways = {
    'Live, by sockets that hibernate': [
      ...told,
      duration(`Hubs awake: ${AWAKE} ms each time`, ((writes + connections) * AWAKE) / 1_000),
    ],
    [`Polling every ${POLL} seconds`]: [requests('Pulls', seconds / POLL)],
    [`Polling every ${FAST_POLL} seconds`]: [requests('Pulls', seconds / FAST_POLL)],
    'Live, by streams that an object holds': [
      ...told,
      duration(`Objects that cannot hibernate: ${HOURS} hours a day`, seconds),
    ],
  }
  return Object.entries(ways).map(([way, parts]) => ({
    way,
    parts,
    dollars: parts.reduce((sum, part) => sum + part.dollars, 0),
  }))
}

/** Who is counted, in a sentence. */
export const LIVE_USERS = `${USERS.toLocaleString('en')} of a million users come on a day, for ${HOURS} hours each`

function requests(what: string, number: number): Line {
  return {
    what,
    count: `${millions(number)} Workers requests, ${CPU} ms of CPU each`,
    dollars: (number / 1e6) * (WORKER_REQUESTS + CPU * WORKER_CPU),
  }
}

function objects(what: string, number: number): Line {
  return {
    what,
    count: `${millions(number)} requests to objects`,
    dollars: (number / 1e6) * OBJECT_REQUESTS,
  }
}

function duration(what: string, awake: number): Line {
  return {
    what,
    count: `${millions(awake)} s × ${OBJECT_MEMORY} GB`,
    dollars: ((awake * OBJECT_MEMORY) / 1e6) * OBJECT_DURATION,
  }
}

function millions(number: number): string {
  return `${(number / 1e6).toLocaleString('en', { maximumFractionDigits: 2 })} M`
}
