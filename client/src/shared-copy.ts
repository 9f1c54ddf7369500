import type { Collection, LocalCopy, OwnerClient } from './index.ts'

/** The copy of an owner that all who look at it share. */
interface Shared {
  /** Undefined until it is open. */
  readonly copy: LocalCopy | undefined
  /** As that of a copy; the first one opens and starts it, the last one to end stops it. */
  subscribe(listener: () => void, collection: Collection | undefined): () => void
}

/** Somebody who looks at a copy, which may not be open yet. */
interface Look {
  listener: () => void
  collection: Collection | undefined
  end?: () => void
}

const copies = new WeakMap<OwnerClient, Shared>()

/** The copy of an owner's rows for as long as anybody looks at it. */
export function shared(owner: OwnerClient): Shared {
  const known = copies.get(owner) ?? newShared(owner)
  copies.set(owner, known)
  return known
}

function newShared(owner: OwnerClient): Shared {
  const looks = new Set<Look>()
  let copy: LocalCopy | undefined
  let opening: Promise<void> | undefined

  /** A copy that cannot be opened now is tried again by the next one who looks. */
  async function open(): Promise<void> {
    try {
      const opened = await owner.sync()
      copy = opened
      if (looks.size) opened.start()
      for (const look of looks) follow(look, opened)
      for (const { listener } of looks) listener()
    } catch (error) {
      reportError(error)
    }
    opening = undefined
  }

  function follow(look: Look, opened: LocalCopy): void {
    look.end = opened.subscribe(look.listener, look.collection)
  }

  return {
    get copy() {
      return copy
    },
    subscribe(listener, collection) {
      const look: Look = { listener, collection }
      looks.add(look)
      if (copy) {
        if (looks.size === 1) copy.start()
        follow(look, copy)
      } else opening ??= open()
      return () => {
        looks.delete(look)
        look.end?.()
        // Somebody else may look the next moment: another page of the same application does.
        setTimeout(() => !looks.size && copy?.stop())
      }
    },
  }
}
