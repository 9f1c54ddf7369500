ALTER TABLE `comments` ADD `created_by` text;
--> statement-breakpoint
ALTER TABLE `comments` ADD `updated_by` text;
--> statement-breakpoint
ALTER TABLE `projects` ADD `created_by` text;
--> statement-breakpoint
ALTER TABLE `projects` ADD `updated_by` text;
--> statement-breakpoint
ALTER TABLE `tasks` ADD `created_by` text;
--> statement-breakpoint
ALTER TABLE `tasks` ADD `updated_by` text;