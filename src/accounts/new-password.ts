import * as z from 'zod/mini'
import { Problem } from '../problems.ts'
import { text } from '../engine/fields.ts'
import { codePoints, issue, tooSmall } from '../engine/issues.ts'
import { memo } from '../memo.ts'
import { COMMON_PASSWORDS } from './common-passwords.ts'

/** How short and how long a new password may be, in code points. */
export const MIN_PASSWORD = 8
export const MAX_PASSWORD = 128

/**
 * A password to set, kept exactly as sent; one of the 10 000 most common, and one that is little more than the service's name
 * or a year, is refused (NIST SP 800-63B §3.1.1.2).
 */
export function newPassword() {
  return text(MAX_PASSWORD)
    .check(({ value, issues }) => {
      if (codePoints(value) < MIN_PASSWORD) {
        issues.push(tooSmall(value, MIN_PASSWORD, `must be at least ${MIN_PASSWORD} characters`))
      } else if (isCommon(value.toLowerCase())) {
        issues.push(issue(value, 'too_common', 'is one of the most common passwords'))
      } else if (isGuessable(value)) {
        issues.push(issue(value, TOO_GUESSABLE.code, TOO_GUESSABLE.message))
      }
    })
    .register(z.globalRegistry, { minLength: MIN_PASSWORD, maxLength: MAX_PASSWORD, format: 'password' })
}

const TOO_GUESSABLE = {
  code: 'too_guessable',
  message: 'is easy to guess: it is little more than the e-mail, the name of the service or a year',
}

/** Refuses a {@link newPassword} that is little more than its owner's e-mail. Throws `invalid_body` at `path`. */
export function refuseGuessable(password: string, path: string, email: unknown): void {
  if (typeof email !== 'string' || !isGuessable(password, email)) return
  throw new Problem('invalid_body', { errors: [{ path, ...TOO_GUESSABLE }] })
}

/** What is left has to be a password itself. */
function isGuessable(password: string, email = ''): boolean {
  const rest = restOf(password, email)
  return rest.length < password.toLowerCase().length && (codePoints(rest) < MIN_PASSWORD || isCommon(rest))
}

/** What the service is called, in lower case. */
const SERVICE = 'freehold'

/** What is left of a password, in lower case, without its owner's e-mail, the service's name and years. */
export function restOf(password: string, email = ''): string {
  const [local = '', domain = ''] = email.toLowerCase().split('@')
  const words = [email.toLowerCase(), local, ...local.split(/[._+-]/), ...domain.split('.'), SERVICE]
  let rest = password.toLowerCase()
  for (const word of words.filter(({ length }) => length >= 4)) rest = rest.replaceAll(word, '')
  return rest.replaceAll(/(?:19|20)\d\d/g, '')
}

function isCommon(password: string): boolean {
  return commonPasswords().has(password)
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
