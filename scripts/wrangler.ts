/**
 * The environment to run wrangler in. It prints only what was asked for and calls no server: no banner, no check for
 * updates, no telemetry, no fetch of a sample `Request.cf`.
 */
export const wranglerEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_SEND_METRICS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
}
