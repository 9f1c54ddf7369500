// What a deployment costs a month, from Cloudflare's prices of November 2026 in dollars: developers.cloudflare.com,
// workers/platform/pricing, d1/platform/pricing and durable-objects/platform/pricing. What the paid plan includes is left
// out, so that the figures can be compared.

/** A million Workers requests, a million milliseconds of their CPU, and a million requests to objects. */
const WORKER_REQUESTS = 0.3
const WORKER_CPU = 0.02
const OBJECT_REQUESTS = 0.15
/** A million GB-seconds of an object that runs, and the memory in GB it is billed for. */
const OBJECT_DURATION = 12.5
const OBJECT_MEMORY = 0.128
/** A million rows read, and a million written: the same for both homes. */
const ROWS_READ = 0.001
const ROWS_WRITTEN = 1
/** A GB a month. */
const D1_STORAGE = 0.75
const OBJECT_STORAGE = 0.2

const DAYS = 30
/** Of all users, those who come on a day, and what each does then. */
const ACTIVE = 0.2
const KINDS = ['gets', 'pages', 'writes', 'syncs', 'logins', 'refreshes'] as const
const USE = { gets: 50, pages: 20, writes: 20, syncs: 20, logins: 0.1, refreshes: 8 }
/** Rows that each takes, as docs/costs.md has them. */
const READ = { gets: 1, pages: 51, writes: 4, syncs: 3, logins: 5, refreshes: 6 }
const WRITTEN = { gets: 0, pages: 0, writes: 2, syncs: 0, logins: 4, refreshes: 2 }
/** How long an object is awake for a request, in milliseconds, and the CPU time of the Worker. */
const AWAKE = 10
const CPU = 1
/** What a user's rows take, their indexes and the database itself included, and what their account takes, in GB. */
const ROWS_SIZE = 600e-6
const ACCOUNT_SIZE = 1e-6
/** How much a D1 database holds, in GB. */
export const D1_SIZE = 10
/** How much busier the busiest hour is than the average. */
const PEAK = 3

/** What so many users take. */
export interface Scale {
  users: number
  /** Requests a second in the busiest hour. */
  peak: number
  /** GB in all: rows and accounts. */
  size: number
  /** GB in the directory, where rows are in objects. */
  directory: number
  /** Dollars a month. */
  d1: number
  objects: number
}

/** The use that the figures are of, in a sentence. */
export const USED = `${ACTIVE * 100} % of the users come on a day; each of them gets ${USE.gets} rows and ${USE.pages} pages of 50, writes ${USE.writes} times, pulls changes ${USE.syncs} times and refreshes a session ${USE.refreshes} times, and has 500 rows of 1 KB`

export function scaleOf(users: number): Scale {
  const days = users * ACTIVE * DAYS
  const counted = (weights: Record<(typeof KINDS)[number], number>) =>
    KINDS.reduce((sum, kind) => sum + USE[kind] * weights[kind], 0) * days
  const requests = counted({ gets: 1, pages: 1, writes: 1, syncs: 1, logins: 1, refreshes: 1 })
  const onRows = counted({ gets: 1, pages: 1, writes: 1, syncs: 1, logins: 0, refreshes: 0 })
  const inBoth =
    millions(requests) * (WORKER_REQUESTS + CPU * WORKER_CPU) +
    millions(counted(READ)) * ROWS_READ +
    millions(counted(WRITTEN)) * ROWS_WRITTEN
  const objects =
    millions(onRows) * (OBJECT_REQUESTS + (AWAKE / 1_000) * OBJECT_MEMORY * OBJECT_DURATION) +
    users * ROWS_SIZE * OBJECT_STORAGE
  const [rows, directory] = [users * ROWS_SIZE, users * ACCOUNT_SIZE]
  return {
    users,
    peak: (requests / (DAYS * 86_400)) * PEAK,
    size: rows + directory,
    directory,
    d1: inBoth + (rows + directory) * D1_STORAGE,
    objects: inBoth + objects + directory * D1_STORAGE,
  }
}

function millions(count: number): number {
  return count / 1e6
}
