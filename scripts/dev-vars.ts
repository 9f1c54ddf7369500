import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { root } from './project.ts'

const FILE = join(root, '.dev.vars')
const SECRET_BYTES = 32

/**
 * The development secret: made once, kept in the git-ignored `.dev.vars`, beside the other settings there. Ends the
 * process, saying why, when the one in that file is too short.
 */
export function developmentSecret(): string {
  const text = existsSync(FILE) ? readFileSync(FILE, 'utf8') : ''
  const { JWT_SECRET, BETTER_AUTH_SECRET } = parseEnv(text)
  const secret = JWT_SECRET || BETTER_AUTH_SECRET
  if (!secret) {
    const made = randomBytes(SECRET_BYTES).toString('base64url')
    writeFileSync(FILE, `${text}${text && !text.endsWith('\n') ? '\n' : ''}JWT_SECRET=${made}\n`, {
      mode: 0o600,
    })
    return made
  }
  if (Buffer.byteLength(secret) < SECRET_BYTES) {
    console.error(
      `The JWT_SECRET of .dev.vars has less than ${SECRET_BYTES} bytes. Take it out: a new one is made then.`,
    )
    process.exit(1)
  }
  return secret
}
