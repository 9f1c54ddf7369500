CREATE TABLE `guesses` (
	`user_id` text NOT NULL,
	`address` text NOT NULL,
	`failures` integer NOT NULL,
	`blocked_until` text NOT NULL,
	`ends_at` text NOT NULL,
	PRIMARY KEY(`user_id`, `address`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `guesses_ends_at` ON `guesses` (`ends_at`);--> statement-breakpoint
CREATE TABLE `proofs` (
	`user_id` text NOT NULL,
	`purpose` text NOT NULL,
	`token_hash` text NOT NULL,
	`email` text NOT NULL,
	`expires_at` text NOT NULL,
	PRIMARY KEY(`user_id`, `purpose`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `proofs_expires_at` ON `proofs` (`expires_at`);--> statement-breakpoint
CREATE TABLE `activity` (
	`user_id` text NOT NULL,
	`id` text NOT NULL,
	`at` text NOT NULL,
	`event` text NOT NULL,
	`session_id` text,
	`user_agent` text,
	`address` text,
	PRIMARY KEY(`user_id`, `id`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `activity_at` ON `activity` (`at`);--> statement-breakpoint
PRAGMA defer_foreign_keys=ON;--> statement-breakpoint
CREATE TABLE `__new_users` (
	`id` text PRIMARY KEY NOT NULL,
	`email` text,
	`email_verified_at` text,
	`password_hash` text,
	`role` text DEFAULT 'user' NOT NULL,
	`created_at` text NOT NULL,
	`updated_at` text NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `__new_users`("id", "email", "password_hash", "role", "created_at", "updated_at") SELECT "id", "email", "password_hash", "role", "created_at", "updated_at" FROM `users`;--> statement-breakpoint
DROP TABLE `users`;--> statement-breakpoint
ALTER TABLE `__new_users` RENAME TO `users`;--> statement-breakpoint
PRAGMA defer_foreign_keys=OFF;--> statement-breakpoint
CREATE UNIQUE INDEX `users_email` ON `users` (`email`);