CREATE TABLE `tasks` (
	`id` text NOT NULL,
	`user_id` text NOT NULL,
	`title` text NOT NULL,
	`description` text,
	`status` text DEFAULT 'pending' NOT NULL,
	`completed` integer GENERATED ALWAYS AS (status = 'completed') VIRTUAL NOT NULL,
	`completed_at` text,
	`priority` text DEFAULT 'medium' NOT NULL,
	`due_date` text,
	`tags` text DEFAULT '[]' NOT NULL,
	`revision` integer NOT NULL,
	`created_at` text NOT NULL,
	`updated_at` text NOT NULL,
	`deleted_at` text,
	PRIMARY KEY(`user_id`, `id`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `tasks_revision` ON `tasks` (`user_id`,`revision`);--> statement-breakpoint
CREATE INDEX `tasks_trash` ON `tasks` (`deleted_at`) WHERE "tasks"."deleted_at" IS NOT NULL;