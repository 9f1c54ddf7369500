import * as z from 'zod/mini'
import { json } from './setting.ts'

/** The JWKs that a deployment may sign with (RFC 8037 §2, RFC 7518 §6.2); other members are dropped. */
const ownJwk = z.lazy(() => {
  // 32 bytes in base64url, in the one form they have (RFC 4648 §3.5): a coordinate or a private value of either curve.
  const bytes = z.string().check(z.regex(/^[\w-]{42}[AEIMQUYcgkosw048]$/))
  const common = {
    x: bytes,
    d: z.optional(bytes),
    kid: z.optional(z.string().check(z.minLength(1), z.maxLength(256))),
    use: z.optional(z.literal('sig')),
  }
  return z.discriminatedUnion('kty', [
    z.object({
      kty: z.literal('OKP'),
      crv: z.literal('Ed25519'),
      alg: z.optional(z.enum(['EdDSA', 'Ed25519'])),
      ...common,
    }),
    z.object({
      kty: z.literal('EC'),
      crv: z.literal('P-256'),
      alg: z.optional(z.literal('ES256')),
      y: bytes,
      ...common,
    }),
  ])
})

/** A key of the deployment's own. Its curve fixes its algorithm. */
export interface OwnKey {
  /** The name of the setting that holds it. */
  setting: string
  alg: 'EdDSA' | 'ES256'
  /** Its `kid`; without one, its thumbprint is used. */
  kid: string | undefined
  /** Its public half, and nothing else. */
  public: { kty: string; crv: string; x: string; y?: string }
  /** Its private value; undefined when it only verifies. */
  d: string | undefined
}

/** A setting that holds a JWK of Ed25519 or P-256, private or public, as JSON. */
export function ownKey(setting: string) {
  const key = z.pipe(
    z.unknown(),
    z.transform((value, ctx): OwnKey => {
      const { data } = ownJwk.safeParse(value)
      if (!data) {
        ctx.issues.push({ code: 'custom', message: 'is not a JWK of Ed25519 or P-256', input: undefined })
        return z.NEVER
      }
      const { kty, crv, x, kid, d } = data
      if (data.kty === 'OKP') return { setting, alg: 'EdDSA', kid, public: { kty, crv, x }, d }
      return { setting, alg: 'ES256', kid, public: { kty, crv, x, y: data.y }, d }
    }),
  )
  return z.optional(json(key))
}
