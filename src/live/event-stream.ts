/** How often the hub is asked whether it is still there, in milliseconds: proxies close what is silent for a minute or two. */
const HEARTBEAT = 25_000
/** How many events may wait for a client that does not read. */
const MOST_WAITING = 1_000
/** A browser comes back after so many milliseconds, each connection after another time, since a deploy ends all at once. */
const SOONEST = 1_000
const LATEST = 10_000

/**
 * The messages of a socket to the hub as server-sent events (HTML standard §9.2): each one's JSON as `data`, a comment for
 * each heartbeat, and an event `close` with the code and the reason when the hub closes it.
 */
export function eventStream(socket: WebSocket): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let heartbeat: ReturnType<typeof setInterval> | undefined
  let over = false

  function end(): void {
    over = true
    clearInterval(heartbeat)
    socket.close(1000)
  }

  return new ReadableStream({
    start(controller) {
      const write = (text: string) => controller.enqueue(encoder.encode(`${text}\n\n`))
      socket.accept()
      socket.addEventListener('message', ({ data }) => {
        if (over) return
        write(data === 'pong' ? ':' : `data: ${String(data)}`)
        if ((controller.desiredSize ?? 0) > -MOST_WAITING) return
        // It asks for everything when it comes back.
        end()
        controller.close()
      })
      socket.addEventListener('close', ({ code, reason }) => {
        // The client has left, which is why it was closed.
        if (over) return
        end()
        write(`event: close\ndata: ${JSON.stringify({ code, reason })}`)
        controller.close()
      })
      heartbeat = setInterval(() => socket.send('ping'), HEARTBEAT)
      write(`retry: ${Math.round(SOONEST + Math.random() * (LATEST - SOONEST))}`)
    },
    cancel: end,
  })
}
