import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: './src/{resources/*,idempotency,auth/users,auth/sessions}.ts',
  out: './migrations',
})
