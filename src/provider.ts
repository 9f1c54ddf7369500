import * as z from 'zod/mini'
import { isHttps, json } from './setting.ts'

/** GitHub speaks OAuth 2.0 alone: it is known by its issuer. */
export const GITHUB = 'https://github.com'

/** Ids that are words of the paths beside a provider's. */
const RESERVED = new Set(['passkey'])

/** Who signs users in for this deployment, as `OIDC_PROVIDERS` says. */
export interface Provider {
  /** Its name in paths, and in the name of its secret. */
  id: string
  /** Its name for people. */
  name: string
  /** Its issuer identifier (OpenID Connect Discovery §4), where its configuration is found. */
  issuer: string
  client_id: string
  scope: string
  /** Whether an account whose e-mail was proved here may be joined by that e-mail. */
  trust_email: boolean
}

/** A {@link Provider} with its secret. */
export interface ConfiguredProvider extends Provider {
  secret: string
}

/** A list of providers, as JSON. */
export function providers(development: boolean) {
  const provider = z.pipe(
    z.strictObject(
      {
        id: z.string().check(
          z.regex(/^[a-z][a-z\d-]{0,31}$/, 'is not a word in lower case'),
          z.refine((id) => !RESERVED.has(id), 'is reserved'),
        ),
        name: z.string('is no text').check(z.minLength(1, 'is empty'), z.maxLength(100, 'is too long')),
        issuer: z
          .string('is no text')
          .check(z.refine((value) => isHttps(value, development), 'is not an https URL')),
        client_id: z.string('is no text').check(z.minLength(1, 'is empty')),
        scope: z.optional(z.string('is no text')),
        trust_email: z._default(z.boolean('is neither true nor false'), false),
      },
      'has something that is not known here',
    ),
    z.transform(({ scope, ...rest }): Provider => ({ ...rest, scope: scope ?? usualScope(rest.issuer) })),
  )
  const all = z
    .array(provider, 'is no list')
    .check(
      z.refine((list) => new Set(list.map(({ id }) => id)).size === list.length, 'names a provider twice'),
    )
  return z.prefault(json(all), '[]')
}

/** The name of the setting with a provider's secret. */
export function secretSetting(id: string): string {
  return `OIDC_${id.toUpperCase().replaceAll('-', '_')}_SECRET`
}

function usualScope(issuer: string): string {
  return issuer === GITHUB ? 'read:user user:email' : 'openid email profile'
}
