import { env } from 'cloudflare:workers'
import { onTestFinished, vi } from 'vitest'
import { createApp } from '../src/app.ts'
import type { Bindings, Limiter, Settings } from '../src/config.ts'
import { migrations, resources, verbs } from '../src/resources/index.ts'
import { answerOf, requestOf, type Json, type Parts } from './client.ts'

type Overrides = { [Name in keyof Settings]?: string | undefined } & {
  DB?: D1Database
  HUB?: Bindings['HUB'] | undefined
  EMAIL?: { send: (mail: never) => Promise<unknown> } | undefined
} & {
  [Name in Limiter]?: RateLimit | undefined
}

/** The app as deployed with other settings, as if in a new isolate; undefined unsets one. */
export function deploy(settings: Overrides = {}) {
  const app = createApp(resources, verbs, migrations)
  const bindings = { ...env, ...settings } as Bindings
  return async (method: string, path: string, parts: Parts = {}) =>
    answerOf(await app.fetch(requestOf(method, path, parts), bindings))
}

/** The tests' D1 with a count of the batches that reached it. */
export function countedDatabase() {
  const seen = { batches: 0 }
  const DB = {
    prepare: (sql: string) => env.DB.prepare(sql),
    batch: (statements: D1PreparedStatement[]) => {
      seen.batches += 1
      return env.DB.batch(statements)
    },
  }
  return { seen, DB: DB as D1Database }
}

/** A D1 whose every batch fails like this. */
export function brokenDatabase(fault: unknown): D1Database {
  const batch = async () => {
    throw fault
  }
  return { prepare: (sql: string) => env.DB.prepare(sql), batch } as unknown as D1Database
}

/** Every line the Worker logs until the end of this test, as text and as JSON. */
export function captureLog() {
  const lines: string[] = []
  for (const level of ['debug', 'log', 'info', 'warn', 'error'] as const) {
    const spy = vi.spyOn(console, level).mockImplementation((...parts) => {
      lines.push(parts.map(String).join(' '))
    })
    onTestFinished(() => spy.mockRestore())
  }
  return {
    lines,
    parsed: (): Json[] => lines.map((line) => JSON.parse(line)),
    /** The lines of requests; others say what went wrong. */
    requests: (): Json[] => lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'request'),
  }
}
