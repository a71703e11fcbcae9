/** A message from NATS as the hub sees it: headers are looked up in its bytes, the last counts. */
import type { Msg } from '@nats-io/transport-node'
import type { BrokerMessage } from './broker.js'

/** Searched for as bytes; the names that the hub asks for are few. */
const needles = new Map<string, Buffer>()
const valueBytesMax = 4_096
const statusStart = 'NATS/1.0 '.length

export class NatsMessage implements BrokerMessage {
  readonly payload: Uint8Array
  readonly #message: Msg
  /** Undefined: no headers, or not looked for yet. */
  #block: Buffer | undefined = undefined

  constructor(message: Msg) {
    this.#message = message
    this.payload = message.data
  }

  get subject(): string {
    return this.#message.subject
  }

  /** Where an answer is wanted; empty: nowhere. */
  get reply(): string {
    return this.#message.reply ?? ''
  }

  /** As a pull of JetStream counts them. */
  get bytes(): number {
    return this.subject.length + this.reply.length + rawOf(this.#message)._rdata.length
  }

  /** What NATS answers instead of a message. A publisher may try to forge one. */
  get status(): number | undefined {
    this.#block ??= headerBlock(this.#message)
    if (this.#block === undefined) return undefined
    const code = Number(this.#block.toString('latin1', statusStart, statusStart + 3))
    return Number.isInteger(code) && code >= 100 ? code : undefined
  }

  header(name: string): string | undefined {
    this.#block ??= headerBlock(this.#message)
    return this.#block === undefined ? undefined : lastValue(this.#block, name)
  }
}

interface RawMessage {
  /** Headers and payload. */
  readonly _rdata: Uint8Array
  readonly _msg: { readonly hdr: number }
}

/**
 * nats.js decodes all headers at once, in quadratic time: a megabyte of them would hold the process
 * for minutes. So its private fields are read here; a test fails if a release moves them.
 */
function rawOf(message: Msg): RawMessage {
  return message as unknown as RawMessage
}

function headerBlock(message: Msg): Buffer | undefined {
  const { _rdata: bytes, _msg: args } = rawOf(message)
  if (args.hdr <= 0) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset, args.hdr)
}

function lastValue(block: Buffer, name: string): string | undefined {
  let needle = needles.get(name)
  if (needle === undefined) needles.set(name, (needle = Buffer.from(`\r\n${name}:`)))
  const at = block.lastIndexOf(needle)
  if (at === -1) return undefined
  const start = at + needle.length
  const end = block.indexOf('\r\n', start)
  if (end - start > valueBytesMax) return undefined
  return block.toString('utf8', start, end === -1 ? block.length : end).trim()
}
