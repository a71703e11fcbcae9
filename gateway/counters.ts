/** What a node counts on its hot paths: plain numbers, read when the metrics are scraped. */
import type { CloseReason, FrameCode, GapReason } from '../shared/codes.js'

export const transports = ['websocket', 'sse', 'poll'] as const
export type Transport = (typeof transports)[number]

function perTransport(): Record<Transport, number> {
  return { websocket: 0, sse: 0, poll: 0 }
}

export class Counters {
  /** Open now; for polls, and short streams, which count as polls, the pending ones. */
  readonly connections: Record<Transport, number> = perTransport()
  readonly handshakesAccepted: Record<Transport, number> = perTransport()
  readonly handshakesRefused: Record<Transport, number> = perTransport()
  /** Publications handed to the engine for one connection. */
  readonly deliveries: Record<Transport, number> = perTransport()
  /** Publications not delivered to a connection that was behind; each stretch ends with a gap. */
  readonly deliveriesDropped: Record<Transport, number> = perTransport()
  framesReceived = 0
  readonly refusals: Partial<Record<FrameCode | CloseReason, number>> = {}
  readonly gaps: Partial<Record<GapReason, number>> = {}
  subscriptions = 0
  publicationsAccepted = 0
  /** Requests to publish, or for a history, whose answer waits for the broker. */
  requestsPending = 0
  /** Connections closed at their token's expiry. */
  expirations = 0
  /** Exceptions caught at the top of an engine callback: each is a bug. */
  internalErrors = 0

  refuse(code: FrameCode | CloseReason): void {
    this.refusals[code] = (this.refusals[code] ?? 0) + 1
  }

  gap(reason: GapReason): void {
    this.gaps[reason] = (this.gaps[reason] ?? 0) + 1
  }
}
