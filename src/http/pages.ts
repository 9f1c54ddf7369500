import { Problem } from '../problems.ts'
import { Routes } from './routes.ts'

/** The static pages. What they load (scripts, styles, pictures) is served without the Worker. */
const PATHS = ['/', '/docs', '/docs/problems', '/openapi.json', '/openapi.v1.json']

/** The static pages, with the headers of public/_headers: to be mounted before what is the API's. */
export const pages = new Routes()
for (const path of PATHS) pages.get(path, (c) => c.env.ASSETS.fetch(c.req.raw))

/** Every other method on a static page: throws `method_not_allowed`, with `Allow` (RFC 9110 §15.5.6). */
export const readOnlyPages = new Routes()
for (const path of PATHS) {
  readOnlyPages.all(path, () => {
    throw new Problem('method_not_allowed', { headers: { Allow: 'GET, HEAD' } })
  })
}
