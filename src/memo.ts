/**
 * Makes something when it is first asked for, and keeps it: once, or once for each object it is asked for with, as long
 * as that object lives. A Worker's start is short of CPU, and an isolate may never need it.
 */
export function memo<Made>(make: () => Made): () => Made
export function memo<Key extends object, Made>(make: (key: Key) => Made): (key: Key) => Made
export function memo<Made>(make: (key: object) => Made): (key?: object) => Made {
  const made = new WeakMap<object, { value: Made }>()
  return (key = ALWAYS) => {
    let found = made.get(key)
    if (!found) made.set(key, (found = { value: make(key) }))
    return found.value
  }
}

const ALWAYS = {}
