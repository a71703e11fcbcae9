/** Connections with something to send, flushed once per tick of the event loop. */
import { passOn, type OnInternalError } from './internal-error.js'

export interface Flushable {
  /** Sends what waits. Where frames are counted it may run inside a fan-out: see `countFrame`. */
  flush(): void
}

export interface FlushObserver {
  /**
   * How long the first of a batch had waited when its flush began, in ms; `isRest` for each further
   * slice of the batch.
   */
  (delayMs: number, isRest: boolean): void
}

/** Observes only batches before which the count has risen: that of what they are to carry. */
export function whenRisen(count: () => number, observe: (delayMs: number) => void): FlushObserver {
  let seen = count()
  let hasRisen = false
  return (delayMs, isRest) => {
    const now = count()
    hasRisen = now !== seen || (isRest && hasRisen)
    seen = now
    if (hasRisen) observe(delayMs)
  }
}

/** Flushed in one go; then other events get their turn, so that 15,000 answers block nobody. */
const sliceMax = 2000
/** Frames that may wait for the end of the tick; over it they leave at once. */
const framesMax = 50_000

export class FlushQueue {
  #items: Flushable[] = []
  #frames = 0
  #since = 0
  #isRest = false
  readonly #observe: FlushObserver
  readonly #onFlushed: () => void
  readonly #onInternalError: OnInternalError
  readonly #run: () => void

  /**
   * `onFlushed` runs after each batch. An exception of one item is told to `onInternalError`, and
   * keeps no other from its flush; by default it is passed on.
   */
  constructor(
    observe: FlushObserver = () => {},
    onFlushed: () => void = () => {},
    onInternalError: OnInternalError = passOn,
  ) {
    this.#observe = observe
    this.#onFlushed = onFlushed
    this.#onInternalError = onInternalError
    this.#run = () => this.#flushSlice()
  }

  /** Once for each connection that had nothing waiting before. */
  add(item: Flushable): void {
    if (this.#items.push(item) === 1) {
      this.#since = performance.now()
      setImmediate(this.#run)
    }
  }

  /**
   * For each frame. A burst from the broker must not pile up a frame for every subscriber: over the
   * bound they leave at once, within the fan-out, where a flush must not close or unsubscribe.
   */
  countFrame(): void {
    this.#frames += 1
    if (this.#frames >= framesMax) this.#flush(this.#items.splice(0))
  }

  /** Everything now: before the process leaves. */
  flushAll(): void {
    while (this.#items.length > 0) this.#flush(this.#items.splice(0))
  }

  #flushSlice(): void {
    if (this.#items.length === 0) return
    this.#observe(performance.now() - this.#since, this.#isRest)
    const items = this.#items
    this.#items = items.length > sliceMax ? items.splice(sliceMax) : []
    this.#isRest = this.#items.length > 0
    if (this.#isRest) setImmediate(this.#run)
    this.#flush(items)
  }

  #flush(items: readonly Flushable[]): void {
    this.#frames = 0
    for (const item of items) {
      try {
        item.flush()
      } catch (error) {
        this.#onInternalError(error)
      }
    }
    this.#onFlushed()
  }
}
