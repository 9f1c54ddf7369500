import type { Context } from 'hono'
import type { App } from '../context.ts'

/** Lets work go on after the answer, where the runtime says how; elsewhere it does so by itself. */
export function afterAnswer(c: Context<App>, work: Promise<void>): void {
  let context: Pick<ExecutionContext, 'waitUntil'> | undefined
  try {
    context = c.executionCtx
  } catch {
    // A test or a script calls the app without one.
  }
  context?.waitUntil(work)
}
