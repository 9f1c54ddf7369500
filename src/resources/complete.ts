import { answer, ifMatch, otherMethods, rowId, Routes, storeOf, type Verb } from 'freehold'
import tasks from './tasks.ts'

const routes = new Routes()

routes.patch('/:id/complete', async (c) =>
  answer(c, await storeOf(c, tasks).toggle(rowId(c), 'completed', ifMatch(c))),
)
otherMethods(routes, '/:id/complete')

/** Flips a task between completed and pending in one statement. No declaration says that, so it is a route. */
export const complete: Verb = {
  resource: tasks,
  routes,
  path: '/{id}/complete',
  method: 'patch',
  name: 'complete',
  summary: 'Complete a task, or reopen it',
  description: 'A completed task becomes pending, any other becomes completed; two at once are two flips.',
}
