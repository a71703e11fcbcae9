/** Which transport is used: the first in order that is not in somebody's way. */
import type { Clock } from './clock.js'
import type { Transport } from './transport.js'

/** One failure is chance, and two are in a storm: a node that dies, one that refuses some. */
const failuresMax = 3
/** Of one that has been welcomed here: it works, if not now. */
const failuresOfProvenMax = 6
const passOverMs = 600_000

export class TransportChoice {
  readonly #transports: readonly Transport[]
  readonly #clock: Clock
  readonly #failures = new Map<Transport, number>()
  readonly #proven = new Set<Transport>()
  /** Until when it is passed over. */
  readonly #passedOver = new Map<Transport, number>()

  /** @param transports at least one */
  constructor(transports: readonly Transport[], clock: Clock) {
    this.#transports = transports
    this.#clock = clock
  }

  current(): Transport {
    const now = this.#clock.now()
    const usable = this.#transports.find((each) => (this.#passedOver.get(each) ?? 0) <= now)
    return usable ?? (this.#transports.at(-1) as Transport)
  }

  /** Whether there is another one to go to. */
  canPassOver(transport: Transport): boolean {
    return transport !== this.#transports.at(-1)
  }

  works(transport: Transport): void {
    this.#proven.add(transport)
    this.#failures.delete(transport)
    this.#passedOver.delete(transport)
  }

  /** The gateway is away or busy: what failed before was its fault, too. */
  excuse(transport: Transport): void {
    this.#failures.delete(transport)
  }

  /**
   * It was not welcomed, although the gateway answers by HTTP. What opens and stays silent is held
   * back, rather than refused by chance: that counts twice.
   */
  failed(transport: Transport, isSilent: boolean): void {
    const failures = (this.#failures.get(transport) ?? 0) + (isSilent ? 2 : 1)
    const max = this.#proven.has(transport) ? failuresOfProvenMax : failuresMax
    this.#failures.set(transport, failures)
    if (failures < max) return
    // When it is tried again, one failure more is enough.
    this.#failures.set(transport, max - 1)
    this.#passedOver.set(transport, this.#clock.now() + passOverMs)
  }
}
