import {
  foreignKey,
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'

/** The accounts kept here. A user of an outside identity provider has none. */
export const users = sqliteTable(
  'users',
  {
    id: text().primaryKey(),
    /** Normalised (see src/accounts/email.ts), so that one mailbox has one account. Null for an account without one. */
    email: text(),
    /**
     * When it was last proved that mail to `email` reaches the owner. Null until then: the address may be someone else's.
     */
    email_verified_at: text(),
    /** As src/accounts/passwords.ts writes it, or bcrypt's from another system. Null for an account without a password. */
    password_hash: text(),
    role: text({ enum: ['user', 'admin'] })
      .notNull()
      .default('user'),
    created_at: text().notNull(),
    updated_at: text().notNull(),
  },
  (table) => [uniqueIndex('users_email').on(table.email)],
)

/** Who was erased, by src/auth/tombstone.ts, for as long as a token of theirs could live: it is refused. */
export const erasedUsers = sqliteTable(
  'erased_users',
  { user_hash: text().primaryKey(), erased_at: text().notNull() },
  (table) => [index('erased_users_erased_at').on(table.erased_at)],
)

/** One login on one device, until it ends: its row is deleted then. Its `id` is the `sid` of its access tokens. */
export const sessions = sqliteTable(
  'sessions',
  {
    user_id: text().notNull(),
    id: text().notNull(),
    /** Hashes of what {@link RefreshToken} holds; the tokens themselves are nowhere. */
    family_hash: text().notNull(),
    token_hash: text().notNull(),
    /** The token before, for two tabs that refresh at once; null until the first refresh. */
    previous_hash: text(),
    user_agent: text(),
    created_at: text().notNull(),
    /** When its tokens were made: at login, or by the last refresh. */
    last_used_at: text().notNull(),
    /** The end that no refresh moves. */
    expires_at: text().notNull(),
    /** `expires_at`, or the end of its idle time, whichever is earlier. */
    ends_at: text().notNull(),
    /** How long it lives unused, in seconds, where that is not what the settings say: a guest's. */
    idle_ttl: integer(),
  },
  (table) => [
    primaryKey({ columns: [table.user_id, table.id] }),
    foreignKey({ columns: [table.user_id], foreignColumns: [users.id] }),
    index('sessions_ends_at').on(table.ends_at),
  ],
)

/**
 * Who is in which team, and as what. One who has left stays as `former` until they or the team are erased: its rows may
 * still name them.
 */
export const teamMembers = sqliteTable(
  'team_members',
  {
    team_id: text().notNull(),
    user_id: text().notNull(),
    role: text({ enum: ['viewer', 'editor', 'admin', 'owner', 'former'] }).notNull(),
    joined_at: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.team_id, table.user_id] }),
    index('team_members_user_id').on(table.user_id),
  ],
)

/**
 * What happened to an account, for its owner to read, or in a team, for its administrators. A failed login of no account
 * is kept under no user.
 */
export const activity = sqliteTable(
  'activity',
  {
    user_id: text().notNull(),
    id: text().notNull(),
    at: text().notNull(),
    /** One of src/auth/activity.ts. */
    event: text().notNull(),
    session_id: text(),
    user_agent: text(),
    address: text(),
    /** In a team: who did it, to whom, and the role that this was about. */
    actor_id: text(),
    member_id: text(),
    role: text(),
  },
  (table) => [primaryKey({ columns: [table.user_id, table.id] }), index('activity_at').on(table.at)],
)

/**
 * The owners whose rows are in an object of their own, or on the way there or back: D1 neither shows nor takes rows of
 * theirs. Their objects keep it (src/objects/moving.ts).
 */
export const movedOwners = sqliteTable('moved_owners', {
  user_id: text().primaryKey(),
  /** Which move it was. A late batch of an earlier one does nothing any more. */
  move: text().notNull(),
  /** 0 only within a batch of the move itself, which may write. */
  fenced: integer().notNull(),
  /** When the last of the rows had left D1. Null until then. */
  moved_at: text(),
  /** 1 once `npm run objects -- back` has asked for the way back. */
  back: integer().notNull().default(0),
})
