declare namespace Cloudflare {
  interface Env {
    JWT_SECRET: string
    /** A D1 database without any migration. */
    EMPTY_DB: D1Database
    /** Private keys (JWK) of the identity provider that the tests run, by algorithm. */
    PROVIDER_KEYS: Record<string, import('jose').JWK>
    /** How many forgeries of each kind are tried; `FORGERIES` when the tests start. */
    FORGERIES: number
    /** How many requests test/generated/teams.test.ts makes, and from which seed; empty for a short run from any. */
    TEAM_REQUESTS: string
    TEAM_SEED: string
    /** How long a test runs that is as long as one likes. */
    CONVERGENCE_COPIES: string
    CONVERGENCE_WRITES: string
    /** What the migrations of this API do to the object of an owner. */
    OWNER_SCHEMA: string
    /** How many times as long properties are tried; empty for once. */
    RUNS: string
    /** How many moves test/moving.test.ts makes under writers, of owners with how many rows; empty for few. */
    MOVES: string
    MOVE_ROWS: string
    TEST_MIGRATIONS: import('cloudflare:test').D1Migration[]
    /** The generated migration of `test/fixtures/types`, in the project that serves these. */
    DECLARED_MIGRATIONS?: import('cloudflare:test').D1Migration[]
    /** The generated migration of `test/fixtures`. */
    FIXTURE_MIGRATIONS: import('cloudflare:test').D1Migration[]
  }
}

/** Every file that matches, as its text, by Vite. */
interface ImportMeta {
  glob(pattern: string, options: { query: '?raw'; import: 'default'; eager: true }): Record<string, string>
}

/** The text of a file, by Vite. */
declare module '*?raw' {
  const text: string
  export default text
}
