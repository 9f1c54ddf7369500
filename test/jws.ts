import { env } from 'cloudflare:workers'

/** The algorithms of asymmetric signatures, as the Web Cryptography API names them: tokens here are made without any library. */
const KINDS = {
  EdDSA: { key: { name: 'Ed25519' }, signature: { name: 'Ed25519' } },
  ES256: {
    key: { name: 'ECDSA', namedCurve: 'P-256' },
    signature: { name: 'ECDSA', hash: 'SHA-256' },
  },
  RS256: {
    key: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    signature: { name: 'RSASSA-PKCS1-v1_5' },
  },
  PS256: {
    key: { name: 'RSA-PSS', hash: 'SHA-256' },
    signature: { name: 'RSA-PSS', saltLength: 32 },
  },
}

/** An algorithm with a key pair. */
export type Algorithm = keyof typeof KINDS

/** A JWK with the members that the tests look at. */
export type Jwk = JsonWebKey & { kid?: string }

/** Bytes, or a text in UTF-8, in base64url. */
export function base64url(value: string | Uint8Array<ArrayBuffer>): string {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true })
}

/** What is signed: a part that is no text goes as JSON. */
function inputOf(header: unknown, payload: unknown): string {
  const part = (value: unknown) =>
    base64url(
      typeof value === 'string' || value instanceof Uint8Array ? bytesOf(value) : JSON.stringify(value),
    )
  return `${part(header)}.${part(payload)}`
}

function bytesOf(value: string | Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(typeof value === 'string' ? new TextEncoder().encode(value) : value)
}

/** A token of just this header and payload, signed by HMAC-SHA-256 whatever they say. */
export async function forge(
  header: unknown,
  payload: unknown,
  secret: string | Uint8Array = env.JWT_SECRET,
): Promise<string> {
  const input = inputOf(header, payload)
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', bytesOf(secret), hmac, false, ['sign'])
  return `${input}.${base64url(new Uint8Array(await crypto.subtle.sign('HMAC', key, bytesOf(input))))}`
}

/** A token of just this header and payload, signed by a private JWK with its algorithm whatever they say. */
export async function sign(alg: Algorithm, jwk: Jwk, header: unknown, payload: unknown): Promise<string> {
  const { kty, crv, x, y, d, n, e, p, q, dp, dq, qi } = jwk
  const bare = { kty, crv, x, y, d, n, e, p, q, dp, dq, qi } as Jwk
  const input = inputOf(header, payload)
  const key = await crypto.subtle.importKey('jwk', bare, KINDS[alg].key, false, ['sign'])
  const signature = await crypto.subtle.sign(KINDS[alg].signature, key, bytesOf(input))
  return `${input}.${base64url(new Uint8Array(signature))}`
}

/** Whether a public JWK verifies a token's signature. */
export async function verifies(alg: Algorithm, jwk: Jwk, token: string): Promise<boolean> {
  const [header, payload, signature = ''] = token.split('.')
  const key = await crypto.subtle.importKey('jwk', jwk, KINDS[alg].key, false, ['verify'])
  const bytes = Uint8Array.fromBase64(signature, { alphabet: 'base64url' })
  return crypto.subtle.verify(KINDS[alg].signature, key, bytes, bytesOf(`${header}.${payload}`))
}

/** The header and the claims of a token. */
export function partsOf(token: string): { header: unknown; claims: Record<string, unknown> } {
  const [header, claims] = token
    .split('.')
    .slice(0, 2)
    .map((part) =>
      JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(part, { alphabet: 'base64url' }))),
    )
  return { header, claims }
}

/** A new key pair of a deployment's own: its private JWK and the public half of it. */
export async function newKey(alg: 'EdDSA' | 'ES256') {
  const pair = (await crypto.subtle.generateKey(KINDS[alg].key, true, ['sign', 'verify'])) as CryptoKeyPair
  const jwk = (await crypto.subtle.exportKey('jwk', pair.privateKey)) as Jwk
  const { kty, crv, x, y } = jwk
  return { jwk, text: JSON.stringify(jwk), public: { kty, crv, x, ...(y && { y }) } as Jwk }
}
