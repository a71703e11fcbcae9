/** The load client as a process: holds thousands of connections and counts. Started by fleet.ts. */
import type { Socket } from 'node:net'
import type { ConnectionOwner } from './connection.js'
import { openEventStream } from './event-stream-client.js'
import { openPoll } from './poll-client.js'
import { openRecovering } from './recovering-client.js'
import { answerCalls } from './remote.js'
import { nowMicros, readStamp } from './stamp.js'
import { openSubscribing } from './subscribing-client.js'
import type { ChannelStart } from './stored-channels.js'
import type { ConnectionKind, Endpoint } from './target.js'
import { openWebSocket } from './web-socket-client.js'

export interface OpenOrder {
  readonly kind: ConnectionKind
  readonly endpoint: Endpoint
  readonly count: number
  /** Handshakes under way at a time: the engine's accept queue holds 512. */
  readonly inFlight: number
}

/** WebSockets that come back, one for each channel. */
export interface RecoverOrder {
  readonly endpoint: Endpoint
  readonly epoch: string
  readonly starts: readonly ChannelStart[]
  readonly inFlight: number
}

export interface SubscribeOrder {
  readonly endpoint: Endpoint
  readonly channels: readonly string[]
}

/** Times of the machine's monotonic clock. */
export interface RecoverOutcome {
  readonly beganAtMicros: number
  readonly lastWelcomeAtMicros: number
  readonly lastRecoveredAtMicros: number
  /** Of each client, from its `subscribe` to the last that it had missed; µs. */
  readonly waits: Uint32Array
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
  /** One WebSocket with many channels; resolves when it has subscribed them. */
  subscribe(order: SubscribeOrder): Promise<void>
  /** Resolves when each has got exactly what it missed; rejects if one has not. */
  recover(order: RecoverOrder): Promise<RecoverOutcome>
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

/** One that is lost before it is ready fails; later losses are counted. */
function open(
  opener: (sub: string, serial: number, owner: ConnectionOwner) => Socket,
  isReady: () => void,
  failed: (reason: string) => void,
): void {
  serial += 1
  const socket = opener(`u${process.pid}-${serial}`, serial, {
    ready: isReady,
    publication: countPublication,
    answered: countAnswer,
    // Of one that was ready nobody hears it any more.
    ended: (reason) => ended(socket, reason, failed),
  })
  sockets.add(socket)
}

/** Opens one after another, so many at a time; resolves when all are ready. */
function openAll(
  count: number,
  inFlight: number,
  openNext: (at: number, isReady: () => void, failed: (reason: string) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let started = 0
    let ready = 0
    const failed = (reason: string): void => reject(new Error(reason))
    const next = (): void => {
      if (started === count) return
      started += 1
      openNext(started - 1, isReady, failed)
    }
    const isReady = (): void => {
      ready += 1
      if (ready === count) resolve()
      else next()
    }
    for (let i = 0; i < inFlight; i += 1) next()
  })
}

async function recover(order: RecoverOrder): Promise<RecoverOutcome> {
  const { starts, inFlight } = order
  const outcome = {
    beganAtMicros: nowMicros(),
    lastWelcomeAtMicros: 0,
    lastRecoveredAtMicros: 0,
    waits: new Uint32Array(starts.length),
  }
  let recovered = 0
  await new Promise<void>((resolve, reject) => {
    const opened = openAll(starts.length, inFlight, (at, isReady, failed) =>
      recoverOne(order, starts[at] as ChannelStart, isReady, failed, (waitedMicros) => {
        outcome.waits[recovered] = waitedMicros
        recovered += 1
        if (recovered < starts.length) return
        outcome.lastRecoveredAtMicros = nowMicros()
        resolve()
      }),
    )
    opened.then(() => (outcome.lastWelcomeAtMicros = nowMicros()), reject)
  })
  return outcome
}

/** What goes wrong at any time before it has everything ends the order. */
function recoverOne(
  { endpoint, epoch }: RecoverOrder,
  start: ChannelStart,
  isReady: () => void,
  failed: (reason: string) => void,
  recovered: (waitedMicros: number) => void,
): void {
  const opener = (sub: string, serial: number, owner: ConnectionOwner): Socket =>
    openRecovering(endpoint, sub, serial, epoch, start, { ...owner, recovered })
  open(opener, isReady, failed)
}

/** A loss that nobody wanted is counted, and told. */
function ended(socket: Socket, reason: string, failed: (reason: string) => void): void {
  sockets.delete(socket)
  if (sockets.size === 0) allClosed()
  if (isClosing) return
  lost += 1
  lostReason ||= reason
  failed(reason)
}

answerCalls<LoadCalls>({
  open: ({ kind, endpoint, count, inFlight }) =>
    openAll(count, inFlight, (_at, isReady, failed) =>
      open((...all) => openers[kind](endpoint, ...all), isReady, failed),
    ),
  subscribe: ({ endpoint, channels }) =>
    openAll(1, 1, (_at, isReady, failed) =>
      open(
        (sub, serial, owner) => openSubscribing(endpoint, sub, serial, channels, owner),
        isReady,
        failed,
      ),
    ),
  recover,
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
