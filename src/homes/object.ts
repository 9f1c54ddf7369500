import type { Bindings } from '../config.ts'
import type { Guard, Home, Ran } from '../d1/database.ts'
import type { BoundStatement } from '../d1/statement.ts'
import { log } from '../log.ts'
import { Problem, type ProblemType } from '../problems.ts'
import { hubOf } from './hubs.ts'

/** Who asks an owner's object, and what for. */
export interface Errand {
  owner: string
  /** The user who asks, and the session of the token that was sent, if it has one. */
  caller: string
  session: string | undefined
  /** What must hold, as queries that D1 decides. */
  guards: readonly Guard[]
  /** Whether connections are told of what is written. */
  live: boolean
  /** The newest migration that the Worker knows; undefined where it knows none. */
  schema: string | undefined
  /** Whether the rows are to stay where they are: the Worker looks for them in D1 first. */
  stays?: boolean
}

/** One batch for an owner's object. */
export interface Work extends Errand {
  statements: readonly BoundStatement[]
}

/** What an object answers: what the batch did, the problem that it is, or the message of the database's error. */
export type Reply =
  | (Omit<Ran, 'rows' | 'written' | 'broken'> & { rows: Record<string, SqlStorageValue>[][] })
  | { problem: ProblemType }
  | { fault: string }

/** The object of the errand's owner as the home of their rows (docs/decisions/0036). It tells its connections itself. */
export function objectHome(env: Bindings, errand: Errand): Home {
  return {
    // D1 is asked for them by the object, if at all.
    guards: 0,
    async run(statements) {
      // Each try takes a new stub: a stub that failed may stay broken.
      const object = hubOf(env, errand.owner)
      if (!object) {
        log('error', { event: 'misconfigured', faults: ['the binding HUB is missing, and ROWS is objects'] })
        throw new Problem('misconfigured')
      }
      const reply: Reply = await object.run({ ...errand, statements: statements.map(sendable) })
      if ('problem' in reply) throw new Problem(reply.problem)
      if ('fault' in reply) throw new Error(reply.fault)
      return { ...reply, written: [] }
    },
  }
}

/** A statement without what only its sender needs. */
function sendable({ sql, parameters }: BoundStatement): BoundStatement {
  return { sql, parameters }
}
