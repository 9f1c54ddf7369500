import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { bind, compileOwned } from '../src/d1/statement.ts'

const sources = import.meta.glob('../src/**/*.ts', {
  query: '?raw',
  import: 'default',
  eager: true,
})

/** Every statement that no owner scopes, and why it may be. A new one belongs here only with a reason as good as these. */
const unscoped = {
  'accounts/activity.ts': ['purgeActivityStatement: maintenance, by the cron trigger'],
  'accounts/guesses.ts': [
    'the guesses by e-mail, whose owner is not known before the password is',
    'a compiler as a type',
    'purgeGuessesStatement: maintenance, by the cron trigger',
    'purgeNobodyStatement: maintenance, by the cron trigger',
  ],
  'accounts/proofs.ts': [
    'askResetStatement: by e-mail, whose owner it finds out',
    'purgeProofsStatement: maintenance, by the cron trigger',
  ],
  'accounts/sessions.ts': ['purgeSessionsStatement: maintenance, by the cron trigger'],
  'accounts/guests.ts': ['goneGuestsStatement: maintenance, by the cron trigger'],
  'accounts/identities.ts': [
    'joinByEmailStatement: by an e-mail that was proved, whose owner it finds out',
    'recordAddedStatement: by issuer and subject, as below',
    'findIdentityStatement: by issuer and subject, whose owner it finds out',
  ],
  'accounts/passkeys.ts': [
    'newCredentialAssertion: by credential, which must belong to nobody',
    'findPasskeyStatement: by credential, whose owner it finds out',
  ],
  'accounts/tickets.ts': [
    'unspentAssertion: by ticket, which says no owner',
    'spendStatement: by ticket, as above',
    'forgetTicketsStatement: maintenance, by the cron trigger',
  ],
  'accounts/users.ts': [
    'takenStatement: by e-mail, whose owner is not known yet',
    'freeEmailAssertion: by e-mail, which must belong to nobody',
    'loginStatement: by e-mail, whose owner it finds out',
    'usersStatement: every account, for administrators',
  ],
  'auth/subject-guard.ts': ['notErased: by a digest of the owner, who is erased and may not be read there'],
  'engine/idempotency.ts': ['forgetStatement: maintenance, by the cron trigger'],
  'homes/directory.ts': ['whether any owner has moved, whoever it is'],
  'objects/relocate.ts': [
    'who has asked to go back: maintenance, by the cron trigger',
    'who has rows: as above',
  ],
  'objects/leaving.ts': [
    'the tombstone: by a digest of the owner, as in auth/subject-guard.ts',
    'the oldest of the trash and of the keys: maintenance, by the alarm of an object with one owner',
  ],
  'teams/invitations.ts': ['purgeInvitationsStatement: maintenance, by the cron trigger'],
  'user/erase.ts': ['a PRAGMA, which touches no row', 'the tombstone: by a digest of the owner, as above'],
  'user/purge.ts': [
    'forgetErasedStatement: maintenance, by the cron trigger',
    'the rows to purge: maintenance, by the cron trigger, like the next three',
    'those that others require',
    'putting these into the trash first',
    'removing the others',
  ],
}

test('the statements that no owner scopes are the ones that have a reason', () => {
  const callers = Object.entries(sources)
    .filter(([path]) => !path.endsWith('/d1/statement.ts'))
    .map(([path, text]): [string, number] => [
      path.replace('../src/', ''),
      [...text.matchAll(/\bcompileUnscoped\b(?!,| \})/g)].length,
    ])
    .filter(([, calls]) => calls > 0)
  const expected = Object.entries(unscoped).map(([path, reasons]) => [path, reasons.length])
  expect(Object.fromEntries(callers)).toEqual(Object.fromEntries(expected))
})

test('a statement over owned rows that forgets its owner throws before it can run', () => {
  const forgetful = compileOwned(sql`SELECT 1`)
  expect(() => bind(forgetful, { owner: 'somebody' })).toThrow('scoped to its owner')
})

/** As it is written there. */
const RETURNING = [' RETURNING $', '{ended}'].join('')

/** The statements that end sessions, by where they stand. {@link end} makes those of every other ending from its one. */
const ending = {
  'accounts/proofs.ts': ['the first of takeOverStatements'],
  'accounts/sessions.ts': ['reuseStatement', 'the removal of end()'],
}

test('a statement that ends sessions returns them, so that their live connections end too', () => {
  const endings = Object.entries(sources)
    .flatMap(([path, text]) =>
      [...text.matchAll(/DELETE FROM (?:\$\{sessions\}|"?sessions\b)[^`]*/gi)].map(([statement]) => ({
        path: path.replace('../src/', ''),
        statement,
      })),
    )
    // What has expired was closed by then, by the hub's own alarm.
    .filter(({ statement }) => !statement.includes('WHERE ends_at <='))
  expect(endings.map(({ path }) => path)).toEqual(
    Object.entries(ending).flatMap(([path, statements]) => statements.map(() => path)),
  )
  expect(endings.filter(({ statement }) => !statement.endsWith(RETURNING))).toEqual([])
})
