/** Removes chosen messages from what a nats-server sends, and lets every other byte through. */

const lineEnd = Buffer.from('\r\n')
const nothing = Buffer.alloc(0)

/** `subject` is that of the message, `bytes` its headers and payload. */
export type DropsMessage = (subject: string, bytes: Buffer) => boolean

/** One connection's stream from server to client (NATS client protocol: INFO, MSG, HMSG, …). */
export class MessageFilter {
  readonly #drops: DropsMessage
  #rest: Buffer = nothing

  constructor(drops: DropsMessage) {
    this.#drops = drops
  }

  /** What of it goes on. A message that is not complete is held until it is. */
  push(segment: Buffer): Buffer {
    const bytes = Buffer.concat([this.#rest, segment])
    const kept: Buffer[] = []
    let at = 0
    for (;;) {
      const end = bytes.indexOf(lineEnd, at)
      if (end === -1) break
      const parts = bytes.toString('latin1', at, end).split(' ')
      const isMessage = parts[0] === 'MSG' || parts[0] === 'HMSG'
      const next = end + 2 + (isMessage ? Number(parts.at(-1)) + 2 : 0)
      if (next > bytes.length) break
      const isDropped =
        isMessage && this.#drops(parts[1] as string, bytes.subarray(end + 2, next - 2))
      if (!isDropped) kept.push(bytes.subarray(at, next))
      at = next
    }
    this.#rest = bytes.subarray(at)
    return Buffer.concat(kept)
  }
}
