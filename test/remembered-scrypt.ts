import { scrypt as derive, type ScryptOptions } from 'node:crypto'

export { randomBytes, timingSafeEqual } from 'node:crypto'

const remembered = new Map<string, Buffer>()

/** `scrypt` of node:crypto, which derives the same key from the same password, salt and cost only once: it takes 0.2 s. */
export function scrypt(
  password: string,
  salt: Uint8Array,
  length: number,
  options: ScryptOptions,
  callback: (error: Error | null, key: Buffer) => void,
): void {
  const asked = JSON.stringify([password, [...salt], length, options])
  const known = remembered.get(asked)
  if (known) {
    callback(null, Buffer.from(known))
    return
  }
  derive(password, salt, length, options, (error, key) => {
    if (!error) remembered.set(asked, Buffer.from(key))
    callback(error, key)
  })
}
