import { expect, onTestFinished, test } from 'vitest'
import { createClient, type LocalCopy } from '../../client/src/index.ts'

// Node has Web Locks and broadcast channels, as a browser does and the Workers pool does not.

/** Tabs of one browser whose network is away. */
function newBrowser(items = new Map<string, string>()) {
  const storage = {
    getItem: async (key: string) => items.get(key) ?? null,
    setItem: async (key: string, value: string) => void items.set(key, value),
    removeItem: async (key: string) => void items.delete(key),
  }
  return async () => {
    const client = createClient({
      baseUrl: 'https://api.test',
      retries: 0,
      fetch: () => Promise.reject(new TypeError('Failed to fetch')),
    })
    const copy = await client.sync({ storage, user: 'somebody' })
    copy.start()
    onTestFinished(() => copy.stop())
    return copy
  }
}

function seen(copy: LocalCopy, count: number): Promise<void> {
  return new Promise((resolve) => {
    copy.subscribe(() => {
      if (copy.rows('tasks').length === count) resolve()
    })
  })
}

test('what is written in one tab shows in another, without any network', async () => {
  const open = newBrowser()
  const [one, other] = [await open(), await open()]
  const shown = seen(other, 1)
  const id = await one.create('tasks', { title: 'Water the plants' })
  await shown
  expect(other.row('tasks', id)).toEqual(one.row('tasks', id))
  const hidden = seen(one, 0)
  await other.delete('tasks', id)
  await hidden
  expect(one.pending).toEqual(other.pending)
})

test('tabs that write at once lose nothing of each other', async () => {
  const open = newBrowser()
  const tabs = [await open(), await open(), await open()]
  const titles = Array.from({ length: 10 }, (_, at) => `Task ${at}`)
  await Promise.all(tabs.flatMap((tab) => titles.map((title) => tab.create('tasks', { title }))))
  const late = await open()
  expect(late.rows('tasks')).toHaveLength(30)
  expect(late.pending).toHaveLength(30)
})

test('clearing in one tab clears in all, and nothing that was under way comes back', async () => {
  const items = new Map<string, string>()
  const open = newBrowser(items)
  const [one, other] = [await open(), await open()]
  const shown = seen(other, 1)
  await one.create('tasks', { title: 'Secret' })
  await shown
  const hidden = seen(other, 0)
  await one.clear()
  await hidden
  await other.create('tasks', { title: 'Too late' })
  expect(other.rows('tasks')).toEqual([])
  expect([...items]).toEqual([])
})
