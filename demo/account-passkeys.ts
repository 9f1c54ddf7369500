import type { Client, Passkey } from 'freehold-client'
import {
  action,
  attempt,
  element,
  recently,
  removal,
  row,
  rows,
  section,
  tell,
  when,
} from './account-parts.ts'

/** The passkeys of the account: add one by a name, rename, remove. */
export async function passkeysSection(client: Client): Promise<HTMLElement> {
  const list = rows()
  const name = element('input', { placeholder: 'Its name: “my phone”', maxLength: 100, autocomplete: 'off' })
  name.ariaLabel = 'Name of the new passkey'
  const submit = element('button', { className: 'secondary' }, 'Add a passkey')
  const add = element('form', { className: 'beside' }, name, submit)
  add.onsubmit = (event) => {
    event.preventDefault()
    void attempt(submit, () =>
      recently(client, async () => {
        const { name: given } = await client.passkeys.add(name.value.trim() || undefined)
        add.reset()
        await show()
        tell(`“${given}” can log you in now.`)
      }),
    )
  }

  async function show(): Promise<void> {
    list.replaceChildren(...(await client.passkeys.list()).map((passkey) => item(passkey)))
  }

  function item(passkey: Passkey): HTMLLIElement {
    const made = row(
      passkey.name,
      [
        `added ${when(passkey.created_at)}`,
        passkey.last_used_at ? `used ${when(passkey.last_used_at)}` : 'not used yet',
      ],
      action('Rename', passkey.name, async () => made.replaceWith(renaming(passkey))),
      removal('Remove', passkey.name, async () => {
        await client.passkeys.remove(passkey.id)
        made.remove()
        tell(`“${passkey.name}” no longer logs in. Delete it on its device, too.`)
      }),
    )
    return made
  }

  function renaming(passkey: Passkey): HTMLLIElement {
    const field = element('input', { value: passkey.name, maxLength: 100, autocomplete: 'off' })
    field.ariaLabel = `Name of ${passkey.name}`
    const save = element('button', { className: 'secondary' }, 'Save')
    const form = element('form', { className: 'beside' }, field, save)
    form.onsubmit = (event) => {
      event.preventDefault()
      void attempt(save, async () => {
        const renamed = await client.passkeys.rename(passkey.id, field.value)
        const again = item(renamed)
        edited.replaceWith(again)
        again.querySelector('button')?.focus()
      })
    }
    const edited = element('li', {}, form)
    requestAnimationFrame(() => field.select())
    return edited
  }

  await show()
  return section(
    'Passkeys',
    'They log you in by your device’s screen lock, and cannot be phished.',
    list,
    add,
  )
}
