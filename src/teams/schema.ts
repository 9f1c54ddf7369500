import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** A team: an owner of rows that several users share. Its id is `team-` and a UUIDv7. */
export const teams = sqliteTable('teams', {
  id: text().primaryKey(),
  name: text().notNull(),
  revision: integer().notNull(),
  created_at: text().notNull(),
})

/** An invitation into a team, until it is used, withdrawn or expired. */
export const teamInvitations = sqliteTable(
  'team_invitations',
  {
    team_id: text().notNull(),
    id: text().notNull(),
    role: text({ enum: ['viewer', 'editor', 'admin', 'owner'] }).notNull(),
    /** The only address whose account may use it; null for anybody who has the link. */
    email: text(),
    /** SHA-256 of the secret: the token itself is shown once. */
    token_hash: text().notNull(),
    invited_by: text().notNull(),
    created_at: text().notNull(),
    expires_at: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.team_id, table.id] }),
    index('team_invitations_expires_at').on(table.expires_at),
  ],
)
