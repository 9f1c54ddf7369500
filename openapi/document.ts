import type { Resource } from '../src/engine/resource.ts'
import type { Verb } from '../src/engine/routes.ts'
import { accountPaths, accountSchemas, SECURITY_SCHEMES } from './accounts.ts'
import { isJson, merged, type Json } from './json.ts'
import { eventsPath, liveSchemas } from './live.ts'
import { PARAMETERS } from './parameters.ts'
import { changesPath, pathOf, pathsOf, servicePaths, serviceSchemas, verbItem } from './paths.ts'
import { HEADERS, problemResponses, problemSchemas } from './responses.ts'
import { changesSchemas, schemasOf } from './schemas.ts'
import { teamPaths, teamSchemas } from './teams.ts'

/** What a document says of an application: its name, its version and, in a sentence, what it is. */
export interface About {
  title: string
  version: string
  summary?: string | undefined
}

const FREEHOLD = {
  title: 'Freehold',
  version: '1.0.0',
  contact: { name: 'The Freehold authors' },
  license: { name: 'MIT', identifier: 'MIT' },
}

/** The OpenAPI 3.1 document of an API, derived from its declarations, the problem table and nothing else. */
export function openApiFor(
  resources: readonly Resource[],
  verbs: readonly Verb[],
  { summary = 'A REST API in which every row belongs to a user.', ...about }: About = FREEHOLD,
): Json {
  return {
    openapi: '3.1.0',
    info: { ...about, summary, description: INTRODUCTION },
    servers: [{ url: '/', description: 'This deployment' }],
    security: [{ bearer: [] }, { oauth2: [] }, { cookie: [] }],
    tags: [
      ...resources.map(({ name, singular }) => ({
        name,
        description: `The user's own ${name}: each ${singular} is a row.`,
      })),
      { name: 'account', description: 'The account, its sessions and all that it owns.' },
      { name: 'teams', description: 'Owners of rows that several users share.' },
      { name: 'admin', description: 'For administrators.' },
      { name: 'changes', description: 'Delta sync over every collection.' },
      { name: 'service', description: 'The service itself; no credentials needed.' },
    ],
    paths: {
      ...merged(resources.map(pathsOf)),
      ...Object.fromEntries(verbs.map((verb) => [pathOf(verb.resource, verb.path), verbItem(verb)])),
      ...changesPath(),
      ...eventsPath(),
      ...accountPaths(),
      ...teamPaths(),
      ...servicePaths(),
    },
    components: {
      securitySchemes: SECURITY_SCHEMES,
      parameters: PARAMETERS,
      headers: HEADERS,
      responses: problemResponses(),
      schemas: {
        ...merged([
          problemSchemas(),
          serviceSchemas(),
          changesSchemas(resources),
          liveSchemas(resources),
          accountSchemas(resources),
          teamSchemas(),
          ...resources.map(schemasOf),
        ]),
      },
    },
  }
}

/** The document of the pinned version: the paths of an API's document, below the server `/api/v1`. */
export function pinned(document: Json): Json {
  const paths = Object.entries(isJson(document.paths) ? document.paths : {})
  const below = paths.map(([path, item]): [string, unknown] =>
    path.startsWith('/api/')
      ? [path.slice('/api'.length), item]
      : [path, { servers: document.servers, ...(isJson(item) && item) }],
  )
  const servers = [{ url: '/api/v1', description: 'The pinned version of this deployment' }]
  return { ...document, servers, paths: Object.fromEntries(below) }
}

const INTRODUCTION = `Every path under \`/api/{user_id}\` belongs to one owner: \`{user_id}\` is the \`sub\` of the caller's token, \`me\`, or the id of a team.
The same paths answer under \`/api/v1\`, the pinned version, which has [a document](/openapi.v1.json) of its own to generate clients from.

Rows carry a \`revision\`, which is also their \`ETag\`: send it back as \`If-Match\` to change only what you have seen.
Errors are problem documents (RFC 9457); their types are explained at [/docs/problems](/docs/problems).`
