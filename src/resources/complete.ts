import { Hono } from 'hono'
import type { App } from '../env.ts'
import { ifMatch } from '../http/conditional.ts'
import { otherMethods } from '../http/methods.ts'
import { answer, rowId, storeOf } from '../routes.ts'
import tasks from './tasks.ts'

/** `PATCH /{id}/complete`: flips a task between completed and pending in one statement. No declaration says that, so it is a route. */
export const complete = new Hono<App>()

complete.patch('/:id/complete', async (c) =>
  answer(c, await storeOf(c, tasks).toggle(rowId(c), 'completed', ifMatch(c))),
)
otherMethods(complete, '/:id/complete')
