import { pathToFileURL } from 'node:url'
import { SignJWT } from 'jose'
import { developmentSecret } from './dev-vars.ts'

/** An access token for local development: signed with the secret of `.dev.vars`, good for 30 days. */
export async function developmentToken(userId: string): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setIssuedAt()
    .setExpirationTime('30d')
    .sign(new TextEncoder().encode(developmentSecret()))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const userId = process.argv[2]
  if (!userId) {
    console.error('Usage: npm run --silent token -- <user id>')
    process.exit(2)
  }
  console.log(await developmentToken(userId))
}
