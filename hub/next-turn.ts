/** Resolves when sockets have been read and written meanwhile; a timer of 0 ms may come before. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
