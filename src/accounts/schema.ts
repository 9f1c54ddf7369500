import { index, primaryKey, sqliteTable, text, integer } from 'drizzle-orm/sqlite-core'

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
