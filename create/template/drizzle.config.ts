import { defineConfig } from 'drizzle-kit'

// For drizzle-kit's own commands, such as studio; migrations are written by npm run migrate:new.
export default defineConfig({ dialect: 'sqlite', schema: './src/resources/*.ts', out: './migrations' })
