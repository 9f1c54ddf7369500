import * as z from 'zod'
import { scryptSync, timingSafeEqual, randomBytes } from 'node:crypto'
export function newPassword() {
  return z.string().min(8).max(128)
}
export async function inTurn<T>(w: () => Promise<T>) {
  return w()
}
export async function hashPassword(p: string) {
  const s = randomBytes(16)
  return s.toString('hex') + '$' + scryptSync(p, s, 32).toString('hex')
}
export async function verifyPassword(p: string, h: string | undefined) {
  const [s = '', k = ''] = (h ?? '00$00').split('$')
  const a = scryptSync(p, Buffer.from(s, 'hex'), 32)
  const b = Buffer.from(k, 'hex')
  return { matches: h !== undefined && timingSafeEqual(a, b), outdated: false }
}
