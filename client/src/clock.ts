/** How far a clock may be off before it is corrected, in milliseconds: `Date` is to the second, and answers take time. */
const TOLERANCE = 5000

/** A clock that follows the server's, and the ids that are made by it. */
export interface Clock {
  /** In milliseconds since 1970. */
  now(): number
  /** Takes in the `Date` of an answer (RFC 9110 §6.6.1). */
  follow(response: Response): void
  /** A new UUIDv7 (RFC 9562 §6.2, method 1): those of one millisecond keep their order by a counter. */
  id(): string
}

/** A {@link Clock} that goes as this machine's until a server has said what time it is. */
export function newClock(): Clock {
  let ahead = 0
  let last = 0
  let count = 0
  const now = () => Date.now() + ahead
  return {
    now,
    follow({ headers }) {
      const difference = Date.parse(headers.get('Date') ?? '') - Date.now()
      if (!Number.isNaN(difference)) ahead = Math.abs(difference) > TOLERANCE ? difference : 0
    },
    id() {
      const time = Math.max(last, now())
      count = time === last ? count + 1 : Math.floor(Math.random() * 0x400)
      last = count > 0xfff ? time + 1 : time
      count &= 0xfff
      const hex = last.toString(16).padStart(12, '0')
      const order = count.toString(16).padStart(3, '0')
      return `${hex.slice(0, 8)}-${hex.slice(8)}-7${order}${crypto.randomUUID().slice(18)}`
    },
  }
}
