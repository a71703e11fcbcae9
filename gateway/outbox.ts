/** What waits for the end of the tick: an immutable list, shared by who waits for the same. */

/** Under one cork, of which the engine's buffer holds 16 KB. */
const portionFramesMax = 16
const portionBytesMax = 16_384

/**
 * A publication to 5,000 subscribers makes one list, not 5,000 arrays: appending the frame that the
 * last one appended leads to the same list. Nothing is allocated per delivery, and what a flush
 * touches per connection is little more than its socket.
 */
export class Outbox {
  static readonly empty: Outbox = new Outbox(undefined, new Uint8Array())

  readonly bytes: number
  readonly #before: Outbox | undefined
  readonly #frame: Uint8Array
  #next: Outbox | undefined = undefined
  #portions: readonly (readonly Uint8Array[])[] | undefined = undefined

  private constructor(before: Outbox | undefined, frame: Uint8Array) {
    this.bytes = (before?.bytes ?? 0) + frame.length
    this.#before = before
    this.#frame = frame
  }

  append(frame: Uint8Array): Outbox {
    if (this.#next === undefined || this.#next.#frame !== frame) {
      this.#next = new Outbox(this, frame)
    }
    return this.#next
  }

  /** The frames in their order, cut where a cork is full. */
  get portions(): readonly (readonly Uint8Array[])[] {
    this.#portions ??= cut(this.frames)
    return this.#portions
  }

  /** The lists of a tick are garbage once it has been flushed; the empty one would hold them. */
  static forget(): void {
    Outbox.empty.#next = undefined
  }

  get frames(): readonly Uint8Array[] {
    const frames: Uint8Array[] = []
    for (let at: Outbox = this; at.#before !== undefined; at = at.#before) frames.push(at.#frame)
    return frames.reverse()
  }
}

function cut(frames: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] {
  const portions: Uint8Array[][] = []
  let portion: Uint8Array[] = []
  let bytes = 0
  for (const frame of frames) {
    const isFull = portion.length === portionFramesMax || bytes + frame.length > portionBytesMax
    if (isFull && portion.length > 0) {
      portions.push(portion)
      portion = []
      bytes = 0
    }
    portion.push(frame)
    bytes += frame.length
  }
  portions.push(portion)
  return portions
}
