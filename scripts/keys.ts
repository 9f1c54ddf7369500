import { parseArgs } from 'node:util'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'

const { values } = parseArgs({ options: { alg: { type: 'string', default: 'EdDSA' } } })
const { alg } = values

if (alg !== 'EdDSA' && alg !== 'ES256') {
  console.error('Usage: npm run --silent keys -- [--alg EdDSA | --alg ES256]')
  process.exit(2)
}

const { privateKey } = await generateKeyPair(alg, { extractable: true })
const jwk = await exportJWK(privateKey)
console.log(JSON.stringify({ ...jwk, kid: await calculateJwkThumbprint(jwk), alg, use: 'sig' }))
console.error(`
A private key for ${alg}. Anyone who has it can sign in as any user: keep it nowhere but in the secret.

  npm run --silent keys | npx wrangler secret put JWT_PRIVATE_KEY

To rotate: put the key in use now into JWT_PRIVATE_KEY_PREVIOUS first, then the new one into JWT_PRIVATE_KEY. Tokens of
either hold, and both are published. Delete JWT_PRIVATE_KEY_PREVIOUS when the last token of the old key has expired.`)
