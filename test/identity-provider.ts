import { generateKeyPairSync, type KeyObject } from 'node:crypto'

// Made by Node's own crypto: what the Worker reads is the work of another library than its own.
const KEY_PAIRS = {
  EdDSA: () => generateKeyPairSync('ed25519'),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
}

/**
 * An identity provider outside the Worker, reached at https://idp.test: `/jwks` publishes its public keys, `/down` fails,
 * and `/switch/{name}` publishes them only while `/on/{name}` was asked for last and not `/off/{name}`; after
 * `/withdraw/{name}` it publishes a set without keys.
 */
export function identityProvider() {
  const pairs = Object.entries(KEY_PAIRS).map(([alg, generate]) => ({ alg, ...generate() }))
  const publicKeys = pairs.map(({ alg, publicKey }) => ({
    ...jwkOf(publicKey),
    alg,
    kid: `kid-${alg}`,
    use: 'sig',
  }))
  const privateKeys = Object.fromEntries(
    pairs.map(({ alg, privateKey }) => [alg, { ...jwkOf(privateKey), alg }]),
  )
  const on = new Set<string>()
  const withdrawn = new Set<string>()

  function serve(request: Request): Response {
    const [, verb = '', name = ''] = new URL(request.url).pathname.split('/')
    if (verb === 'on') on.add(name)
    if (verb === 'off') on.delete(name)
    if (verb === 'withdraw') withdrawn.add(name)
    if (verb === 'switch' && withdrawn.has(name)) return Response.json({ keys: [] })
    if (verb === 'jwks' || (verb === 'switch' && on.has(name))) return Response.json({ keys: publicKeys })
    return new Response('unavailable', { status: ['on', 'off', 'withdraw'].includes(verb) ? 200 : 503 })
  }

  return { privateKeys, serve }
}

function jwkOf(key: KeyObject) {
  return key.export({ format: 'jwk' })
}
