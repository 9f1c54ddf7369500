import { bodyLimit as honoBodyLimit } from 'hono/body-limit'
import { Problem } from '../problems.ts'

/** The largest body taken, in bytes. */
const MAX_BODY = 64 * 1024

/** Refuses a larger body with `body_too_large`, before anything else looks at the request. */
export const bodyLimit = honoBodyLimit({
  maxSize: MAX_BODY,
  onError: () => {
    throw new Problem('body_too_large')
  },
})
