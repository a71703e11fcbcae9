/** Time as the client sees it. Injected, so that tests turn it by hand. */

export interface Clock {
  /** ms since 1970. */
  now(): number
  /** Runs once after `delayMs`. Returns what cancels it. */
  after(delayMs: number, run: () => void): () => void
}
