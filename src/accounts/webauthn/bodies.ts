import * as z from 'zod/mini'

/** The most bytes of each member, far above what browsers send. A credential's id is at most 1023 bytes (§4). */
const MOST = { id: 1023, clientData: 4096, attestation: 16_384, data: 2048, signature: 1024, handle: 64 }

/** What browsers make of a credential by `toJSON()`; what they may add to it one day is dropped. */
const common = () => ({
  id: base64url(MOST.id),
  rawId: base64url(MOST.id),
  type: z.literal('public-key'),
  authenticatorAttachment: z.nullish(z.string().check(z.maxLength(100))),
  clientExtensionResults: z.optional(z.record(z.string(), z.unknown())),
})

/** A `RegistrationResponseJSON` (WebAuthn Level 3 §5.1.8), the members that are read. */
export const registrationResponse = z.lazy(() =>
  z.object({
    ...common(),
    response: z.object({
      clientDataJSON: base64url(MOST.clientData),
      attestationObject: base64url(MOST.attestation),
      transports: z.optional(z.array(z.string().check(z.maxLength(32))).check(z.maxLength(10))),
    }),
  }),
)

/** An `AuthenticationResponseJSON` (WebAuthn Level 3 §5.1.8), the members that are read. */
export const authenticationResponse = z.lazy(() =>
  z.object({
    ...common(),
    response: z.object({
      clientDataJSON: base64url(MOST.clientData),
      authenticatorData: base64url(MOST.data),
      signature: base64url(MOST.signature),
      userHandle: z.nullish(base64url(MOST.handle)),
    }),
  }),
)

export type RegistrationResponse = z.output<typeof registrationResponse>
export type AuthenticationResponse = z.output<typeof authenticationResponse>

/** Some bytes in base64url, in the one form they have (RFC 4648 §3.5). */
function base64url(most: number) {
  return z
    .string()
    .check(
      z.minLength(1),
      z.maxLength(Math.ceil((most * 4) / 3)),
      z.regex(/^(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?$/),
    )
}
