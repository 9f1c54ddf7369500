import type { Resource, Verb } from 'freehold'
import comments from './comments.ts'
import { complete } from './complete.ts'
import projects from './projects.ts'
import tasks from './tasks.ts'

/** Every resource of this API: the table of contents. */
export const resources: readonly Resource[] = [projects, tasks, comments]

/** What no declaration says. */
export const verbs: readonly Verb[] = [complete]
