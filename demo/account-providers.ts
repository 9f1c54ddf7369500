import type { Client } from 'freehold-client'
import { attempt, element, recently, removal, row, rows, section, tell, when } from './account-parts.ts'

/** Who else signs in to the account: add a provider, remove one. Undefined where this deployment has none. */
export async function providersSection(client: Client, returnTo: string): Promise<HTMLElement | undefined> {
  const [providers, identities] = await Promise.all([client.login.providers(), client.identities.list()])
  if (!providers.length && !identities.length) return undefined
  const nameOf = (id: string) => providers.find((provider) => provider.id === id)?.name ?? id
  const items = identities.map((identity) => {
    const name = nameOf(identity.provider)
    const made = row(
      name,
      [identity.label ?? undefined, `added ${when(identity.created_at)}`],
      removal('Remove', name, async () => {
        await client.identities.remove(identity.id)
        made.remove()
        tell(`${name} no longer signs in to this account.`)
      }),
    )
    return made
  })
  const others = providers.map(({ id, name }) => {
    const button = element('button', { type: 'button', className: 'secondary' }, `Add ${name}`)
    button.onclick = () => attempt(button, () => recently(client, () => client.login.add(id, { returnTo })))
    return button
  })
  return section(
    'Sign in with',
    'Accounts elsewhere that open this one.',
    rows(...items),
    element('div', { className: 'buttons' }, ...others),
  )
}
