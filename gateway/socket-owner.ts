/** Whoever answers for a socket: a connection, or a refusal that has to be upgraded to be heard. */
import type { WebSocket } from 'uWebSockets.js'

/** What the engine keeps with a socket. */
export interface SocketData {
  readonly connection: SocketOwner
}

export interface SocketOwner {
  opened(socket: WebSocket<SocketData>): void
  message(bytes: ArrayBuffer, isBinary: boolean): void
  drained(): void
  closed(): void
}

/** The engine drops what goes over this, pings too: our own marks, at most 1.5 MB, lie below it. */
export const engineBackpressureMax = 2_097_152
