/** A loop over publications, and what waits for it meanwhile: bounded. */
import type { TidegateError } from './tidegate-error.js'

/**
 * What happens when a loop's buffer is full and one more comes:
 * - `drop`: the oldest goes, and the channel hears a gap `slow_consumer` with its bounds
 * - `latest`: the oldest goes, and nothing is said of it; with a `bufferMax` of 1 the newest waits
 * - `pause`: the subscription pauses, for all holders of the name, until half of the buffer has
 *   been read, and goes on from where it was; on an ephemeral channel with a gap
 */
export type WhenFull = 'drop' | 'latest' | 'pause'

/** How a loop over a channel reads. */
export interface ReadOptions {
  /** Publications that wait for the reader, 1 or more; 256 by default. */
  readonly bufferMax?: number
  /** `drop` by default. */
  readonly whenFull?: WhenFull
  /** Ends the loop. */
  readonly signal?: AbortSignal
}

export interface BufferOwner<Item> {
  /** The oldest went, to make room. */
  dropped(item: Item): void
  /** `isPaused` has changed. */
  paced(): void
}

export class PublicationBuffer<Item> {
  readonly #max: number
  readonly #whenFull: WhenFull
  readonly #owner: BufferOwner<Item>
  #items: Item[] = []
  /** Who waits for one more. */
  #wake: (() => void) | undefined
  #isPaused = false
  /** Undefined: more may come. */
  #end: { readonly error: TidegateError | undefined } | undefined

  constructor({ bufferMax = 256, whenFull = 'drop' }: ReadOptions, owner: BufferOwner<Item>) {
    this.#max = Math.max(1, bufferMax)
    this.#whenFull = whenFull
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#items.length === 0
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Whoever comes back for more has dealt with what he took. */
  get isRead(): boolean {
    return this.#wake !== undefined
  }

  push(item: Item): void {
    if (this.#end !== undefined) return
    this.#items.push(item)
    if (this.#items.length > this.#max && this.#whenFull !== 'pause') {
      const oldest = this.#items.shift() as Item
      if (this.#whenFull === 'drop') this.#owner.dropped(oldest)
    }
    this.#pace()
    this.#goOn()
  }

  /** What waits is still read; with an error, it comes after that. */
  end(error?: TidegateError): void {
    this.#end ??= { error }
    this.#goOn()
  }

  /** Nothing more is read. */
  leave(): void {
    this.#items = []
    this.#pace()
    this.end()
  }

  async *read(): AsyncGenerator<Item, undefined> {
    for (;;) {
      while (this.#items.length > 0) {
        const item = this.#items.shift() as Item
        this.#pace()
        yield item
      }
      if (this.#end !== undefined) break
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    if (this.#end.error !== undefined) throw this.#end.error
    return undefined
  }

  #goOn(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  /** Not at every one that is read, nor for one that is awaited: to pause has its price. */
  #pace(): void {
    const count = this.#items.length
    const isFull = count >= this.#max && this.#wake === undefined
    const isPaused = this.#isPaused ? count > this.#max / 2 : isFull
    if (isPaused === this.#isPaused || this.#whenFull !== 'pause') return
    this.#isPaused = isPaused
    this.#owner.paced()
  }
}
