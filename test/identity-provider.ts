import { exportJWK, generateKeyPair, type JWK } from 'jose'

const ALGORITHMS = ['EdDSA', 'ES256', 'RS256', 'PS256']

/**
 * An identity provider outside the Worker, reached at https://idp.test: `/jwks` publishes its public keys, `/down` fails,
 * and `/switch/{name}` publishes them only while `/on/{name}` was asked for last and not `/off/{name}`.
 */
export async function identityProvider() {
  const pairs = await Promise.all(
    ALGORITHMS.map(async (alg) => ({ alg, ...(await generateKeyPair(alg, { extractable: true })) })),
  )
  const publicKeys: JWK[] = await Promise.all(
    pairs.map(async ({ alg, publicKey }) => ({
      ...(await exportJWK(publicKey)),
      alg,
      kid: `kid-${alg}`,
      use: 'sig',
    })),
  )
  const privateKeys: Record<string, JWK> = Object.fromEntries(
    await Promise.all(
      pairs.map(async ({ alg, privateKey }) => [alg, { ...(await exportJWK(privateKey)), alg }] as const),
    ),
  )
  const on = new Set<string>()

  function serve(request: Request): Response {
    const [, verb = '', name = ''] = new URL(request.url).pathname.split('/')
    if (verb === 'on') on.add(name)
    if (verb === 'off') on.delete(name)
    if (verb === 'jwks' || (verb === 'switch' && on.has(name))) return Response.json({ keys: publicKeys })
    return new Response('unavailable', { status: verb === 'on' || verb === 'off' ? 200 : 503 })
  }

  return { privateKeys, serve }
}
