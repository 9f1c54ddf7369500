/**
 * The rooms of src/ from the top down: a file imports from its own room and from those below, never from one above.
 * Drawn in docs/architecture.svg; `npm run check` holds the code to it.
 */
export const rooms = [
  'index',
  'app',
  'resources',
  'user',
  'accounts',
  'auth',
  'engine',
  'http',
  'context',
  'd1',
  'config',
  'own-key',
  'memo',
  'sha256',
  'ids',
  'log',
  'problems',
]

const pathOf = (room) => `^src/${room}(/|\\.ts$)`

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    ...rooms.slice(1).map((room, at) => ({
      name: `${room}-imports-downwards`,
      severity: 'error',
      from: { path: pathOf(room) },
      to: {
        path: rooms
          .slice(0, at + 1)
          .map(pathOf)
          .join('|'),
      },
    })),
    {
      name: 'every-file-has-a-room',
      severity: 'error',
      from: { path: '^src/', pathNot: rooms.map(pathOf).join('|') },
      to: {},
    },
  ],
  options: {
    // TypeScript 7 has no API for other tools yet: until it has, swc reads the imports, types' too.
    parser: 'swc',
    tsPreCompilationDeps: true,
    includeOnly: '^src',
  },
}
