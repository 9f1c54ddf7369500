import { afterEach, beforeEach, expect, test } from 'vitest'
import { newProject } from './project.ts'

let project: ReturnType<typeof newProject>
beforeEach(() => {
  project = newProject()
})
afterEach(() => project.remove())

test('the examples of the OpenAPI document are what its operations answer', () => {
  const committed = project.read('docs/examples.json')
  expect(project.run('examples.ts').status).toBe(0)
  expect(project.read('docs/examples.json'), 'Run npm run examples, and commit').toBe(committed)
})
