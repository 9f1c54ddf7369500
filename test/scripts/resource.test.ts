import { afterEach, beforeEach, expect, test } from 'vitest'
import { newProject } from './project.ts'

let project: ReturnType<typeof newProject>
beforeEach(() => {
  project = newProject()
})
afterEach(() => project.remove())

test('one command writes the declaration, the migration and the OpenAPI document', () => {
  const { status, output } = project.run(
    'resource.ts',
    'walruses',
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
  expect([status, output]).toEqual([0, expect.stringContaining('/api/me/tasks/{task_id}/walruses')])
  expect(project.read('src/resources/index.ts')).toContain(`from './walruses.ts'`)
  expect(project.read('src/resources/walruses.ts')).toContain('task_id: parent(tasks)')
  expect(project.migration('walruses')).toContain('CREATE TABLE `walruses`')
  const { paths } = JSON.parse(project.read('public/openapi.json'))
  expect(project.read('client/src/collections.ts')).toContain('WalruseCreate')
  expect(Object.keys(paths)).toContain('/api/{user_id}/tasks/{task_id}/walruses/{id}/restore')
  const created = paths['/api/{user_id}/tasks/{task_id}/walruses'].post.responses[201]
  expect(created.content['application/json'].example).toMatchObject({ title: 'A title', stage: 'draft' })
})

test('--dry-run prints what it would write, and writes nothing', () => {
  const before = project.state()
  const { status, output } = project.run('resource.ts', 'walruses', 'title:string', '--dry-run')
  expect([status, output]).toEqual([0, expect.stringContaining('export const walruses = ownedTable(')])
  expect(project.state()).toBe(before)
})

test('a resource may be called what a helper is called, and be referred to', () => {
  const names = ['labels', 'text', 'title', 'moment', 'sql', 'column']
  for (const name of names) {
    const { status, output } = project.run('resource.ts', name, 'title:string', 'labels:list', '--dry-run')
    expect([name, status, output]).toEqual([
      name,
      0,
      expect.stringContaining(`const ${name}Table = ownedTable('${name}'`),
    ])
  }
  expect(project.run('resource.ts', 'labels', 'title:string', 'labels:list').status).toBe(0)
  const second = project.run('resource.ts', 'text', 'first:labels', 'moment:date', '--under', 'labels')
  expect([second.status, second.output]).toEqual([0, expect.stringContaining('/labels/{label_id}/text')])
  expect(project.read('src/resources/text.ts')).toContain('label_id: parent(labelsTable)')
})

test('what cannot be a resource is refused with a reason, and nothing is written', () => {
  const before = project.state()
  const refused: [reason: string, ...args: string[]][] = [
    ['already', 'tasks', 'a:text'],
    ['reserved', 'export', 'a:text'],
    ['reserved', 'delete', 'a:text'],
    ['cannot be', 'Notes', 'a:text'],
    ['cannot be', '../x', 'a:text'],
    ['at least one field', 'walruses'],
    ['no type or resource', 'walruses', 'a:foo'],
    ['name:type', 'walruses', 'A:text'],
    ['has that already', 'walruses', 'id:text'],
    ['has that already', 'walruses', 'a:text', 'a:text'],
    ['has that already', 'walruses', 'task_id:text', '--under', 'tasks'],
    ['parameter limit', 'walruses', 'limit:boolean'],
    ['parameter tag', 'walruses', 'tag:boolean', 'tags:list'],
    ['has no default', 'walruses', 'p:projects=x'],
    ['table named', 'idempotency_keys', 'a:text'],
    ['cannot name', 'walruses', 'a:text', '--singular', 'status'],
    ['enum lists', 'walruses', 'a:enum()'],
    ['not one of', 'walruses', 'a:enum(x,y)=z'],
    ['not an integer', 'walruses', 'a:integer=x'],
    ['takes no', 'walruses', 'a:boolean(3)'],
    ['no resource named', 'walruses', 'a:text', '--under', 'nothing'],
    ['Unknown option', 'walruses', 'a:text', '--undr', 'tasks'],
  ]
  for (const [reason, ...args] of refused) {
    const { status, output } = project.run('resource.ts', ...args)
    expect([args, status, output]).toEqual([args, 1, expect.stringContaining(reason)])
  }
  expect(project.state()).toBe(before)
})
