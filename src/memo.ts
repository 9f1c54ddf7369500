/** Makes something when it is first asked for: a Worker's start is short of CPU, and an isolate may never need it. */
export function lazily<Made>(make: () => Made): () => Made {
  let made: Made | undefined
  return () => (made ??= make())
}
