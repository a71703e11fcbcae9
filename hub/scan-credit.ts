/** How many bytes a scan lets the server send ahead: what one turn of the loop then has to take. */

/** Of one pull; two of them are under way. */
const pullBytes = 131_072
/** A publication that is larger than a pull needs a larger one. */
const pullBytesMax = 134_217_728

export class ScanCredit {
  #pullBytes = pullBytes
  /** What the server may still send. */
  #ahead = 0

  /** The bytes of a pull that is due; undefined: none is. */
  grant(): number | undefined {
    if (this.#ahead > this.#pullBytes) return undefined
    this.#ahead += this.#pullBytes
    return this.#pullBytes
  }

  received(bytes: number): void {
    this.#ahead -= bytes
  }

  /** The next publication did not fit into the rest of a pull. */
  refused(rest: number): void {
    this.#ahead -= rest
    // Nor into all of it.
    if (rest >= this.#pullBytes) this.#pullBytes = Math.min(2 * this.#pullBytes, pullBytesMax)
  }

  /** Nothing comes: whatever was granted is gone. */
  reset(): void {
    this.#ahead = 0
  }
}
