import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FILE = join(import.meta.dirname, '..', '.dev.vars')

/** The development secret: made once, kept in the git-ignored `.dev.vars`. */
export function developmentSecret(): string {
  if (!existsSync(FILE)) {
    const secret = randomBytes(32).toString('base64url')
    writeFileSync(FILE, `JWT_SECRET=${secret}\n`, { mode: 0o600, flag: 'wx' })
  }
  const secret = /^JWT_SECRET="?([^"\n]+)"?$/m.exec(readFileSync(FILE, 'utf8'))?.[1]
  if (!secret)
    throw new Error('.dev.vars has no JWT_SECRET: add one of at least 32 bytes, or delete the file')
  return secret
}
