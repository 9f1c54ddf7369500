CREATE TABLE `erased_users` (
	`user_hash` text PRIMARY KEY NOT NULL,
	`erased_at` text NOT NULL
) STRICT, WITHOUT ROWID;

--> statement-breakpoint
CREATE INDEX `erased_users_erased_at` ON `erased_users` (`erased_at`);