import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { newMigration, type Said } from '../../scripts/new-migration.ts'
import { declaration } from '../../scripts/resource-source.ts'
import { resources } from '../../src/resources/index.ts'
import { newProject } from './project.ts'

let project: ReturnType<typeof newProject>
beforeEach(() => {
  project = newProject()
})
afterEach(() => project.remove())

/** What the command does, without a process of its own; what it throws is what the command prints. */
function migrate(said: Said = {}): Promise<string> {
  return newMigration({ root: project.folder, isEngine: false }, said)
}

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

test('a field that was renamed and one that was added in one edit: the rename is told, and its values stay', async () => {
  project.edit(projects, 'description: column(),', 'summary: column(),\n  color: column(),')
  project.edit(projects, 'description: text(1000)', 'summary: text(1000)')
  project.edit(projects, `['name', 'description']`, `['name', 'summary']`)
  await expect(migrate({ renames: ['projects.description:nothing'] })).rejects.toThrow('must have')
  expect(await migrate({ renames: ['projects.description:summary'] })).toContain('none was lost')
  expect(project.migration('projects_description_to_summary_and_projects_color')).toBe(
    'ALTER TABLE `projects` RENAME COLUMN `description` TO `summary`;\n--> statement-breakpoint\n' +
      'ALTER TABLE `projects` ADD `color` text;',
  )
})

test('a field dropped where one is added looks like a rename: refused, and asked which it is', async () => {
  project.edit(projects, 'description: column(),', 'summary: column(),')
  project.edit(projects, 'description: text(1000)', 'summary: text(1000)')
  project.edit(projects, `['name', 'description']`, `['name', 'summary']`)
  await expect(migrate()).rejects.toThrow(
    'If the column only has another name now: --rename projects.description:summary',
  )
  expect(await migrate({ accepted: ['projects'] })).toContain(
    '_projects_summary_and_projects_without_description.sql',
  )
})

test('a table under another name keeps its rows, with those that refer to it', async () => {
  project.edit(projects, `ownedTable('projects'`, `ownedTable('boards'`)
  expect(await migrate({ renames: ['projects:boards'] })).toContain('none was lost')
  const sql = project.migration('projects_to_boards')
  expect(sql).toContain('ALTER TABLE `projects` RENAME TO `boards`;')
  expect(sql).toContain('CREATE UNIQUE INDEX `boards_revision`')
  expect(sql).not.toContain('CREATE TABLE')
})

test('a required field needs a default for the rows that exist, and that is what is said', async () => {
  project.edit(projects, 'description: column(),', 'description: column(),\n  color: column().notNull(),')
  project.edit(projects, 'name: title(100),', 'name: title(100),\n    color: title(20),')
  const refused = await migrate().catch(String)
  expect(refused).toContain('Give it a default')
  expect(refused).not.toContain('D1_ERROR')
})

test('a new child table has its index and is strict and without rowids', async () => {
  const walruses = declaration({ name: 'walruses', specs: ['title:string'], under: 'tasks' }, resources)
  writeFileSync(join(project.folder, 'src', 'resources', 'walruses.ts'), walruses)
  await migrate()
  const sql = project.migration('walruses')
  expect(sql).toContain(') STRICT, WITHOUT ROWID;')
  expect(sql).toContain('CREATE INDEX `walruses_task_id` ON `walruses` (`user_id`,`task_id`)')
})

test('an index is added to the table it is declared for', async () => {
  project.edit(
    projects,
    "  archived: integer({ mode: 'boolean' }).notNull().default(false),\n})",
    "  archived: integer({ mode: 'boolean' }).notNull().default(false),\n}, { index: ['archived'] })",
  )
  expect(await migrate({ name: 'index' })).toContain('none was lost')
  expect(project.migration('index')).toBe(
    'CREATE INDEX `projects_by_archived` ON `projects` (`user_id`,`archived`);',
  )
})

test('an index that lists are sorted by holds what they sort by', async () => {
  project.edit(
    tasks,
    '  project_id: reference(projects),\n})',
    "  project_id: reference(projects),\n}, { sorted: ['due_date', 'priority'] })",
  )
  expect(await migrate({ name: 'sorted' })).toContain('none was lost')
  expect(project.migration('sorted').split('\n--> statement-breakpoint\n')).toEqual([
    'CREATE INDEX `tasks_sorted_by_due_date` ON `tasks` (`user_id`,"due_date" COLLATE NOCASE);',
    `CREATE INDEX \`tasks_sorted_by_priority\` ON \`tasks\` (\`user_id\`,CASE "priority" WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 END);`,
  ])
})

test('a column made nullable rebuilds its table: refused until named, then no row of it or under it is lost', async () => {
  project.edit(tasks, `.notNull()\n    .default('medium')`, `.default('medium')`)
  const before = project.state()
  const refused = project.run('migrate-new.ts', '--name', 'nullable')
  expect([refused.status, refused.output]).toEqual([1, expect.stringContaining('--accept-data-loss tasks')])
  await expect(migrate({ accepted: ['projects'] })).rejects.toThrow('--accept-data-loss tasks')
  const left = project.state()
  expect(left).toBe(before)

  expect(await migrate({ name: 'nullable', accepted: ['tasks'] })).toContain('none was lost')
  const sql = project.migration('nullable')
  expect(sql).toContain('PRAGMA defer_foreign_keys=ON')
  expect(sql).not.toMatch(/INSERT INTO `__new_tasks`\([^)]*"completed",/)
})

test('a column that is new when its table is rebuilt starts empty, and not with its own name', async () => {
  project.edit(tasks, `.notNull()\n    .default('medium')`, `.default('medium'),\n  color: column()`)
  await migrate({ name: 'color', accepted: ['tasks'] })
  // SQLite takes the quoted name of a column that is not there for a text: so it is there before the copy.
  expect(project.migration('color')).toMatch(/^ALTER TABLE `tasks` ADD `color` text;/)
})

test('a migration is named after what it does', async () => {
  project.edit(projects, 'description: column(),', 'description: column(),\n  color: column(),')
  expect(await migrate()).toMatch(/^Wrote migrations\/\d{14}_projects_color\.sql/)
})

test('a dropped column is refused until its table is named', async () => {
  project.edit(projects, '  description: column(),\n', '')
  project.edit(projects, '    description: text(1000),\n', '')
  project.edit(projects, `['name', 'description']`, `['name']`)
  await expect(migrate({ name: 'drop' })).rejects.toThrow('--accept-data-loss projects')
  await migrate({ name: 'drop', accepted: ['projects'] })
  expect(project.migration('drop')).toBe('ALTER TABLE `projects` DROP COLUMN `description`;')
})

test('a migration that rows in the tables contradict is refused, and nothing is written', async () => {
  project.edit(tasks, 'description: column(),', `description: column().notNull().default(''),`)
  const before = project.state()
  await expect(migrate({ accepted: ['tasks'] })).rejects.toThrow('NOT NULL constraint failed')
  expect(project.state()).toBe(before)
})
