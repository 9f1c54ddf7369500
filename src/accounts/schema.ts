import {
  foreignKey,
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'
import { users } from '../auth/schema.ts'

/** What was mailed to prove an address, until it is used: one live token of each purpose for an account. */
export const proofs = sqliteTable(
  'proofs',
  {
    /** The account; for an address that no account has, a digest of it, so that asking leaves the same rows. */
    user_id: text().notNull(),
    purpose: text({ enum: ['reset', 'verify', 'change'] }).notNull(),
    /** SHA-256 of the token's secret; the token itself is in the mail alone. */
    token_hash: text().notNull(),
    /** The address that the mail went to. */
    email: text().notNull(),
    expires_at: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.user_id, table.purpose] }),
    index('proofs_expires_at').on(table.expires_at),
  ],
)

/** Wrong passwords lately for one account from one client address. */
export const guesses = sqliteTable(
  'guesses',
  {
    /** As in {@link proofs}. */
    user_id: text().notNull(),
    address: text().notNull(),
    failures: integer().notNull(),
    /** No other guess is taken before this. */
    blocked_until: text().notNull(),
    /** When the row means nothing any more. */
    ends_at: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.user_id, table.address] }),
    index('guesses_ends_at').on(table.ends_at),
  ],
)

/** A passkey: a WebAuthn credential of an account. */
export const passkeys = sqliteTable(
  'passkeys',
  {
    user_id: text().notNull(),
    id: text().notNull(),
    /** What its authenticator calls it, in base64url. */
    credential_id: text().notNull(),
    /** As src/accounts/webauthn/key.ts writes it. */
    public_key: text().notNull(),
    /** A COSE algorithm. */
    algorithm: integer().notNull(),
    /** The signature counter that it sent last; zero for an authenticator that does not count. */
    counter: integer().notNull(),
    /** Whether it may be copied between devices, which never changes. */
    backup_eligible: integer({ mode: 'boolean' }).notNull(),
    /** How browsers reach its authenticator, as JSON. */
    transports: text().notNull(),
    name: text().notNull(),
    created_at: text().notNull(),
    last_used_at: text(),
  },
  (table) => [
    primaryKey({ columns: [table.user_id, table.id] }),
    foreignKey({ columns: [table.user_id], foreignColumns: [users.id] }),
    uniqueIndex('passkeys_credential_id').on(table.credential_id),
  ],
)

/** Who an account is at a provider: the provider's issuer and its subject there, never an e-mail. */
export const identities = sqliteTable(
  'identities',
  {
    user_id: text().notNull(),
    id: text().notNull(),
    issuer: text().notNull(),
    subject: text().notNull(),
    /** The provider's id in the settings when it was added. */
    provider: text().notNull(),
    /** What the provider called it then, for its owner to tell it from another. */
    label: text(),
    created_at: text().notNull(),
    last_used_at: text(),
  },
  (table) => [
    primaryKey({ columns: [table.user_id, table.id] }),
    foreignKey({ columns: [table.user_id], foreignColumns: [users.id] }),
    uniqueIndex('identities_issuer_subject').on(table.issuer, table.subject),
  ],
)

/** Tickets (src/accounts/tickets.ts) that were used, until they are too old to be used again. */
export const spentTickets = sqliteTable('spent_tickets', { id: text().primaryKey() })
