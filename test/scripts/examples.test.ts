import { afterEach, beforeEach, expect, test } from 'vitest'
import { newProject } from './project.ts'

let project: ReturnType<typeof newProject>
beforeEach(() => {
  project = newProject()
})
afterEach(() => project.remove())

// Those that are there are held to their schemas by test/openapi.test.ts. To record each of them anew takes two minutes of
// hashing passwords: EXAMPLES=all.
test('the examples of the OpenAPI document are what its operations answer', () => {
  const committed = project.read('docs/examples.json')
  const which = process.env.EXAMPLES === 'all' ? [] : ['--new']
  expect(project.run('examples.ts', ...which).status).toBe(0)
  expect(project.read('docs/examples.json'), 'Run npm run examples, and commit').toBe(committed)
})
