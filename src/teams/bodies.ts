import * as z from 'zod/mini'
import { email } from '../accounts/email.ts'
import { text, title } from '../engine/fields.ts'

const MAX_NAME = 100
const ANY_TOKEN = 1000

function role() {
  return z.enum(['viewer', 'editor', 'admin', 'owner'])
}

/** The body that makes a team or gives it another name. */
export const teamBody = z.lazy(() => z.strictObject({ name: title(MAX_NAME) }))

/** The body that gives a member another role. */
export const memberBody = z.lazy(() => z.strictObject({ role: role() }))

/** The body of an invitation: for whoever has its link, or for one address. */
export const invitationBody = z.lazy(() => z.strictObject({ role: role(), email: z.optional(email()) }))

/** The body that accepts an invitation. */
export const acceptBody = z.lazy(() => z.strictObject({ token: text(ANY_TOKEN) }))
