CREATE TABLE `remaining_rows` (
	`user_id` text NOT NULL,
	`collection` text NOT NULL,
	`remaining` integer NOT NULL,
	PRIMARY KEY(`user_id`, `collection`),
	CONSTRAINT "quota_exceeded" CHECK("remaining_rows"."remaining" >= 0)
) STRICT, WITHOUT ROWID;
