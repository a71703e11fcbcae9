/** Subscribers of one busy channel, who show what a storm does to those who were there before. */
import type { Fleet } from './fleet.js'
import type { GatewayProcess } from './gateway-process.js'
import { gatewayTarget } from './gateway-target.js'
import type { HistoryLab } from './history-lab.js'
import type { Target } from './target.js'
import { waitFor } from './wait.js'

export interface BystandersSize {
  readonly count: number
  readonly perSecond: number
}

const arrivalMs = 30_000
const burstTicks = 10

export class Bystanders {
  readonly #history: HistoryLab
  readonly #target: Target
  readonly #fleet: Fleet
  readonly #size: BystandersSize
  #published = 0

  private constructor(history: HistoryLab, target: Target, fleet: Fleet, size: BystandersSize) {
    this.#history = history
    this.#target = target
    this.#fleet = fleet
    this.#size = size
  }

  static async open(
    history: HistoryLab,
    gateway: GatewayProcess,
    channel: string,
    size: BystandersSize,
  ): Promise<Bystanders> {
    const target = gatewayTarget(gateway, channel, { isDurable: true })
    const fleet = history.startFleet(size.count)
    await fleet.open('websocket', target.endpoint('websocket'), size.count)
    return new Bystanders(history, target, fleet, size)
  }

  /** The delays of what is published meanwhile, in µs, sorted. */
  async during<T>(run: () => Promise<T>): Promise<[T, Uint32Array]> {
    let isOver = false
    await this.#fleet.record()
    const publishing = this.#publishUntil(() => isOver)
    try {
      const value = await run()
      const delays = await this.#fleet.delays()
      return [value, delays]
    } finally {
      isOver = true
      await publishing
    }
  }

  /** Every one must have got everything. */
  async end(): Promise<void> {
    const expected = this.#published * this.#size.count
    await waitFor(
      `${expected} deliveries to bystanders`,
      async () => (await this.#fleet.counts()).publications === expected,
      arrivalMs,
    )
    await this.#fleet.stop()
  }

  async #publishUntil(isOver: () => boolean): Promise<void> {
    const { subject, envelopeBytes } = this.#target
    const pace = {
      ...{ subject, envelopeBytes, perTick: 1, isStored: true },
      ...{ ticksPerSecond: this.#size.perSecond, ticks: burstTicks },
    }
    while (!isOver()) this.#published += await this.#history.publisher.publish(pace)
  }
}
