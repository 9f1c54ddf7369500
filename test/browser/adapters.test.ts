import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { developmentToken } from '../../scripts/token.ts'
import { useBrowser } from './browser.ts'
import { newFrontend } from './frontend.ts'

const chromium = useBrowser()
const readme = readFileSync(join(import.meta.dirname, '..', '..', 'client', 'README.md'), 'utf8')

/** An example of the client's README, by default the first, of what follows a heading. */
function exampleOf(heading: string, language: string, at = 0): string {
  const section = (readme.split(`\n## ${heading}\n`)[1] ?? '').split('\n## ')[0] ?? ''
  const code = [...section.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))][at]?.[1]
  if (!code) throw new Error(`README has no example of ${heading}`)
  return code
}

let app: Awaited<ReturnType<typeof newFrontend>>
let token: string

beforeAll(async () => {
  token = await developmentToken(`user-${crypto.randomUUID()}`)
  const options = `baseUrl: '${chromium.url}', token: '${token}'`
  const given = "baseUrl: 'https://api.example.com', storage: localStorage"
  const react = exampleOf('React', 'tsx')
  expect(react).toContain(given)
  app = await newFrontend(
    {
      'index.html':
        '<!doctype html><link rel="icon" href="data:,"><div id="root"></div><div id="shared"></div><script type="module" src="/main.tsx"></script>',
      'tasks.tsx': `${react.replace(given, options)}\n${exampleOf('React', 'tsx', 1)}\nexport { client, copy }`,
      'shared.tsx': `
        import { createRoot } from 'react-dom/client'
        import { SharedList } from './tasks.tsx'
        const root = createRoot(document.querySelector('#shared'))
        export const show = (team) => root.render(team && <SharedList team={team} />)`,
      'joined.ts': `import { copy } from './tasks.tsx'\n${exampleOf('TanStack DB', 'ts')}\nexport { tasks, projects, withProjects }`,
      'main.tsx': `
        import { createRoot } from 'react-dom/client'
        import { client, copy, Tasks } from './tasks.tsx'
        createRoot(document.querySelector('#root')).render(<Tasks />)
        Object.assign(globalThis, { client, copy, join: () => import('./joined.ts'), share: () => import('./shared.tsx') })`,
    },
    ['react', 'react-dom', '@tanstack/db'],
  )
})
afterAll(() => app.close())

async function open() {
  const origin = `http://localhost:${app.port}`
  const { page, faults, close } = await chromium.open(origin, {}, [origin, chromium.url])
  await page.getByText('0 waiting').waitFor()
  return { page, faults, close }
}

const api = (method: string, path: string, body?: object) =>
  fetch(`${chromium.url}/api/me${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
const items = (page: Page) => page.locator('#root li').allTextContents()

test('README’s component shows the rows of the copy and follows them', async () => {
  const { page, faults, close } = await open()
  await api('POST', '/tasks', { title: 'Water the plants' })
  await expect.poll(() => items(page)).toEqual(['Water the plants'])
  await page.evaluate(`copy.create('tasks', { title: 'Buy bread', priority: 'high' })`)
  await expect.poll(() => items(page)).toEqual(['Buy bread', 'Water the plants'])
  await page.getByText('Buy bread').click()
  await expect.poll(() => items(page)).toEqual(['Water the plants'])
  await page.getByText('0 waiting').waitFor()
  expect(await (await api('GET', '/tasks?completed=true')).json()).toMatchObject({
    tasks: [{ title: 'Buy bread' }],
  })
  expect(faults).toEqual([])
  await close()
})

test('README’s shared list opens the copy of a team when it is shown, follows it, and stops it when it is gone', async () => {
  const { page, faults, close } = await open()
  const team = await page.evaluate<string>(`client.teams.create('Garden').then(({ id }) => id)`)
  await page.evaluate(`share().then(({ show }) => { globalThis.show = show; show('${team}') })`)
  const heading = page.locator('#shared h2')
  await heading.getByText('0 shared').waitFor()
  const added = { title: 'Elsewhere' }
  await page.evaluate(`client.owner('${team}').post('/tasks', { body: ${JSON.stringify(added)} })`)
  await heading.getByText('1 shared').waitFor()
  await page.getByRole('button', { name: 'Add' }).click()
  await heading.getByText('2 shared').waitFor()
  const titles = () =>
    page.evaluate(
      `client.owner('${team}').get('/tasks').then(({ tasks }) => tasks.map(({ title }) => title))`,
    )
  await expect.poll(titles).toEqual(['Turn the compost', 'Elsewhere'])
  // The user's own rows are another owner's.
  expect(await page.evaluate(`copy.rows('tasks').some(({ title }) => title === 'Elsewhere')`)).toBe(false)
  await page.evaluate('show(null)')
  await heading.waitFor({ state: 'detached' })
  await page.evaluate(`show('${team}')`)
  await heading.getByText('2 shared').waitFor()
  expect(faults).toEqual([])
  await close()
})

test('README’s live query joins two collections, and what TanStack DB changes is sent', async () => {
  const { page, faults, close } = await open()
  const project = (await (await api('POST', '/projects', { name: 'House' })).json()) as { id: string }
  await page.evaluate(`join().then((joined) => Object.assign(globalThis, joined))`)
  const rows = () =>
    page.evaluate<[string, string | undefined][]>(
      `withProjects.toArray.map(({ title, project }) => [title, project]).filter(([title]) => title.includes('fence'))`,
    )
  await expect.poll(rows).toEqual([['Paint the fence', undefined]])
  await page.evaluate(`(async () => {
    const { id } = tasks.toArray.find(({ title }) => title.includes('fence'))
    await tasks.update(id, (row) => { row.project_id = '${project.id}' }).isPersisted.promise
  })()`)
  await expect.poll(rows).toEqual([['Paint the fence', 'House']])
  await page.getByText('0 waiting').waitFor()
  const { tasks } = (await (await api('GET', '/tasks?q=fence')).json()) as { tasks: { id: string }[] }
  expect(tasks).toMatchObject([{ title: 'Paint the fence', project_id: project.id, status: 'pending' }])
  await api('PATCH', `/tasks/${tasks[0]?.id}`, { title: 'Paint the white fence' })
  await expect.poll(rows).toEqual([['Paint the white fence', 'House']])

  // One that is refused goes back.
  await page.evaluate(`tasks.insert({ title: '' })`)
  await expect.poll(() => page.evaluate(`copy.refused.length`)).toBe(1)
  expect(await page.evaluate(`tasks.toArray.filter(({ title }) => !title).length`)).toBe(0)
  await page.evaluate(`tasks.delete('${tasks[0]?.id}')`)
  await expect.poll(rows).toEqual([])
  await expect.poll(async () => (await api('GET', `/tasks/${tasks[0]?.id}`)).status).toBe(404)
  expect(faults.filter((fault) => !/status of (404|422)/.test(fault))).toEqual([])
  await close()
})
