/** Live publications that wait until what comes before them has been given to one subscription. */
import type { Publication } from './publication.js'

const countMax = 256
const bytesMax = 262_144

export class HeldPublications {
  /** Everything that came is here, from `after` on. False: what comes has to be read again. */
  isHolding = false
  /** -1: from whatever its chain will begin with. */
  after = -1
  #publications: Publication[] = []
  #bytes = 0

  get isEmpty(): boolean {
    return this.#publications.length === 0
  }

  hold(after: number): void {
    this.spill()
    this.isHolding = true
    this.after = after
  }

  /** More than there is room for: all of it is let go. */
  offer(publication: Publication): void {
    if (!this.isHolding) return
    this.#bytes += publication.payload.length
    if (this.#publications.length >= countMax || this.#bytes > bytesMax) return this.spill()
    this.#publications.push(publication)
  }

  spill(): void {
    this.isHolding = false
    this.#publications = []
    this.#bytes = 0
  }

  chainBegan(asOf: number): void {
    if (this.after === -1) this.after = asOf
  }

  /** What was read up to `asOf` need not wait here. */
  dropUpTo(asOf: number): void {
    this.#publications = this.#publications.filter(({ offset }) => offset > asOf)
  }

  /** Hands them over, and goes on holding. */
  take(): readonly Publication[] {
    const publications = this.#publications
    this.#publications = []
    this.#bytes = 0
    return publications
  }
}
