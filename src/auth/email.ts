import * as z from 'zod'
export function email() {
  return z
    .string()
    .transform((v) => v.normalize('NFKC').trim().toLowerCase())
    .pipe(z.email())
}
export function normaliseEmail(v: string) {
  return v.normalize('NFKC').trim().toLowerCase()
}
