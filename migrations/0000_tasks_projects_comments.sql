CREATE TABLE `comments` (
	`id` text NOT NULL,
	`user_id` text NOT NULL,
	`task_id` text NOT NULL,
	`body` text NOT NULL,
	`revision` integer NOT NULL,
	`created_at` text NOT NULL,
	`updated_at` text NOT NULL,
	`deleted_at` text,
	PRIMARY KEY(`user_id`, `id`),
	FOREIGN KEY (`user_id`,`task_id`) REFERENCES `tasks`(`user_id`,`id`) ON UPDATE no action ON DELETE no action
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `comments_revision` ON `comments` (`user_id`,`revision`);--> statement-breakpoint
CREATE INDEX `comments_trash` ON `comments` (`deleted_at`) WHERE "comments"."deleted_at" IS NOT NULL;--> statement-breakpoint
CREATE INDEX `comments_task_id` ON `comments` (`user_id`,`task_id`);--> statement-breakpoint
CREATE TABLE `projects` (
	`id` text NOT NULL,
	`user_id` text NOT NULL,
	`name` text NOT NULL,
	`description` text,
	`archived` integer DEFAULT false NOT NULL,
	`revision` integer NOT NULL,
	`created_at` text NOT NULL,
	`updated_at` text NOT NULL,
	`deleted_at` text,
	PRIMARY KEY(`user_id`, `id`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `projects_revision` ON `projects` (`user_id`,`revision`);--> statement-breakpoint
CREATE INDEX `projects_trash` ON `projects` (`deleted_at`) WHERE "projects"."deleted_at" IS NOT NULL;--> statement-breakpoint
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
	`project_id` text,
	`revision` integer NOT NULL,
	`created_at` text NOT NULL,
	`updated_at` text NOT NULL,
	`deleted_at` text,
	PRIMARY KEY(`user_id`, `id`),
	FOREIGN KEY (`user_id`,`project_id`) REFERENCES `projects`(`user_id`,`id`) ON UPDATE no action ON DELETE no action
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `tasks_revision` ON `tasks` (`user_id`,`revision`);--> statement-breakpoint
CREATE INDEX `tasks_trash` ON `tasks` (`deleted_at`) WHERE "tasks"."deleted_at" IS NOT NULL;