import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dictionary } from '@zxcvbn-ts/language-common'
import { MAX_PASSWORD, MIN_PASSWORD, restOf } from '../src/accounts/new-password.ts'

// The most common passwords, for the Worker to refuse. `npm run common-passwords` writes src/accounts/common-passwords.ts;
// another path may follow, so that the gate can compare.
const target = process.argv[2] ?? join(import.meta.dirname, '..', 'src', 'accounts', 'common-passwords.ts')

const COMMON = 10_000
/** How much of the one before it a password is written with at most: a capital letter says how much. */
const MAX_SHARED = 25

const common = dictionary['passwords-common'].slice(0, COMMON).map((password) => password.toLowerCase())
const passwords = [...new Set(common)].filter(passesOthers).toSorted()
const encoded = passwords.map((password, at) => {
  const shared = sharedLength(password, passwords[at - 1] ?? '')
  return String.fromCharCode('A'.charCodeAt(0) + shared) + password.slice(shared)
})

writeFileSync(
  target,
  `// Written by \`npm run common-passwords\` from @zxcvbn-ts/language-common, MIT License,
// Copyright (c) 2012-2016 Dan Wheeler and Dropbox, Inc., Copyright (c) 2021 @zxcvbn-ts

/** The ${passwords.length} of the ${COMMON} most common passwords that no other rule refuses; src/accounts/new-password.ts reads it. */
export const COMMON_PASSWORDS =
  ${quoted(encoded.join(''))}
`,
)

/** Whether the other rules would let it pass. */
function passesOthers(password: string): boolean {
  return lengthOf(restOf(password)) >= MIN_PASSWORD && lengthOf(password) <= MAX_PASSWORD
}

function lengthOf(text: string): number {
  return Array.from(text).length
}

function sharedLength(password: string, before: string): number {
  let shared = 0
  while (shared < MAX_SHARED && shared < before.length && password[shared] === before[shared]) shared += 1
  return shared
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`
}
