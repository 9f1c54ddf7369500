import type { TeamRole } from 'freehold-client'
import { element } from './account-parts.ts'

/** The roles of a team, from the least to all. */
const ROLES: readonly { role: TeamRole; label: string }[] = [
  { role: 'viewer', label: 'Viewer' },
  { role: 'editor', label: 'Editor' },
  { role: 'admin', label: 'Admin' },
  { role: 'owner', label: 'Owner' },
]

/** How high a role is. */
export function rankOf(role: TeamRole): number {
  return ROLES.findIndex((each) => each.role === role)
}

/** A choice among the roles that somebody of this role may give. */
export function roleChoice(label: string, giver: TeamRole, chosen: TeamRole): HTMLSelectElement {
  const options = ROLES.slice(0, rankOf(giver) + 1).map(
    (each) => new Option(each.label, each.role, each.role === chosen, each.role === chosen),
  )
  return element('select', { ariaLabel: label }, ...options)
}

/** The role that {@link roleChoice} has now. */
export function roleIn({ value }: HTMLSelectElement): TeamRole {
  return ROLES.find(({ role }) => role === value)?.role ?? 'viewer'
}

/** What a member is called: by a verified address or, without one, by the end of their id. */
export function nameOf({ user_id, email }: { user_id: string; email?: string }): string {
  return email ?? `Member ${user_id.slice(-4)}`
}
