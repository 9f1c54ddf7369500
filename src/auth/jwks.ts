import { readConfig } from '../config.ts'
import { otherMethods } from '../http/methods.ts'
import { Routes } from '../http/routes.ts'
import { publicJwk } from './keys.ts'

const PATH = '/.well-known/jwks.json'

/**
 * `GET /.well-known/jwks.json`: the public keys that verify this deployment's tokens, the current one first (RFC 7517 §5);
 * no key when they are signed with the shared secret. Kept by caches for five minutes.
 */
export const jwks = new Routes()

jwks.get(PATH, async (c) => {
  const keys = await Promise.all(readConfig(c.env).ownKeys.map(publicJwk))
  return c.json({ keys }, 200, { 'Cache-Control': 'public, max-age=300' })
})

otherMethods(jwks, PATH)
