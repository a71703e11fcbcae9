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
  readonly durableDelay: { readonly sockets: number; readonly messagesPerSecond: number } & Window
  readonly storm: {
    readonly stream: StreamSize
    readonly clients: number
    /** Publications of each client's channel. */
    readonly missed: number
    readonly bystanders: number
    readonly bystandersPerSecond: number
    /** Of the bystanders alone. */
    readonly beforeSeconds: number
    readonly loneClients: number
    readonly rounds: number
  }
  readonly channelsMemory: {
    /** Channels before the first reading, and more of them before the second. */
    readonly base: number
    readonly count: number
    readonly perConnection: number
    readonly restSeconds: number
    readonly rounds: number
  }
  readonly ringMemory: {
    readonly channels: number
    /** In each ring before the first reading, and more of them before the second. */
    readonly base: number
    readonly count: number
    readonly restSeconds: number
    readonly rounds: number
  }
  readonly historyReads: {
    readonly stream: StreamSize
    readonly readers: number
  } & Window
  readonly costs: {
    readonly stream: StreamSize
    /** Of each kind; dear ones are made less often. */
    readonly requests: number
    readonly scans: number
  }
}

/** A stream in which every channel has as many publications, one after the other in turn. */
export interface StreamSize {
  readonly channels: number
  readonly publicationsPerChannel: number
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
  durableDelay: { sockets: 50, messagesPerSecond: 1000, seconds: 10, rounds: 3 },
  storm: {
    stream: { channels: 17_000, publicationsPerChannel: 20 },
    clients: 15_000,
    missed: 3,
    bystanders: 100,
    bystandersPerSecond: 100,
    beforeSeconds: 5,
    loneClients: 50,
    rounds: 3,
  },
  channelsMemory: { base: 10_000, count: 50_000, perConnection: 1000, restSeconds: 10, rounds: 3 },
  ringMemory: { channels: 2000, base: 10, count: 40, restSeconds: 10, rounds: 3 },
  historyReads: {
    stream: { channels: 1000, publicationsPerChannel: 100 },
    readers: 32,
    seconds: 5,
    rounds: 3,
  },
  costs: { stream: { channels: 17_000, publicationsPerChannel: 20 }, requests: 200, scans: 4 },
}

export const smallSizes: Sizes = {
  memory: { base: 50, count: 300, restSeconds: 0, rounds: 1 },
  handshake: { count: 200, rounds: 1 },
  poll: { connections: 100, seconds: 1, rounds: 1 },
  shortPoll: { connections: 10, seconds: 1, rounds: 1 },
  fanOut: { sockets: 200, ticksPerSecond: 20, seconds: 0.5, rounds: 1 },
  delay: { sockets: 20, messagesPerSecond: 200, seconds: 1, rounds: 1 },
  connections: { counts: [100, 200, 400], deliveriesPerSecond: 4000, seconds: 0.5, rounds: 1 },
  durableDelay: { sockets: 20, messagesPerSecond: 200, seconds: 1, rounds: 1 },
  storm: {
    stream: { channels: 400, publicationsPerChannel: 6 },
    clients: 300,
    missed: 3,
    bystanders: 10,
    bystandersPerSecond: 50,
    beforeSeconds: 0.5,
    loneClients: 5,
    rounds: 1,
  },
  channelsMemory: { base: 100, count: 500, perConnection: 100, restSeconds: 0, rounds: 1 },
  ringMemory: { channels: 50, base: 2, count: 10, restSeconds: 0, rounds: 1 },
  historyReads: {
    stream: { channels: 20, publicationsPerChannel: 20 },
    readers: 8,
    seconds: 0.5,
    rounds: 1,
  },
  costs: { stream: { channels: 400, publicationsPerChannel: 6 }, requests: 5, scans: 1 },
}

/** The most sockets that one process holds in a run. */
export function socketsMax(sizes: Sizes): number {
  const { memory, handshake, fanOut, connections, storm } = sizes
  return Math.max(
    memory.base + memory.count,
    handshake.count,
    fanOut.sockets,
    ...connections.counts,
    storm.clients + storm.bystanders,
  )
}
