/** Heartbeat frames, encoded once for all who have the same to hear (PROTOCOL 10.7). */
import type { Subscription } from '../hub/subscription.js'
import type { VerifiedOffset } from '../shared/frames.js'
import type { WireFormat } from './wire-format.js'

/** What they need of the hub's durable namespaces. */
export interface VerifiedOffsets {
  /** Rises whenever a verified offset or an epoch changes. */
  readonly verifiedVersion: number
  get(namespace: string): NamespaceOffset | undefined
}

export interface NamespaceOffset {
  readonly name: string
  /** Undefined: the history has not been seen yet. */
  readonly epoch: string | undefined
  readonly verified: number
}

/** Sets of namespaces that have a frame; beyond it all are encoded anew. */
const setsMax = 1_000

export class Heartbeats {
  readonly #offsets: VerifiedOffsets
  readonly #frames = new Map<WireFormat, Map<string, Uint8Array>>()
  #version = -1

  constructor(offsets: VerifiedOffsets) {
    this.#offsets = offsets
  }

  get version(): number {
    return this.#offsets.verifiedVersion
  }

  /** How far everything of these subscriptions has been delivered; they are of one connection. */
  frame(format: WireFormat, subscriptions: readonly Subscription[]): Uint8Array {
    const names = upToDate(subscriptions)
    if (names.length === 0) return format.heartbeat
    if (this.#version !== this.version) this.#frames.clear()
    this.#version = this.version
    let frames = this.#frames.get(format)
    if (frames === undefined || frames.size >= setsMax) {
      frames = new Map()
      this.#frames.set(format, frames)
    }
    const key = names.sort().join()
    let frame = frames.get(key)
    if (frame === undefined) {
      frame = this.#encode(format, names)
      frames.set(key, frame)
    }
    return frame
  }

  #encode(format: WireFormat, names: readonly string[]): Uint8Array {
    const offsets = names.flatMap((name): [string, VerifiedOffset][] => {
      const { epoch, verified = 0 } = this.#offsets.get(name) ?? {}
      return epoch === undefined ? [] : [[name, { epoch, offset: verified }]]
    })
    if (offsets.length === 0) return format.heartbeat
    return format.encode({ type: 'heartbeat', verified: Object.fromEntries(offsets) })
  }
}

/** Durable namespaces in which no subscription is still being given what it missed. */
function upToDate(subscriptions: readonly Subscription[]): string[] {
  const live: string[] = []
  const late: string[] = []
  for (const { interest, catchUp } of subscriptions) {
    if (interest.namespace === undefined) continue
    const names = catchUp === undefined ? live : late
    const { name } = interest.namespace
    if (!names.includes(name)) names.push(name)
  }
  return late.length === 0 ? live : live.filter((name) => !late.includes(name))
}
