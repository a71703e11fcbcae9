/** Holds up whoever passes, from when a test closes it until it opens it again. */
export class Gate {
  #isOpen = true
  #waiting: (() => void)[] = []

  /** Whether somebody waits: a test may go on. */
  get isWaitedFor(): boolean {
    return this.#waiting.length > 0
  }

  close(): void {
    this.#isOpen = false
  }

  open(): void {
    this.#isOpen = true
    for (const resume of this.#waiting.splice(0)) resume()
  }

  async pass(): Promise<void> {
    if (!this.#isOpen) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
