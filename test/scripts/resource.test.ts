import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { declaration, type ResourceWish } from '../../scripts/resource-source.ts'
import { resources } from '../../src/resources/index.ts'
import { newProject } from './project.ts'

let project: ReturnType<typeof newProject>
beforeEach(() => {
  project = newProject()
})
afterEach(() => project.remove())

test('the command of README writes the declaration, the migration and the OpenAPI document, and prints what README says', () => {
  const { args, printed, source } = inReadme()
  const before = project.state()
  const dry = project.run('resource.ts', ...args, '--dry-run')
  expect([dry.status, dry.output.trim()]).toEqual([0, `// src/resources/notes.ts\n${source}`])
  expect(project.state(), 'a dry run writes nothing').toBe(before)

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

test('a resource may be called what a helper is called, and be referred to', () => {
  for (const name of ['labels', 'text', 'title', 'moment', 'sql', 'column']) {
    const source = declaration({ name, specs: ['title:string', 'labels:list'] }, resources)
    expect(source).toContain(`const ${name}Table = ownedTable('${name}'`)
  }
  declare(declaration({ name: 'labels', specs: ['title:string', 'labels:list'] }, resources), 'labels')
  const { status, output } = project.run(
    'resource.ts',
    'text',
    'first:labels',
    'moment:date',
    '--under',
    'labels',
    '--dry-run',
  )
  expect([status, output]).toEqual([0, expect.stringContaining('label_id: parent(labelsTable)')])
  declare(output, 'text')
  expect(project.run('migrate-new.ts').status).toBe(0)
  expect(project.run('docs.ts').status).toBe(0)
  const { paths } = JSON.parse(project.read('public/openapi.json'))
  expect(Object.keys(paths)).toContain('/api/{user_id}/labels/{label_id}/text')
})

function declare(source: string, name: string): void {
  writeFileSync(join(project.folder, 'src', 'resources', `${name}.ts`), source)
}

test('what cannot be a resource is refused with a reason', () => {
  const refused: [reason: string, wish: ResourceWish][] = [
    ['already', { name: 'tasks', specs: ['a:text'] }],
    ['reserved', { name: 'export', specs: ['a:text'] }],
    ['reserved', { name: 'delete', specs: ['a:text'] }],
    ['cannot be', { name: 'Notes', specs: ['a:text'] }],
    ['cannot be', { name: '../x', specs: ['a:text'] }],
    ['at least one field', { name: 'walruses', specs: [] }],
    ['no type or resource', { name: 'walruses', specs: ['a:foo'] }],
    ['name:type', { name: 'walruses', specs: ['A:text'] }],
    ['has that already', { name: 'walruses', specs: ['id:text'] }],
    ['has that already', { name: 'walruses', specs: ['a:text', 'a:text'] }],
    ['has that already', { name: 'walruses', specs: ['task_id:text'], under: 'tasks' }],
    ['parameter limit', { name: 'walruses', specs: ['limit:boolean'] }],
    ['parameter tag', { name: 'walruses', specs: ['tag:boolean', 'tags:list'] }],
    ['has no default', { name: 'walruses', specs: ['p:projects=x'] }],
    ['table named', { name: 'idempotency_keys', specs: ['a:text'] }],
    ['cannot name', { name: 'walruses', specs: ['a:text'], singular: 'status' }],
    ['enum lists', { name: 'walruses', specs: ['a:enum()'] }],
    ['not one of', { name: 'walruses', specs: ['a:enum(x,y)=z'] }],
    ['not an integer', { name: 'walruses', specs: ['a:integer=x'] }],
    ['takes no', { name: 'walruses', specs: ['a:boolean(3)'] }],
    ['no resource named', { name: 'walruses', specs: ['a:text'], under: 'nothing' }],
  ]
  for (const [reason, wish] of refused) expect(() => declaration(wish, resources), reason).toThrow(reason)
})

test('a refused command says why, ends with 1 and has written nothing', () => {
  const before = project.state()
  const refused: [reason: string, ...args: string[]][] = [
    ['already', 'tasks', 'a:text'],
    ['Unknown option', 'walruses', 'a:text', '--undr', 'tasks'],
  ]
  for (const [reason, ...args] of refused) {
    const { status, output } = project.run('resource.ts', ...args)
    expect([status, output]).toEqual([1, expect.stringContaining(reason)])
    expect(output).toContain('Nothing was written.')
  }
  expect(project.state()).toBe(before)
})
