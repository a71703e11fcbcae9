/** What one node remembers of ephemeral names, for those who come back soon. */
import { covers } from '../../shared/pattern.js'
import type { GapReason } from '../../shared/codes.js'
import type { PublicationFrame } from '../../shared/frames.js'
import type { Clock } from '../clock.js'
import {
  isPosition,
  type ModelPlace,
  type Reading,
  type RingPlace,
  type Said,
  type Source,
} from './model-reading.js'

interface Ring {
  readonly items: { readonly arrival: number; readonly frame: PublicationFrame }[]
  /** Everything that arrived after this is there. */
  since: number
  reason: GapReason
  usedAt: number
}

const itemsMax = 3
const lingerMs = 30_000

export class ModelRings implements Source {
  readonly #clock: Clock
  readonly #node: string
  readonly #isUsed: (name: string) => boolean
  #arrival = 0
  readonly #rings = new Map<string, Ring>()

  /** @param isUsed somebody is there, so it is kept */
  constructor(clock: Clock, node: string, isUsed: (name: string) => boolean) {
    this.#clock = clock
    this.#node = node
    this.#isUsed = isUsed
  }

  publish(frame: PublicationFrame): void {
    this.#arrival += 1
    for (const [name, ring] of this.#rings) {
      if (!covers(name, frame.channel)) continue
      const pattern = name === frame.channel ? {} : { pattern: name }
      ring.items.push({ arrival: this.#arrival, frame: { ...frame, ...pattern } })
      if (ring.items.length <= itemsMax) continue
      ring.since = ring.items.shift()?.arrival ?? ring.since
      ring.reason = 'cursor_expired'
    }
  }

  /** The node had lost its broker, and is back. */
  interrupt(): void {
    this.#arrival += 1
    for (const ring of this.#rings.values()) {
      ring.items.length = 0
      ring.since = this.#arrival
      ring.reason = 'broker_disconnected'
    }
  }

  live(name: string): RingPlace {
    this.#ring(name)
    return { node: this.#node, arrival: this.#arrival }
  }

  read(name: string, from: ModelPlace): Reading {
    const ring = this.#ring(name)
    const at = this.live(name)
    const isOurs = !isPosition(from) && from.node === this.#node
    const arrival = isOurs ? from.arrival : this.#arrival
    const isRecovered = isOurs && arrival >= ring.since
    const said: Said[] = []
    if (!isRecovered) {
      const reason = isOurs ? ring.reason : 'other_node'
      const place = { node: this.#node, arrival: Math.max(arrival, ring.since) }
      said.push({ frame: { type: 'gap', channel: name, reason }, at: place })
    }
    for (const item of ring.items) {
      if (item.arrival <= arrival) continue
      said.push({ frame: item.frame, at: { node: this.#node, arrival: item.arrival } })
    }
    return { said, isRecovered, at }
  }

  #ring(name: string): Ring {
    const now = this.#clock.now()
    let ring = this.#rings.get(name)
    if (ring !== undefined && now - ring.usedAt > lingerMs && !this.#isUsed(name)) ring = undefined
    ring ??= { items: [], since: this.#arrival, reason: 'cursor_expired', usedAt: now }
    ring.usedAt = now
    this.#rings.set(name, ring)
    return ring
  }
}
