/**
 * Writes one line of JSON to the Worker's log. Callers pass only what is safe to keep: ids, patterns, counts and
 * names; never a header, a parameter, a body or an error's message.
 */
export function log(level: 'info' | 'warn' | 'error', fields: Record<string, unknown>): void {
  console[level](JSON.stringify({ level, ...fields }))
}
