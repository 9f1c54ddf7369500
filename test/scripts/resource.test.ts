import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { newProject } from './project.ts'

let project: ReturnType<typeof newProject>
beforeEach(() => {
  project = newProject()
})
afterEach(() => project.remove())

test('the command of README writes the declaration, the migration and the OpenAPI document, and prints what README says', () => {
  const { args, printed, source } = inReadme()
  const dry = project.run('resource.ts', ...args, '--dry-run')
  expect([dry.status, dry.output.trim()]).toEqual([0, `// src/resources/notes.ts\n${source}`])

  const { status, output } = project.run('resource.ts', ...args)
  expect([status, lasting(output)]).toEqual([0, lasting(printed)])
  expect(project.read('src/resources/index.ts')).toContain(`from './notes.ts'`)
  expect(project.read('src/resources/notes.ts').trim()).toBe(source)
  expect(project.migration('notes')).toContain('CREATE TABLE `notes`')
  const { paths } = JSON.parse(project.read('public/openapi.json'))
  expect(project.read('client/src/collections.ts')).toContain('NoteCreate')
  expect(Object.keys(paths)).toContain('/api/{user_id}/tasks/{task_id}/notes/{id}/restore')
  const created = paths['/api/{user_id}/tasks/{task_id}/notes'].post.responses[201]
  expect(created.content['application/json'].example).toMatchObject({ title: 'A title', stage: 'draft' })
})

/** README's "Add a resource": the arguments of its command, what that prints, and the declaration it writes. */
function inReadme() {
  const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8')
  const [, command = '', printed = ''] =
    /\$ npm run resource -- ((?:[^\n]*\\\n)*[^\n]*)\n([^]*?)\n\n/.exec(readme) ?? []
  const [, source = ''] = /whole resource:\n\n```ts\n([^]*?)\n```/.exec(readme) ?? []
  const words = command.replaceAll(/\\\n\s*/g, '').match(/'[^']*'|\S+/g) ?? []
  return { args: words.map((word) => word.replaceAll("'", '')), printed, source }
}

/** Without the time in a migration's name, and how many there are. */
function lasting(output: string): string {
  return output
    .trim()
    .replace(/\d{14}(?=_notes)/, 'TIME')
    .replace(/(?<=all )\d+/, 'N')
}

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
