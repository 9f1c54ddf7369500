import type { Hono } from 'hono'
import type { App } from '../env.ts'
import type { Resource } from '../resource.ts'
import comments from './comments.ts'
import { complete } from './complete.ts'
import projects from './projects.ts'
import tasks from './tasks.ts'

/** Every resource of this API: the table of contents. */
export const resources: readonly Resource[] = [projects, tasks, comments]

/** What no declaration says: routes of their own, beside those of the resource they are mounted under. */
export const verbs: readonly [resource: Resource, routes: Hono<App>][] = [[tasks, complete]]
