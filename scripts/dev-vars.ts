import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

const FILE = join(import.meta.dirname, '..', '.dev.vars')
const SECRET_BYTES = 32

/** The development secret: made once, kept in the git-ignored `.dev.vars`. Ends the process, saying why, when that file has none to use. */
export function developmentSecret(): string {
  if (!existsSync(FILE)) {
    const secret = randomBytes(SECRET_BYTES).toString('base64url')
    writeFileSync(FILE, `JWT_SECRET=${secret}\n`, { mode: 0o600 })
  }
  const { JWT_SECRET, BETTER_AUTH_SECRET } = parseEnv(readFileSync(FILE, 'utf8'))
  const secret = JWT_SECRET || BETTER_AUTH_SECRET
  if (!secret || Buffer.byteLength(secret) < SECRET_BYTES) {
    console.error(
      `.dev.vars needs a JWT_SECRET of at least ${SECRET_BYTES} bytes. Add one, or delete the file: a new one is made then.`,
    )
    process.exit(1)
  }
  return secret
}
