/** What all connections of the node hold back together: bytes that the kernel has not taken. */

export class OutboxBudget {
  bytes = 0
  readonly connectionBytesMax: number
  readonly #nodeBytesMax: number

  constructor(connectionBytesMax: number, nodeBytesMax: number) {
    this.connectionBytesMax = connectionBytesMax
    this.#nodeBytesMax = nodeBytesMax
  }

  /** A connection holds `held` bytes now, and held `before`. Returns `held`, to be remembered. */
  adjust(before: number, held: number): number {
    this.bytes += held - before
    return held
  }

  /** The high-water mark of a connection: over it, it is behind. Zero when the node is full. */
  get highBytes(): number {
    return this.bytes > this.#nodeBytesMax ? 0 : this.connectionBytesMax
  }

  /** A history is given in portions: up to here another one may begin. */
  get portionBytes(): number {
    return this.connectionBytesMax / 2
  }

  /** At or under it, a connection that was behind is live again. */
  get lowBytes(): number {
    return this.connectionBytesMax / 4
  }
}
