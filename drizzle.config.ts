import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: './src/{resources/*,engine/idempotency,auth/schema,accounts/schema}.ts',
  out: './migrations',
})
