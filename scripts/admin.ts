import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { normaliseEmail } from '../src/accounts/email.ts'
import { wranglerEnvironment } from './wrangler.ts'

const USAGE = `Usage: npm run admin -- grant|revoke <email> [--remote] [--persist-to <folder>]

Makes the account with this e-mail an administrator, or a user again, in the local database or the deployed one.
Its sessions end, so the change holds at once: log in again.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    remote: { type: 'boolean', default: false },
    'persist-to': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit()
}

const [verb, given = '', ...rest] = positionals
const role = verb === 'grant' ? 'admin' : verb === 'revoke' ? 'user' : undefined
if (!role || !given || rest.length) {
  console.error(USAGE)
  process.exit(2)
}

const email = normaliseEmail(given)
const quoted = `'${email.replaceAll("'", "''")}'`
const account = `(SELECT id FROM users WHERE email = ${quoted})`
// In this order: a login between the two asserts the role it has read, so none is left with the old one.
const sql = [
  `UPDATE users SET role = '${role}', updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE email = ${quoted}`,
  `DELETE FROM sessions WHERE user_id = ${account}`,
  `SELECT id, email, role FROM users WHERE email = ${quoted}`,
].join('; ')
const where = values.remote ? ['--remote'] : ['--local', ...persistence()]
const { status, stdout, stderr } = spawnSync(
  'wrangler',
  ['d1', 'execute', 'DB', ...where, '--yes', '--json', '--command', sql],
  { encoding: 'utf8', env: wranglerEnvironment },
)
if (status !== 0) {
  const isNew = (stdout + stderr).includes('no such table')
  console.error(isNew ? 'There are no accounts yet: run npm run migrate.' : stdout + stderr)
  process.exit(1)
}
if (!stdout.includes(`"role": "${role}"`)) {
  console.error(
    `There is no account with the e-mail ${email}${values.remote ? '' : ' in the local database'}.`,
  )
  process.exit(1)
}
console.log(
  `${email} is ${role === 'admin' ? 'an administrator' : 'no administrator'} now. Its sessions have ended.`,
)

function persistence(): string[] {
  const folder = values['persist-to']
  return folder === undefined ? [] : ['--persist-to', folder]
}
