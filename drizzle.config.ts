import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: './src/{resources/*,idempotency}.ts',
  out: './migrations',
})
