import { afterEach, beforeEach, expect, test } from 'vitest'
import { newProject } from './project.ts'

let project: ReturnType<typeof newProject>
beforeEach(() => {
  project = newProject()
})
afterEach(() => project.remove())

test('a declaration that imports the engine past the package is refused by name', () => {
  expect(project.run('rooms.ts')).toMatchObject({ status: 0 })
  project.edit('src/resources/comments.ts', `from 'freehold'`, `from '../engine/resource.ts'`)
  const { status, output } = project.run('rooms.ts')
  expect([status, output]).toEqual([
    1,
    expect.stringContaining(
      'applications-import-the-package: src/resources/comments.ts → src/engine/resource.ts',
    ),
  ])
})
