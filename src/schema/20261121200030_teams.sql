CREATE TABLE `team_invitations` (
	`team_id` text NOT NULL,
	`id` text NOT NULL,
	`role` text NOT NULL,
	`email` text,
	`token_hash` text NOT NULL,
	`invited_by` text NOT NULL,
	`created_at` text NOT NULL,
	`expires_at` text NOT NULL,
	PRIMARY KEY(`team_id`, `id`)
) STRICT, WITHOUT ROWID;

--> statement-breakpoint
CREATE INDEX `team_invitations_expires_at` ON `team_invitations` (`expires_at`);
--> statement-breakpoint
CREATE TABLE `team_members` (
	`team_id` text NOT NULL,
	`user_id` text NOT NULL,
	`role` text NOT NULL,
	`joined_at` text NOT NULL,
	PRIMARY KEY(`team_id`, `user_id`)
) STRICT, WITHOUT ROWID;

--> statement-breakpoint
CREATE INDEX `team_members_user_id` ON `team_members` (`user_id`);
--> statement-breakpoint
CREATE TABLE `teams` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`revision` integer NOT NULL,
	`created_at` text NOT NULL
) STRICT, WITHOUT ROWID;

--> statement-breakpoint
ALTER TABLE `activity` ADD `actor_id` text;
--> statement-breakpoint
ALTER TABLE `activity` ADD `member_id` text;
--> statement-breakpoint
ALTER TABLE `activity` ADD `role` text;
--> statement-breakpoint
-- As assertion, for how high a member of a team is: what it raises tells a stranger from a member whose role is too low.
CREATE VIEW role_assertion (rank, least) AS SELECT 0, 0;
--> statement-breakpoint
CREATE TRIGGER role_assertion_raise INSTEAD OF INSERT ON role_assertion WHEN NEW.rank < NEW.least
BEGIN
  SELECT RAISE(ABORT, 'assertion: ' || CASE NEW.rank WHEN 0 THEN 'not_your_path' ELSE 'insufficient_role' END);
END;
