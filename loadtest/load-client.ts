/** The load client as a process: holds thousands of connections and counts. Started by fleet.ts. */
import type { Socket } from 'node:net'
import type { ConnectionOwner } from './connection.js'
import { openEventStream } from './event-stream-client.js'
import { openPoll } from './poll-client.js'
import { answerCalls } from './remote.js'
import { nowMicros, readStamp } from './stamp.js'
import type { ConnectionKind, Endpoint } from './target.js'
import { openWebSocket } from './web-socket-client.js'

export interface OpenOrder {
  readonly kind: ConnectionKind
  readonly endpoint: Endpoint
  readonly count: number
  /** Handshakes under way at a time: the engine's accept queue holds 512. */
  readonly inFlight: number
}

export interface LoadCounts {
  readonly open: number
  /** Connections that ended though nobody closed them, since the process began. */
  readonly lost: number
  readonly lostReason: string
  readonly publications: number
  /** Size of the last publication's frame. */
  readonly frameBytes: number
  readonly answers: number
}

export interface LoadCalls {
  /** Resolves when all are ready; rejects with the reason of the first that is refused. */
  open(order: OpenOrder): Promise<void>
  counts(): LoadCounts
  /** Begins to record the delay of each publication, from its stamp. */
  record(): void
  /** Ends it, and hands over the delays in µs. */
  delays(): Uint32Array
  close(): Promise<void>
}

const openers = { websocket: openWebSocket, sse: openEventStream, poll: openPoll }
const delaysMax = 4_000_000

const sockets = new Set<Socket>()
let serial = 0
let lost = 0
let lostReason = ''
let publications = 0
let frameBytes = 0
let answers = 0
let isClosing = false
let recorded: Uint32Array | undefined
let recordedCount = 0
/** Called when the last socket has gone. */
let allClosed: () => void = () => {}

function countPublication(bytes: Buffer, start: number, end: number): void {
  publications += 1
  frameBytes = end - start
  if (recorded === undefined || recordedCount === delaysMax) return
  const sent = readStamp(bytes, start, end)
  if (sent === undefined) return
  recorded[recordedCount] = nowMicros() - sent
  recordedCount += 1
}

function countAnswer(): void {
  answers += 1
}

/** Opens one connection; `isReady` or `failed` is called once, later losses are counted. */
function openOne(order: OpenOrder, isReady: () => void, failed: (reason: string) => void): void {
  let wasReady = false
  serial += 1
  const owner: ConnectionOwner = {
    ready: () => {
      wasReady = true
      isReady()
    },
    publication: countPublication,
    answered: countAnswer,
    ended: (reason) => {
      sockets.delete(socket)
      if (sockets.size === 0) allClosed()
      if (isClosing) return
      lost += 1
      lostReason ||= reason
      if (!wasReady) failed(reason)
    },
  }
  const socket = openers[order.kind](order.endpoint, `u${process.pid}-${serial}`, serial, owner)
  sockets.add(socket)
}

answerCalls<LoadCalls>({
  open: (order) =>
    new Promise((resolve, reject) => {
      let started = 0
      let ready = 0
      const failed = (reason: string): void => reject(new Error(reason))
      const next = (): void => {
        if (started === order.count) return
        started += 1
        openOne(order, isReady, failed)
      }
      const isReady = (): void => {
        ready += 1
        if (ready === order.count) resolve()
        else next()
      }
      for (let i = 0; i < order.inFlight; i += 1) next()
    }),
  counts: () => ({ open: sockets.size, lost, lostReason, publications, frameBytes, answers }),
  record: () => {
    recorded = new Uint32Array(delaysMax)
    recordedCount = 0
  },
  delays: () => {
    const delays = recorded?.slice(0, recordedCount) ?? new Uint32Array()
    recorded = undefined
    return delays
  },
  close: async () => {
    if (sockets.size === 0) return
    isClosing = true
    const closed = new Promise<void>((resolve) => (allClosed = resolve))
    for (const socket of sockets) socket.destroy()
    await closed
    isClosing = false
  },
})
