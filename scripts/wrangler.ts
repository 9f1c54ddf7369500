/**
 * The environment to run wrangler in. It prints what was asked for and calls nobody: no banner and with it no look for
 * updates, no telemetry, no fetch of a sample `Request.cf`.
 */
export const wranglerEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_SEND_METRICS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
}
