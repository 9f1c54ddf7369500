CREATE TABLE `moved_owners` (
	`user_id` text PRIMARY KEY NOT NULL,
	`move` text NOT NULL,
	`fenced` integer NOT NULL,
	`moved_at` text,
	`back` integer DEFAULT 0 NOT NULL
) STRICT, WITHOUT ROWID;
