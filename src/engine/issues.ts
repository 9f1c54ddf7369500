/** How many code points (not UTF-16 units) a string has. */
export function codePoints(value: string): number {
  let count = 0
  for (const _ of value) count += 1
  return count
}

/** An issue of a kind of ours; `code` is what the client gets to see. */
export function issue(input: unknown, code: string, message: string) {
  return { code: 'custom', input, message, params: { code } } as const
}

/** The issue of a string with more than `maximum` code points. */
export function tooBig(input: string, maximum: number, message: string) {
  return { code: 'too_big', origin: 'string', maximum, input, message } as const
}

/** The issue of a string with fewer than `minimum` code points. */
export function tooSmall(input: string, minimum: number, message: string) {
  return { code: 'too_small', origin: 'string', minimum, input, message } as const
}
