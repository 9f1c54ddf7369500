import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { expect, test } from 'vitest'
import { openHarness } from '../../load/harness.ts'
import { useBrowser } from './browser.ts'
import { useDevices } from './virtual-device.ts'

const chromium = useBrowser()

/** The client as a page has it, under `freehold`. */
const bundle = buildSync({
  stdin: {
    contents: `import { createClient } from '../client/src/index.ts'
      globalThis.freehold = createClient({ storage: sessionStorage })`,
    resolveDir: join(import.meta.dirname, '..', '..', 'demo'),
  },
  bundle: true,
  write: false,
  format: 'iife',
}).outputFiles[0]?.text

/** A page with the client, and a virtual authenticator that knows its user. */
async function visit() {
  const visitor = await chromium.open(chromium.url)
  const { page } = visitor
  // The demonstration offers passkeys itself, and a browser asks for one at a time.
  await openHarness(page, chromium.url)
  const device = await useDevices(page)
  await page.evaluate(bundle ?? '')
  /** Runs an expression over the client; a problem resolves to its type. */
  const run = (expression: string) =>
    page.evaluate<unknown>(`(async () => ${expression})().catch((error) => error.type ?? String(error))`)
  return { ...visitor, page, device, run }
}

test('registers by passkey, logs out, logs in by it, adds a second device, removes the first and keeps the last', async () => {
  const { device, run, close } = await visit()
  const laptop = await device('internal')
  const email = `ada-${randomUUID()}@example.com`

  expect(await run(`freehold.passkeys.register('${email}')`)).toMatchObject({ email, email_verified: false })
  expect(await run('freehold.signedIn()')).toBe(false)
  await run('freehold.login.withPasskey()')
  expect(await run('freehold.me()')).toMatchObject({ email })
  const [kept] = await laptop.credentials()
  expect(kept).toMatchObject({ isResidentCredential: true, rpId: 'localhost' })

  await run('freehold.logout()')
  expect(await run('freehold.signedIn()')).toBe(false)
  await run('freehold.login.withPasskey()')
  expect(await run('freehold.me()')).toMatchObject({ email })

  // The browser will not make a second passkey where there is one.
  expect(String(await run(`freehold.passkeys.add('Again')`))).toContain('InvalidStateError')
  await laptop.away()
  const key = await device('usb')
  expect(await run(`freehold.passkeys.add('Key')`)).toMatchObject({ name: 'Key', last_used_at: null })
  expect(await key.credentials()).toHaveLength(1)
  expect(await run('freehold.passkeys.list().then((all) => all.map(({ name }) => name))')).toEqual([
    'Key',
    'Passkey',
  ])

  await run('freehold.passkeys.list().then(([, first]) => freehold.passkeys.remove(first.id))')
  expect(await run('freehold.passkeys.list().then(([last]) => freehold.passkeys.remove(last.id))')).toBe(
    'last_way_in',
  )
  await run('freehold.logout()')
  await run('freehold.login.withPasskey()')
  expect(await run('freehold.me()')).toMatchObject({ email })
  await close()
})

test('a guest becomes an account by a passkey, and keeps what was there', async () => {
  const { device, run, close } = await visit()
  await device('internal')
  await run('freehold.login.asGuest()')
  await run(`freehold.post('/tasks', { body: { title: 'before signing up' } })`)
  const email = `ada-${randomUUID()}@example.com`
  expect(await run(`freehold.passkeys.register('${email}')`)).toMatchObject({ email })
  await run('freehold.logout()')
  await run('freehold.login.withPasskey()')
  expect(await run(`freehold.get('/tasks').then(({ tasks }) => tasks.map(({ title }) => title))`)).toEqual([
    'before signing up',
  ])
  await close()
})

test('offers passkeys in the autofill of a field', async () => {
  const { device, run, close } = await visit()
  await device('internal')
  const email = `ada-${randomUUID()}@example.com`
  await run(`freehold.passkeys.register('${email}')`)
  await run('freehold.login.withPasskey({ conditional: true })')
  expect(await run('freehold.me()')).toMatchObject({ email })
  await close()
})
