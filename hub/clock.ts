/** Time as the hub and the gateway see it. Injected, so that tests turn it by hand. */

export interface Clock {
  /** ms since 1970. */
  now(): number
  /**
   * Runs once after `delayMs`; 0: in the next turn, when sockets have had theirs. Returns what
   * cancels it. Never keeps the process alive.
   */
  after(delayMs: number, run: () => void): () => void
}
