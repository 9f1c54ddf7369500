import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: './src/{resources/*,engine/idempotency,auth/schema}.ts',
  out: './migrations',
})
