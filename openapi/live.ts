import { closings } from '../src/live/connection.ts'
import type { Resource } from '../src/engine/resource.ts'
import { closed, oneOf, ref, REVISION, type Json } from './json.ts'
import { headers, problems } from './responses.ts'

/** Live changes. OpenAPI has no word for a WebSocket: its messages are the schema `LiveMessage`. */
export function eventsPath(): Json {
  return {
    '/api/{user_id}/events': {
      parameters: [ref('parameters', 'user_id')],
      get: {
        operationId: 'events',
        summary: 'Hear of changes at once',
        description:
          'A WebSocket (RFC 6455) or, with `Accept: text/event-stream`, server-sent events. Every message is a `LiveMessage`: ' +
          "`ready` first, then `changed` after each committed write to the user's rows, by anybody. A hint has no data: ask " +
          '`/changes`, unless you have those revisions already. Hints may be merged and one may be lost, so ask on connecting ' +
          'too, and every few minutes.\n\n' +
          'A browser sends its token as a subprotocol: `new WebSocket(url, ["freehold", "bearer." + token])`. With cookies the ' +
          '`Origin` must be an allowed one. Send `ping` for a `pong`, and nothing else.\n\n' +
          `The server closes with ${closingSentence()}. An event stream then ends with an event \`close\`, which has the same code and reason.`,
        tags: ['changes'],
        responses: {
          101: { description: 'The WebSocket is open.', headers: headers([]) },
          200: {
            description: 'The stream is open.',
            headers: headers([]),
            content: {
              'text/event-stream': {
                schema: {
                  type: 'string',
                  description: 'The `data` of each event is a `LiveMessage`.',
                  contentSchema: ref('schemas', 'LiveMessage'),
                },
                example: EXAMPLE,
              },
            },
          },
          ...problems(401, 403, 404, 406, 429, 500, 503, 504),
        },
      },
    },
  }
}

const EXAMPLE = `data: {"type":"ready"}

data: {"type":"changed","bookmark":null,"revisions":{"tasks":1795165200001}}

`

function closingSentence(): string {
  return Object.values(closings)
    .map(([code, reason]) => `${code} (${reason})`)
    .join(', ')
}

/** What a live connection receives. */
export function liveSchemas(resources: readonly Resource[]): Json {
  const revisions = Object.fromEntries(resources.map(({ name }) => [name, REVISION]))
  return {
    LiveMessage: oneOf('type', { ready: 'LiveReady', changed: 'LiveChanged' }),
    LiveReady: closed({ type: { type: 'string', const: 'ready' } }),
    LiveChanged: closed({
      type: { type: 'string', const: 'changed' },
      bookmark: {
        type: ['string', 'null'],
        description: 'Send it as `x-d1-bookmark` to read what was written; null where there are no replicas.',
      },
      revisions: ref('schemas', 'LiveRevisions'),
    }),
    LiveRevisions: {
      ...closed({}, revisions),
      description: 'The highest revision of each collection that has changed.',
    },
  }
}
