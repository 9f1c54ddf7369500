import * as z from 'zod/mini'
import { Problem } from '../problems.ts'
import { codePoints, issue, text, tooSmall } from '../engine/fields.ts'
import { memo } from '../memo.ts'
import { COMMON_PASSWORDS } from './common-passwords.ts'

/** How short and how long a new password may be, in code points. */
export const MIN_PASSWORD = 8
export const MAX_PASSWORD = 128

/** A password to set, kept exactly as sent; one of the 10 000 most common is refused (NIST SP 800-63B §3.1.1.2). */
export function newPassword() {
  return text(MAX_PASSWORD)
    .check((ctx) => {
      if (codePoints(ctx.value) < MIN_PASSWORD) {
        const message = `must be at least ${MIN_PASSWORD} characters`
        ctx.issues.push(tooSmall(ctx.value, MIN_PASSWORD, message))
      }
      if (commonPasswords().has(ctx.value.toLowerCase())) {
        ctx.issues.push(issue(ctx.value, 'too_common', 'is one of the most common passwords'))
      }
    })
    .register(z.globalRegistry, { minLength: MIN_PASSWORD, maxLength: MAX_PASSWORD, format: 'password' })
}

/** What the service is called, in lower case. */
const SERVICE = 'freehold'

/**
 * Refuses a password in which too little is left without its owner's e-mail, the service's name and years (NIST SP
 * 800-63B §3.1.1.2): what is left has to be a password itself. Throws `invalid_body` at `path`.
 */
export function refuseGuessable(password: string, path: string, email: unknown): void {
  if (!isGuessable(password, typeof email === 'string' ? email : '')) return
  const message = 'is easy to guess: it is little more than the e-mail, the name of the service or a year'
  throw new Problem('invalid_body', { errors: [{ path, code: 'too_guessable', message }] })
}

function isGuessable(password: string, email: string): boolean {
  const [local = '', domain = ''] = email.toLowerCase().split('@')
  const words = [email, local, ...local.split(/[._+-]/), ...domain.split('.'), SERVICE]
  let rest = password.toLowerCase()
  for (const word of words.filter(({ length }) => length >= 4)) rest = rest.replaceAll(word, '')
  rest = rest.replaceAll(/(?:19|20)\d\d/g, '')
  if (rest.length === password.length) return false
  return codePoints(rest) < MIN_PASSWORD || commonPasswords().has(rest)
}

/** Sorted, and each written as how much of the one before it begins with (A is nothing, B one character) and its rest. */
const commonPasswords = memo(() => {
  const passwords = new Set<string>()
  let last = ''
  for (const [, shared = '', rest = ''] of COMMON_PASSWORDS.matchAll(/([A-Z])([^A-Z]*)/g)) {
    last = last.slice(0, shared.charCodeAt(0) - 'A'.charCodeAt(0)) + rest
    passwords.add(last)
  }
  return passwords
})
