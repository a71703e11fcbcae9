/** Pages read for many: so many at a time, each in its turn, so that none waits for a long one. */

export class RecoveryReads<Reader> {
  readonly #parallelMax: number
  readonly #readPage: (reader: Reader) => Promise<void>
  /** In the order of their turns. */
  readonly #waiting = new Set<Reader>()
  #active = 0

  /** @param readPage never rejects; adds its reader again if that wants another page */
  constructor(parallelMax: number, readPage: (reader: Reader) => Promise<void>) {
    this.#parallelMax = parallelMax
    this.#readPage = readPage
  }

  has(reader: Reader): boolean {
    return this.#waiting.has(reader)
  }

  /** One that waits already keeps its turn. */
  add(reader: Reader): void {
    this.#waiting.add(reader)
    this.#next()
  }

  delete(reader: Reader): void {
    this.#waiting.delete(reader)
  }

  #next(): void {
    for (const reader of this.#waiting) {
      if (this.#active >= this.#parallelMax) return
      this.#waiting.delete(reader)
      this.#active += 1
      void this.#run(reader)
    }
  }

  async #run(reader: Reader): Promise<void> {
    await this.#readPage(reader)
    this.#active -= 1
    this.#next()
  }
}
