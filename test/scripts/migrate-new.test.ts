import { afterEach, beforeEach, expect, test } from 'vitest'
import { newProject } from './project.ts'

let project: ReturnType<typeof newProject>
beforeEach(() => {
  project = newProject()
})
afterEach(() => project.remove())

const projects = 'src/resources/projects.ts'
const tasks = 'src/resources/tasks.ts'

test('without a change of the declarations there is nothing to migrate', () => {
  const before = project.state()
  expect(project.run('migrate-new.ts')).toMatchObject({ status: 0 })
  expect(project.state()).toBe(before)
})

test('a new column is added to the table, whose rows stay', () => {
  project.edit(projects, 'description: column(),', 'description: column(),\n  color: column(),')
  const { status, output } = project.run('migrate-new.ts', '--name', 'color')
  expect([status, output]).toEqual([0, expect.stringContaining('none was lost')])
  expect(project.migration('color')).toBe('ALTER TABLE `projects` ADD `color` text;')
})

test('a new child table has its index and is strict and without rowids', () => {
  project.run('resource.ts', 'walruses', 'title:string', '--under', 'tasks')
  const sql = project.migration('walruses')
  expect(sql).toContain(') STRICT, WITHOUT ROWID;')
  expect(sql).toContain('CREATE INDEX `walruses_task_id` ON `walruses` (`user_id`,`task_id`)')
})

test('an index is added to the table it is declared for', () => {
  project.edit(
    projects,
    "  archived: integer({ mode: 'boolean' }).notNull().default(false),\n})",
    "  archived: integer({ mode: 'boolean' }).notNull().default(false),\n}, { index: ['archived'] })",
  )
  const { status, output } = project.run('migrate-new.ts', '--name', 'index')
  expect([status, output]).toEqual([0, expect.stringContaining('none was lost')])
  expect(project.migration('index')).toBe(
    'CREATE INDEX `projects_by_archived` ON `projects` (`user_id`,`archived`);',
  )
})

test('a column made nullable rebuilds its table: refused until named, then no row of it or under it is lost', () => {
  project.edit(tasks, `.notNull()\n    .default('medium')`, `.default('medium')`)
  const before = project.state()
  const refused = project.run('migrate-new.ts', '--name', 'nullable')
  expect([refused.status, refused.output]).toEqual([1, expect.stringContaining('--accept-data-loss tasks')])
  expect(project.run('migrate-new.ts', '--accept-data-loss', 'projects').status).toBe(1)
  const left = project.state()
  expect(left).toBe(before)

  const { status, output } = project.run(
    'migrate-new.ts',
    '--name',
    'nullable',
    '--accept-data-loss',
    'tasks',
  )
  expect([status, output]).toEqual([0, expect.stringContaining('none was lost')])
  const sql = project.migration('nullable')
  expect(sql).toContain('PRAGMA defer_foreign_keys=ON')
  expect(sql).not.toMatch(/INSERT INTO `__new_tasks`\([^)]*"completed",/)
})

test('a column that is new when its table is rebuilt starts empty, and not with its own name', () => {
  project.edit(tasks, `.notNull()\n    .default('medium')`, `.default('medium'),\n  color: column()`)
  const { status } = project.run('migrate-new.ts', '--name', 'color', '--accept-data-loss', 'tasks')
  expect(status).toBe(0)
  const sql = project.migration('color')
  expect(sql).toContain('\t`color` text')
  expect(sql).not.toContain('"color"')
})

test('a dropped column is refused until its table is named', () => {
  project.edit(projects, '  description: column(),\n', '')
  project.edit(projects, '    description: text(1000).nullable().optional(),\n', '')
  project.edit(projects, `['name', 'description']`, `['name']`)
  expect(project.run('migrate-new.ts', '--name', 'drop').status).toBe(1)
  expect(project.run('migrate-new.ts', '--name', 'drop', '--accept-data-loss', 'projects').status).toBe(0)
  expect(project.migration('drop')).toBe('ALTER TABLE `projects` DROP COLUMN `description`;')
})

test('a migration that rows in the tables contradict is refused, and nothing is written', () => {
  project.edit(tasks, 'description: column(),', `description: column().notNull().default(''),`)
  const before = project.state()
  const { status, output } = project.run('migrate-new.ts', '--accept-data-loss', 'tasks')
  expect([status, output]).toEqual([1, expect.stringContaining('NOT NULL constraint failed')])
  expect(project.state()).toBe(before)
})
