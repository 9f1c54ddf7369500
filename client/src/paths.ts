/**
 * A value as one segment of a path. Throws a `TypeError` for an empty one and for dots, which a URL would take for
 * another path (RFC 3986 §5.2.4): to delete the row `..` would be to erase the account.
 */
export function segment(value: unknown): string {
  const text = String(value)
  if (/^\.{0,2}$/.test(text)) throw new TypeError(`“${text}” is no id`)
  return encodeURIComponent(text)
}

/** Fills in the `{names}` of a path. */
export function pathSerializer(path: string, values: Record<string, unknown>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => segment(values[name]))
}

/** The text of a query string, without the parameters that are undefined. */
export function querySerializer(query: object): string {
  return String(new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined)))
}
