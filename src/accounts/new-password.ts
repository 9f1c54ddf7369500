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
    .meta({ minLength: MIN_PASSWORD, maxLength: MAX_PASSWORD, format: 'password' })
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
