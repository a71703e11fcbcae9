/** Bytes that all recoveries of a node hold at a time: what was read and not given yet. */
export class RecoveryBudget {
  bytes = 0
  readonly #bytesMax: number

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** False: there is no room. */
  take(bytes: number): boolean {
    if (this.bytes + bytes > this.#bytesMax) return false
    this.bytes += bytes
    return true
  }

  give(bytes: number): void {
    this.bytes -= bytes
  }
}
