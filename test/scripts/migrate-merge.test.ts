import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { newMigration } from '../../scripts/new-migration.ts'
import { newProject } from './project.ts'

let project: ReturnType<typeof newProject>
beforeEach(() => {
  project = newProject()
  git('init', '--quiet', '--initial-branch=main')
  commit('start')
})
afterEach(() => project.remove())

const tasks = 'src/resources/tasks.ts'

test('two branches with a resource each merge without a conflict and without a command', async () => {
  await on('ada', () => declare('walruses'))
  await on('bob', () => declare('penguins'))
  expect(git('merge', '--quiet', '--no-edit', 'ada')).toBe(0)
  expect(git('merge', '--quiet', '--no-edit', 'bob')).toBe(0)
  expect(project.run('migrate-new.ts')).toMatchObject({ status: 0, output: expect.stringContaining('match') })
  expect(project.read('src/resources/index.ts')).toMatch(/penguins.*walruses/s)
})

test('two branches that change one table: one command settles it, and each column is made once', async () => {
  await on('ada', () => {
    project.edit(tasks, 'description: column(),', 'description: column(),\n  mood: column(),')
    expect(project.run('migrate-new.ts')).toMatchObject({ status: 0 })
  })
  await on('bob', () => {
    project.edit(tasks, '  due_date: column(),', '  due_date: column(),\n  color: column(),')
    expect(project.run('migrate-new.ts')).toMatchObject({ status: 0 })
  })
  git('merge', '--quiet', '--no-edit', 'ada')
  git('merge', '--quiet', '--no-edit', 'bob')
  // As git leaves a file that it cannot merge.
  writeFileSync(join(project.folder, 'migrations', 'meta', 'tasks.json'), '<<<<<<< HEAD\n')
  const settled = project.run('migrate-merge.ts')
  expect(settled).toMatchObject({ status: 0, output: expect.stringContaining('make what is declared') })
  expect(project.migration('tasks_mood')).toBe('ALTER TABLE `tasks` ADD `mood` text;')
  expect(project.migration('tasks_color')).toBe('ALTER TABLE `tasks` ADD `color` text;')
  expect(project.run('migrate-new.ts')).toMatchObject({ status: 0, output: expect.stringContaining('match') })
})

test('a rebuilt table would lose the column of the other branch: its migration is written again', async () => {
  await on('ada', () => {
    project.edit(tasks, 'description: column(),', 'description: column(),\n  mood: column(),')
    expect(project.run('migrate-new.ts')).toMatchObject({ status: 0 })
  })
  await on('bob', () => {
    project.edit(tasks, `.notNull()\n    .default('medium')`, `.default('medium')`)
    expect(project.run('migrate-new.ts', '--name', 'rebuilt', '--accept-data-loss', 'tasks')).toMatchObject({
      status: 0,
    })
  })
  git('checkout', '--quiet', 'bob')
  git('merge', '--quiet', '--no-edit', 'ada')
  const settled = project.run('migrate-merge.ts', '--onto', 'ada')
  expect(settled).toMatchObject({ status: 0, output: expect.stringContaining('in place of') })
  const sql = project.migration('tasks_changed')
  expect(sql).toMatch(/INSERT INTO `__new_tasks`\([^)]*"mood"/)
  expect(project.run('migrate-new.ts')).toMatchObject({ status: 0, output: expect.stringContaining('match') })
})

/** Works on a branch from the start, and comes back. */
async function on(branch: string, work: () => Promise<void> | void): Promise<void> {
  git('checkout', '--quiet', '-b', branch, 'main')
  await work()
  commit(branch)
  git('checkout', '--quiet', 'main')
}

/** A resource as the command would declare it, without all that it makes. */
async function declare(name: string): Promise<void> {
  const source = project
    .read('src/resources/projects.ts')
    .replace(`ownedTable('projects'`, `ownedTable('${name}'`)
  writeFileSync(join(project.folder, 'src', 'resources', `${name}.ts`), source)
  await newMigration({ root: project.folder, isEngine: false }, {})
}

function commit(message: string): void {
  git('add', '--all')
  git('commit', '--quiet', '-m', message)
}

/** Runs git in the project. Returns its exit code. */
function git(...args: string[]): number {
  try {
    const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.com']
    execFileSync('git', [...identity, ...args], { cwd: project.folder, stdio: 'pipe' })
    return 0
  } catch {
    return 1
  }
}
