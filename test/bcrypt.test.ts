import { hashSync } from 'bcryptjs'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesBcrypt } from '../src/accounts/bcrypt.ts'

const COST = 4

test.each([
  ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['U*U*', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK'],
  ['U*U*U', '$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a'],
])('the published hash of %j matches it, and nothing else', (password, hash) => {
  expect(matchesBcrypt(password, hash)).toBe(true)
  expect(matchesBcrypt(`${password}.`, hash)).toBe(false)
})

test('what another implementation has hashed matches, up to its first 72 bytes', () => {
  const passwords = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc.string({ minLength: 60, maxLength: 80 }),
  )
  fc.assert(
    fc.property(passwords, passwords, (password, other) => {
      const hash = hashSync(password, COST)
      expect(matchesBcrypt(password, hash)).toBe(true)
      expect(matchesBcrypt(other, hash)).toBe(seen(other) === seen(password))
    }),
    { numRuns: 60, seed: 7 },
  )
})

/** As much of a password as bcrypt sees: with the NUL behind it, over and over again. */
function seen(password: string): string {
  const bytes = Buffer.from(`${password}\0`)
  return Buffer.concat(Array.from({ length: 72 }, () => bytes))
    .subarray(0, 72)
    .toString('hex')
}
