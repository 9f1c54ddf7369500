import { timingSafeEqual } from 'node:crypto'
import { memo } from '../memo.ts'

/*
 * bcrypt (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999), to verify what other systems have stored.
 * A library would be a fourteenth of the bundle, most of it the first digits of π, which are quickly found.
 */

/** Blowfish's state: 18 words of round keys, then four boxes of 256 words. */
const ROUND_KEYS = 18
const WORDS = ROUND_KEYS + 4 * 256

/** What is encrypted 64 times, `OrpheanBeholderScryDoubt`, and how much of the result is kept, in bytes. */
const TEXT = [0x4f727068, 0x65616e42, 0x65686f6c, 0x64657253, 0x63727944, 0x6f756274]
const TIMES = 64
const KEPT = 23

/**
 * Whether a password matches a hash of the form `$2b$10$…` (or `$2a$`, `$2y$`: they differ in faults that old libraries
 * had). Only its first 72 bytes count. Blocks the isolate: call it in turn.
 */
export function matchesBcrypt(password: string, hash: string): boolean {
  const [, , cost = '', encoded = ''] = hash.split('$')
  const salt = decode(encoded.slice(0, 22))
  const state = expensiveState(new TextEncoder().encode(`${password}\0`), salt, 2 ** Number(cost))
  const text = Int32Array.from(TEXT)
  for (let at = 0; at < text.length; at += 2) {
    for (let time = 0; time < TIMES; time += 1) encipher(state, text, at)
  }
  const result = new DataView(new ArrayBuffer(text.byteLength))
  text.forEach((each, at) => result.setInt32(4 * at, each))
  return timingSafeEqual(new Uint8Array(result.buffer, 0, KEPT), decode(encoded.slice(22)))
}

/** EksBlowfishSetup: the state after the key and the salt have been mixed in, in turn, so many times. */
function expensiveState(password: Uint8Array, salt: Uint8Array, times: number): Int32Array {
  const state = Int32Array.from(digitsOfPi())
  const [key, salted, nothing] = [wordsOf(password, ROUND_KEYS), wordsOf(salt, ROUND_KEYS), new Int32Array(4)]
  mix(state, key, wordsOf(salt, 4))
  for (let time = 0; time < times; time += 1) {
    mix(state, key, nothing)
    mix(state, salted, nothing)
  }
  return state
}

/** ExpandKey: mixes a key into the round keys, then replaces the state by what it encrypts, and four words of salt, to. */
function mix(state: Int32Array, key: Int32Array, salt: Int32Array): void {
  for (let at = 0; at < ROUND_KEYS; at += 1) state[at] = word(state, at) ^ word(key, at)
  const block = new Int32Array(2)
  for (let at = 0; at < WORDS; at += 2) {
    block[0] = word(block, 0) ^ word(salt, at & 2)
    block[1] = word(block, 1) ^ word(salt, (at & 2) + 1)
    encipher(state, block, 0)
    state.set(block, at)
  }
}

/** Blowfish: encrypts two words in place. */
function encipher(state: Int32Array, text: Int32Array, at: number): void {
  let left = word(text, at) ^ word(state, 0)
  let right = word(text, at + 1)
  for (let round = 1; round < ROUND_KEYS - 1; round += 2) {
    right ^= scrambled(state, left) ^ word(state, round)
    left ^= scrambled(state, right) ^ word(state, round + 1)
  }
  text[at] = right ^ word(state, ROUND_KEYS - 1)
  text[at + 1] = left
}

/** Blowfish's F: a word from each box, by a byte each. */
function scrambled(state: Int32Array, input: number): number {
  const first =
    word(state, ROUND_KEYS + (input >>> 24)) + word(state, ROUND_KEYS + 256 + ((input >> 16) & 255))
  return (
    ((first ^ word(state, ROUND_KEYS + 512 + ((input >> 8) & 255))) +
      word(state, ROUND_KEYS + 768 + (input & 255))) |
    0
  )
}

function word(words: Int32Array, at: number): number {
  return words[at] ?? 0
}

/** Bytes as so many words, over and over again. */
function wordsOf(bytes: Uint8Array, count: number): Int32Array {
  const byte = (at: number) => bytes[at % bytes.length] ?? 0
  return Int32Array.from({ length: count }, (_, at) =>
    [0, 1, 2, 3].reduce((sum, more) => (sum << 8) | byte(4 * at + more), 0),
  )
}

/** The state that every key begins with: the binary digits of π behind the point, 32 a word. Takes some 30 ms. */
const digitsOfPi = memo(() => {
  const guard = 64n
  const bits = BigInt(WORDS * 32) + guard
  // Machin's formula.
  const pi = 4n * (4n * arcCotangent(5n, bits) - arcCotangent(239n, bits))
  const digits = ((pi - (3n << bits)) >> guard).toString(16).padStart(WORDS * 8, '0')
  return Int32Array.from({ length: WORDS }, (_, at) => Number.parseInt(digits.slice(8 * at, 8 * at + 8), 16))
})

/** The arc cotangent of a whole number, times two to the power of `bits`, by Gregory's series. */
function arcCotangent(x: bigint, bits: bigint): bigint {
  let power = (1n << bits) / x
  let sum = power
  for (let n = 3n; power !== 0n; n += 2n) {
    power /= -x * x
    sum += power / n
  }
  return sum
}

const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const OWN = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** The bytes of bcrypt's own base64. */
function decode(text: string): Uint8Array {
  const standard = text.replaceAll(/./g, (letter) => STANDARD.charAt(OWN.indexOf(letter)))
  return Uint8Array.from(atob(standard), (byte) => byte.charCodeAt(0))
}
