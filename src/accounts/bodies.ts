import * as z from 'zod/mini'
import { text, title } from '../engine/fields.ts'
import { email } from './email.ts'
import { newPassword } from './new-password.ts'
import { registrationResponse } from './webauthn/bodies.ts'

/** Longer than any password that could be right, so that what is hashed is bounded. */
const ANY_PASSWORD = 1000
const ANY_TOKEN = 1000

/** An e-mail and its password. */
export interface Credentials {
  email: string
  password: string
}

/** The body of a registration by password. */
export const passwordRegistration = z.lazy(() => z.strictObject({ email: email(), password: newPassword() }))

/** The body of a registration by passkey. */
export const passkeyRegistration = z.lazy(() =>
  z.strictObject({ email: email(), passkey: registrationResponse }),
)

/** The body of either. Whether it has a passkey says which, so that errors name the fields that were meant. */
export const registration = z.lazy(() =>
  z.pipe(
    z.unknown(),
    z.transform((value, ctx) => {
      const hasPasskey = typeof value === 'object' && value !== null && 'passkey' in value
      const { data, error } = (hasPasskey ? passkeyRegistration : passwordRegistration).safeParse(value)
      if (data) return data
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the issues of one schema are those of another
      ctx.issues.push(...error.issues.map((issue) => ({ ...issue, input: value }) as z.core.$ZodRawIssue))
      return z.NEVER
    }),
  ),
)

/** The body that asks for the options of a registration by passkey. */
export const passkeyRegistrant = z.lazy(() => z.strictObject({ email: email() }))

const MAX_NAME = 100

/** The body of a new passkey: what the browser made of it, and what to call it. */
export const newPasskey = z.lazy(() =>
  z.intersection(registrationResponse, z.object({ name: z.optional(title(MAX_NAME)) })),
)

/** The body that gives a passkey another name. */
export const passkeyName = z.lazy(() => z.strictObject({ name: title(MAX_NAME) }))

/** The body of a request for a mail that lets its reader set a password. */
export const emailBody = z.lazy(() => z.strictObject({ email: email() }))

/** The body that uses a mailed token. */
export const proofBody = z.lazy(() => z.strictObject({ token: text(ANY_TOKEN) }))

/** The body that sets a password by a mailed token. */
export const passwordReset = z.lazy(() =>
  z.strictObject({ token: text(ANY_TOKEN), new_password: newPassword() }),
)

/** The body that asks for another address. */
export const emailChange = z.lazy(() =>
  z.strictObject({ email: email(), current_password: z.optional(text(ANY_PASSWORD)) }),
)

/** The query string of a login. */
export const loginQuery = z.lazy(() => z.strictObject({ cookie: z.optional(z.enum(['true', 'false'])) }))

/** The query string of a sign-in with a provider: where to go back to, and the client's challenge (RFC 7636 §4.2). */
export const providerQuery = z.lazy(() =>
  z.strictObject({
    return_to: z.string().check(z.minLength(1), z.maxLength(2000)),
    code_challenge: z
      .string()
      .check(z.regex(/^[\w-]{42}[AEIMQUYcgkosw048]$/, 'must be 32 bytes in base64url')),
    code_challenge_method: z.optional(z.literal('S256')),
  }),
)

/** The body that exchanges the code of such a sign-in, with the challenge's verifier (RFC 7636 §4.1). */
export const tokenBody = z.lazy(() =>
  z.strictObject({
    code: z.string().check(z.minLength(1), z.maxLength(1000)),
    code_verifier: z.string().check(z.regex(/^[\w.~-]{43,128}$/, 'must be 43 to 128 of A–Z a–z 0–9 - . _ ~')),
  }),
)

/** What an OAuth 2.0 client sends for a new pair of tokens. */
interface Refresh {
  refresh_token: string
}

/** The body of a login. */
export const credentials: z.ZodMiniType<Credentials | Refresh> = z.lazy(() =>
  z.strictObject({ email: email(), password: text(ANY_PASSWORD) }),
)

/** OAuth 2.0's password grant (RFC 6749 §4.3.2). What else the form has is for other servers. */
export const passwordGrant = z.lazy(() =>
  z.object({
    grant_type: z.optional(z.literal('password')),
    username: email(),
    password: text(ANY_PASSWORD),
  }),
)

/** OAuth 2.0's refresh of an access token (RFC 6749 §6), likewise. */
export const refreshGrant = z.lazy(() =>
  z.object({ grant_type: z.optional(z.literal('refresh_token')), refresh_token: text(ANY_TOKEN) }),
)

/** The form of a login: either grant; without a `grant_type` it is a password's. */
export const loginForm: z.ZodMiniType<Credentials | Refresh> = z.lazy(() => {
  const password = z.pipe(
    passwordGrant,
    z.transform((sent) => ({ email: sent.username, password: sent.password })),
  )
  return z.pipe(
    z.looseObject({ grant_type: z.optional(z.enum(['password', 'refresh_token'])) }),
    z.transform((form, ctx): Credentials | Refresh => {
      const grant = form.grant_type === 'refresh_token' ? refreshGrant : password
      const { data, error } = grant.safeParse(form)
      if (data) return data
      ctx.issues.push(...error.issues.map((one) => ({ ...one, input: undefined })))
      return z.NEVER
    }),
  )
})

/** The body of a refresh. A browser in cookie mode sends none. */
export const refreshBody = z.lazy(() => z.strictObject({ refresh_token: z.optional(text(ANY_TOKEN)) }))

/** The body of a logout. */
export const logoutBody = z.lazy(() =>
  z.strictObject({ refresh_token: z.optional(text(ANY_TOKEN)), all: z.optional(z.boolean()) }),
)

/** The body of a change of password. */
export const passwordChange = z.lazy(() =>
  z.strictObject({ current_password: text(ANY_PASSWORD), new_password: newPassword() }),
)
