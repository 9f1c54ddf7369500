import { log } from '../log.ts'
import { Problem, type ProblemType } from '../problems.ts'
import { raisedIn } from './assertion.ts'
import type { BoundStatement } from './statement.ts'

/** What a request has cost so far, by the database's own count. */
export interface Cost {
  /** Round trips to the database. */
  batches: number
  /** Statements in them, guards included, of which D1 takes {@link MAX_STATEMENTS} from one invocation. */
  statements: number
  rowsRead: number
  rowsWritten: number
  /** Milliseconds spent waiting for it. */
  ms: number
  /** Milliseconds that it was at work itself, which others' requests waited for. */
  workMs: number
}

/** The cost of a request that has asked nothing yet. */
export function noCost(): Cost {
  return { batches: 0, statements: 0, rowsRead: 0, rowsWritten: 0, ms: 0, workMs: 0 }
}

/** How many statements D1 takes from one invocation of a Worker, on the paid plan (on the free one it takes 50). */
export const MAX_STATEMENTS = 1_000

/** A row as the database returns it: column name → value. */
export type Row = Record<string, unknown>

/** What joins every batch of a request: what must hold there, or its problem is thrown, or what is noted there. */
export interface Guard {
  statement: BoundStatement
  /** Undefined for a statement that only notes something. */
  problem?: ProblemType
  /** Whether the statement is a query that returns a row if it holds; otherwise it is an assertion. */
  selects: boolean
}

/**
 * Guards of a request in the form that its home decides them in: all as queries, or as assertions. With `home` the first
 * one also tells whether the rows of that owner have left D1.
 */
export type Guards = (selects: boolean, home?: string) => readonly Guard[]

/** How a batch may be run. */
export interface BatchOptions {
  /** Doing it twice changes nothing more, so it is tried again after a passing fault. */
  repeatable?: boolean
}

/** What a committed statement wrote: its verb, its table, and the rows that it returned. */
export interface Written {
  verb: string
  table: string
  rows: readonly Row[]
}

/** What a batch did. */
export interface Ran {
  /** The rows that each statement returned. */
  rows: Row[][]
  rowsRead: number
  rowsWritten: number
  /** Milliseconds that the database was at work. */
  ms: number
  /** What it wrote that nobody was told of yet. */
  written: readonly Written[]
  /** The problem of the first guard that did not hold, of those that a read selects. */
  broken?: ProblemType | undefined
  /** Whether a guard says that the rows are not here but in the object of their owner. */
  moved?: boolean
}

/** Where rows are, with what must hold for a request's way there. */
export interface Home {
  /** How many statements of its own join each batch. */
  readonly guards: number
  /** Runs the statements as one atomic batch, in one round trip. Throws what the database throws, or a problem. */
  run(statements: readonly BoundStatement[]): Promise<Ran>
}

/** One request's way to its rows. */
export interface Database {
  /**
   * Runs the statements as one atomic batch, in one round trip, and resolves to each one's rows. Throws the problem of
   * an assertion that does not hold, `id_taken`, `quota_exceeded`, `misconfigured`, `database_unavailable` or `database_timeout`; then
   * nothing of the batch is stored, except after the last two, where it is not known.
   */
  batch(statements: readonly BoundStatement[], options?: BatchOptions): Promise<Row[][]>
  /** What this request has committed so far, in that order; writes that return no rows are left out. */
  written(): readonly Written[]
}

/** How long the database may take to answer, all tries together, in milliseconds. */
const DEADLINE = 5_000
/** How often a repeatable batch is tried, and how long the first wait is, in milliseconds; each next one is twice as long. */
const TRIES = 4
const FIRST_WAIT = 50

/** Opens the home of a request's rows. What it costs is added to `cost`. */
export function openDatabase(home: Home, cost: Cost): Database {
  const written: Written[] = []

  async function attempt(statements: readonly BoundStatement[], tries: number): Promise<Ran> {
    cost.batches += 1
    cost.statements += statements.length + home.guards
    try {
      const ran = await home.run(statements)
      cost.rowsRead += ran.rowsRead
      cost.rowsWritten += ran.rowsWritten
      cost.workMs += ran.ms
      written.push(...ran.written)
      return ran
    } catch (error) {
      const problem = asProblem(error)
      const passing = problem instanceof Problem && problem.type === 'database_unavailable'
      if (!passing || tries <= 1) throw problem
      // Jitter, so that everybody whom the same fault hit does not come back at once.
      const wait = FIRST_WAIT * 2 ** (TRIES - tries)
      await scheduler.wait(wait * (0.5 + Math.random()))
      return attempt(statements, tries - 1)
    }
  }

  return {
    async batch(statements, { repeatable = false } = {}) {
      const started = performance.now()
      try {
        const { rows, broken } = await withinDeadline(attempt(statements, repeatable ? TRIES : 1))
        if (broken) throw new Problem(broken)
        return rows
      } finally {
        cost.ms += performance.now() - started
      }
    },
    written: () => written,
  }
}

function withinDeadline<Result>(work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Problem('database_timeout')), DEADLINE)
    const settled = () => clearTimeout(timer)
    work.then(resolve, reject).then(settled, settled)
  })
}

/** What the messages of D1 and of an object mean; they may hold SQL, so they go no further than here. */
const faults: readonly [pattern: RegExp, problem: ProblemType][] = [
  [/UNIQUE constraint failed: (\w+)\.user_id, \1\.id\b/, 'id_taken'],
  [/CHECK constraint failed: quota_exceeded/, 'quota_exceeded'],
  [/no such (table|column|index)|has no column named/, 'misconfigured'],
  [/overloaded|too many requests queued/i, 'database_unavailable'],
  [/network connection lost|reset|transient|starting up d1/i, 'database_unavailable'],
  [/timed? ?out/i, 'database_timeout'],
]

function asProblem(error: unknown): Error {
  if (error instanceof Problem) return error
  const message = error instanceof Error ? error.message : ''
  const raised = raisedIn(message)
  if (raised) return raised
  const problem = faults.find(([pattern]) => pattern.test(message))?.[1]
  if (problem === 'misconfigured') {
    log('error', {
      event: 'misconfigured',
      faults: ['the database schema is not current: run the migrations'],
    })
  }
  return problem ? new Problem(problem) : asError(error)
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('the database threw something that is not an error')
}
