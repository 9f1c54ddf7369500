import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import { createApp } from '../src/app.ts'
import type { Bindings } from '../src/config.ts'
import { resources, verbs } from '../src/resources/index.ts'
import { withRun } from './objects.ts'
import { inObjects } from './rows.ts'
import { answerOf, requestOf, type Answer } from './client.ts'

/** A statement as it went to D1. */
export interface Recorded {
  sql: string
  parameters: unknown[]
}

/** The app over a D1 binding that writes down what passes through it. */
export interface RecordedApp {
  fetch(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Each round trip since the last call of {@link RecordedApp.taken}: its statements. */
  taken(): Recorded[][]
}

/** The whole app of `createApp`, as deployed unless told otherwise, over the real D1, recorded. */
export function recordedApp(app = createApp(resources, verbs)): RecordedApp {
  let trips: Recorded[][] = []
  // No create is chosen to count its owner's rows, so that the same request asks the same.
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  // One user asks for more than its quota.
  const settings = { ENVIRONMENT: 'development', RATE_LIMITS: 'off' }
  const record = (trip: Recorded[]) => trips.push(trip)
  const bindings: Bindings = {
    ...env,
    ...settings,
    DB: recording(env.DB, record),
    ...(inObjects && { HUB: watched(record) }),
  }
  return {
    async fetch(method, path, body, headers = {}) {
      return answerOf(await app.fetch(requestOf(method, path, { body, headers }), bindings))
    },
    taken() {
      const taken = trips
      trips = []
      return taken
    },
  }
}

/** The objects, whose batches are recorded as those of D1. */
function watched(onTrip: (trip: Recorded[]) => void) {
  return withRun((object, work) => {
    onTrip(work.statements.map(({ sql, parameters }) => ({ sql, parameters: [...parameters] })))
    return object.run(work)
  })
}

/** Only what runs as a batch gets through, so that nothing can run unseen. */
function recording(db: D1Database, onTrip: (trip: Recorded[]) => void): D1Database {
  const recorded = new WeakMap<D1PreparedStatement, Recorded>()
  return only<D1Database>({
    prepare: (sql: string) =>
      only<D1PreparedStatement>({
        bind: (...parameters: unknown[]) => {
          const bound = db.prepare(sql).bind(...parameters)
          recorded.set(bound, { sql, parameters })
          return bound
        },
      }),
    batch: <Row>(statements: D1PreparedStatement[]) => {
      onTrip(statements.map((statement) => recorded.get(statement) ?? { sql: 'unknown', parameters: [] }))
      return db.batch<Row>(statements)
    },
  })
}

function only<Whole>(part: Partial<Whole>): Whole {
  return new Proxy(part, {
    get(target, name) {
      if (name in target) return Reflect.get(target, name)
      throw new Error(`the recorder does not know ${String(name)}`)
    },
  }) as Whole
}
