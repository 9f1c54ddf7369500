import * as z from 'zod'
import { text } from '../engine/fields.ts'
import { email } from './email.ts'
import { newPassword } from './new-password.ts'

/** Longer than any password that could be right, so that what is hashed is bounded. */
const ANY_PASSWORD = 1000
const ANY_TOKEN = 1000

/** An e-mail and its password. */
export interface Credentials {
  email: string
  password: string
}

/** The body of a registration. */
export const registration = z.lazy(() => z.strictObject({ email: email(), password: newPassword() }))

/** The query string of a login. */
export const loginQuery = z.lazy(() => z.strictObject({ cookie: z.enum(['true', 'false']).optional() }))

/** The body of a login. */
export const credentials = z.lazy(() => z.strictObject({ email: email(), password: text(ANY_PASSWORD) }))

/** The form of a login: OAuth 2.0's password grant (RFC 6749 §4.3.2). What else it has is for other servers. */
export const passwordGrant = z.lazy(() =>
  z
    .object({
      grant_type: z.literal('password').optional(),
      username: email(),
      password: text(ANY_PASSWORD),
    })
    .transform(({ username, password }): Credentials => ({ email: username, password })),
)

/** The body of a refresh. A browser in cookie mode sends none. */
export const refreshBody = z.lazy(() => z.strictObject({ refresh_token: text(ANY_TOKEN).optional() }))

/** The body of a logout. */
export const logoutBody = z.lazy(() =>
  z.strictObject({ refresh_token: text(ANY_TOKEN).optional(), all: z.boolean().optional() }),
)

/** The body of a change of password. */
export const passwordChange = z.lazy(() =>
  z.strictObject({ current_password: text(ANY_PASSWORD), new_password: newPassword() }),
)
