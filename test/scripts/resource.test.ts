import { afterEach, beforeEach, expect, test } from 'vitest'
import { newProject } from './project.ts'

let project: ReturnType<typeof newProject>
beforeEach(() => {
  project = newProject()
})
afterEach(() => project.remove())

test('one command writes the declaration, the table of contents, the migration and the OpenAPI document', () => {
  const { status, output } = project.run(
    'resource.ts',
    'notes',
    'title:string(200)',
    'body:text?',
    'pinned:boolean=false',
    'due:date?',
    'stage:enum(draft,final)=draft',
    'tags:list',
    'project:projects?',
    '--under',
    'tasks',
  )
  expect([status, output]).toEqual([0, expect.stringContaining('/api/me/tasks/{task_id}/notes')])
  expect(project.read('src/resources/index.ts')).toContain('[projects, tasks, comments, notes]')
  expect(project.read('src/resources/notes.ts')).toContain('task_id: parent(tasks)')
  expect(project.migration('notes')).toContain('CREATE TABLE `notes`')
  const { paths } = JSON.parse(project.read('public/openapi.json'))
  expect(project.read('client/src/collections.ts')).toContain('NoteCreate')
  expect(Object.keys(paths)).toContain('/api/{user_id}/tasks/{task_id}/notes/{id}/restore')
  const created = paths['/api/{user_id}/tasks/{task_id}/notes'].post.responses[201]
  expect(created.content['application/json'].example).toMatchObject({ title: 'A title', stage: 'draft' })
})

test('--dry-run prints what it would write, and writes nothing', () => {
  const before = project.state()
  const { status, output } = project.run('resource.ts', 'notes', 'title:string', '--dry-run')
  expect([status, output]).toEqual([0, expect.stringContaining('export const notes = ownedTable(')])
  expect(project.state()).toBe(before)
})

test('what cannot be a resource is refused with a reason, and nothing is written', () => {
  const before = project.state()
  const refused: [reason: string, ...args: string[]][] = [
    ['already', 'tasks', 'a:text'],
    ['reserved', 'export', 'a:text'],
    ['reserved', 'delete', 'a:text'],
    ['cannot be', 'Notes', 'a:text'],
    ['cannot be', '../x', 'a:text'],
    ['at least one field', 'notes'],
    ['no type or resource', 'notes', 'a:foo'],
    ['name:type', 'notes', 'A:text'],
    ['has that already', 'notes', 'id:text'],
    ['has that already', 'notes', 'a:text', 'a:text'],
    ['has that already', 'notes', 'task_id:text', '--under', 'tasks'],
    ['parameter limit', 'notes', 'limit:boolean'],
    ['parameter tag', 'notes', 'tag:boolean', 'tags:list'],
    ['must be optional', 'notes', 'p:projects'],
    ['enum lists', 'notes', 'a:enum()'],
    ['not one of', 'notes', 'a:enum(x,y)=z'],
    ['not an integer', 'notes', 'a:integer=x'],
    ['takes no', 'notes', 'a:boolean(3)'],
    ['no resource named', 'notes', 'a:text', '--under', 'nothing'],
    ['Unknown option', 'notes', 'a:text', '--undr', 'tasks'],
  ]
  for (const [reason, ...args] of refused) {
    const { status, output } = project.run('resource.ts', ...args)
    expect([args, status, output]).toEqual([args, 1, expect.stringContaining(reason)])
  }
  expect(project.state()).toBe(before)
})
