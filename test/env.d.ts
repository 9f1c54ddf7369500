declare namespace Cloudflare {
  interface Env {
    JWT_SECRET: string
    /** Private keys (JWK) of the identity provider that the tests run, by algorithm. */
    PROVIDER_KEYS: Record<string, import('jose').JWK>
    TEST_MIGRATIONS: import('cloudflare:test').D1Migration[]
  }
}
