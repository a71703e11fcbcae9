/** Several frames of one socket in one send of the kernel. */
import type { WebSocket } from 'uWebSockets.js'

/** Handed over in here, so that a flush makes no closure for each connection. */
const corked: {
  socket: WebSocket<unknown> | undefined
  frames: readonly Uint8Array[]
  isBinary: boolean
} = { socket: undefined, frames: [], isBinary: false }

/** They must fit the engine's cork buffer: see `Outbox.portions`. */
export function sendTogether(
  socket: WebSocket<unknown>,
  frames: readonly Uint8Array[],
  isBinary: boolean,
): void {
  corked.socket = socket
  corked.frames = frames
  corked.isBinary = isBinary
  socket.cork(sendCorked)
  corked.socket = undefined
}

function sendCorked(): void {
  const { socket, frames, isBinary } = corked
  if (socket === undefined) return
  for (const frame of frames) socket.send(frame, isBinary)
}
