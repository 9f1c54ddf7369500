import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { log } from '../log.ts'
import { matchesBcrypt } from './bcrypt.ts'

/** What scrypt (RFC 7914) is asked for: N = 2^ln blocks of r × 128 bytes, p times over. */
interface Cost {
  ln: number
  r: number
  p: number
}

interface Hash extends Cost {
  salt: Uint8Array
  key: Uint8Array
}

/** What new hashes cost: as strong as OWASP asks for, in 16 MiB, as an isolate has 128. */
const COST: Cost = { ln: 14, r: 8, p: 5 }
const SALT_BYTES = 16
const KEY_BYTES = 32

/** The most memory a stored hash may ask for, in bytes, and the most work, as N × r × p: 3.2 times that of today's. */
const MAX_MEMORY = 64 * 1024 * 1024
const MAX_WORK = 2 ** 21

/** The PHC string format: a salt of 8 to 64 bytes and a key of 16 to 64, in base64 without padding. */
const SCRYPT =
  /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z\d+/]{11,86})\$([A-Za-z\d+/]{22,86})$/
/** bcrypt of cost 4 to 14; each more doubles the time. */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z\d]{53}$/

/** How much of a password bcrypt looks at. */
const BCRYPT_BYTES = 72

/** What is compared with when there is nothing to compare with, so that it takes as long. */
const NOBODY: Hash = { ...COST, salt: new Uint8Array(SALT_BYTES), key: new Uint8Array(KEY_BYTES) }

/** What a comparison says. `outdated`: it matches, and should be replaced by what {@link hashPassword} makes now. */
export interface Verdict {
  matches: boolean
  outdated: boolean
}

/** The password's scrypt hash with a fresh salt, in the PHC string format. Blocks the isolate: call it in turn. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const key = await derive(password, { ...COST, salt }, KEY_BYTES)
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${base64(salt)}$${base64(key)}`
}

/**
 * Compares a password with a stored hash: ours, or bcrypt's from another system. No hash (an unknown account), one that is
 * malformed and one that asks for too much never match, and take as long as one of ours; the latter two are logged.
 * Blocks the isolate: call it in turn.
 */
export async function verifyPassword(password: string, stored: string | undefined): Promise<Verdict> {
  if (stored !== undefined && BCRYPT.test(stored)) {
    const matches = matchesBcrypt(password, stored)
    // bcrypt saw no more of a longer one: its own hash would take away what others have let in so far.
    const isWhole = Buffer.byteLength(password) <= BCRYPT_BYTES
    return { matches, outdated: matches && isWhole }
  }
  const hash = stored === undefined ? undefined : parse(stored)
  if (stored !== undefined && !hash) log('error', { event: 'unusable_password_hash' })
  const { key, ...asked } = hash ?? NOBODY
  const matches = timingSafeEqual(await derive(password, asked, key.length), key) && hash !== undefined
  return { matches, outdated: matches && !isCurrent(hash) }
}

function parse(stored: string): Hash | undefined {
  const [, ln, r, p, salt = '', key = ''] = SCRYPT.exec(stored) ?? []
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) }
  if (!isAffordable(cost)) return undefined
  return { ...cost, salt: bytesOf(salt), key: bytesOf(key) }
}

/** Whether it is within our bounds, and within scrypt's own on N (RFC 7914 §2). Nothing that is not a number is. */
function isAffordable({ ln, r, p }: Cost): boolean {
  return 128 * 2 ** ln * r <= MAX_MEMORY && 2 ** ln * r * p <= MAX_WORK && ln < 16 * r
}

function isCurrent({ ln, r, p, salt, key }: Hash): boolean {
  const sameCost = ln === COST.ln && r === COST.r && p === COST.p
  return sameCost && salt.length === SALT_BYTES && key.length === KEY_BYTES
}

function derive(
  password: string,
  { ln, r, p, salt }: Omit<Hash, 'key'>,
  length: number,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, { N: 2 ** ln, r, p, maxmem: 2 * MAX_MEMORY }, (error, key) => {
      if (error) reject(error)
      else resolve(key)
    })
  })
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll('=', '')
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64'))
}
