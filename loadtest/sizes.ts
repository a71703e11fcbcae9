/** How much each measurement does: in full for figures, small to see whether it works. */

export interface Sizes {
  readonly memory: {
    /** Connections before the first reading: they warm up code and pools. */
    readonly base: number
    /** Connections between the first reading and the second. */
    readonly count: number
    /** Before each reading. */
    readonly restSeconds: number
    readonly rounds: number
  }
  readonly handshake: { readonly count: number; readonly rounds: number }
  readonly poll: { readonly connections: number } & Window
  readonly shortPoll: { readonly connections: number } & Window
  readonly fanOut: { readonly sockets: number; readonly ticksPerSecond: number } & Window
  readonly delay: { readonly sockets: number; readonly messagesPerSecond: number } & Window
  readonly connections: {
    readonly counts: readonly number[]
    /** The same load at every count. */
    readonly deliveriesPerSecond: number
  } & Window
}

interface Window {
  readonly seconds: number
  readonly rounds: number
}

export const fullSizes: Sizes = {
  memory: { base: 2000, count: 10_000, restSeconds: 10, rounds: 3 },
  handshake: { count: 5000, rounds: 7 },
  poll: { connections: 2000, seconds: 5, rounds: 5 },
  shortPoll: { connections: 20, seconds: 3, rounds: 5 },
  fanOut: { sockets: 5000, ticksPerSecond: 4, seconds: 5, rounds: 5 },
  delay: { sockets: 50, messagesPerSecond: 1000, seconds: 10, rounds: 3 },
  connections: {
    counts: [1000, 5000, 15_000],
    deliveriesPerSecond: 20_000,
    seconds: 6,
    rounds: 5,
  },
}

export const smallSizes: Sizes = {
  memory: { base: 50, count: 300, restSeconds: 0, rounds: 1 },
  handshake: { count: 200, rounds: 1 },
  poll: { connections: 100, seconds: 1, rounds: 1 },
  shortPoll: { connections: 10, seconds: 1, rounds: 1 },
  fanOut: { sockets: 200, ticksPerSecond: 20, seconds: 0.5, rounds: 1 },
  delay: { sockets: 20, messagesPerSecond: 200, seconds: 1, rounds: 1 },
  connections: { counts: [100, 200, 400], deliveriesPerSecond: 4000, seconds: 0.5, rounds: 1 },
}

/** The most sockets that one process holds in a run. */
export function socketsMax({ memory, handshake, fanOut, connections }: Sizes): number {
  const { base, count } = memory
  return Math.max(base + count, handshake.count, fanOut.sockets, ...connections.counts)
}
