/** When waiting is of no use any more: the network is back, or somebody looks at the page again. */

/** Where there are no such events, in Node, it never runs. Returns what stops it. */
export function onWakeUp(run: () => void): () => void {
  const seen = (): void => {
    if (globalThis.document?.visibilityState !== 'hidden') run()
  }
  const places = [
    [globalThis, 'online'],
    [globalThis.document, 'visibilitychange'],
  ] as const
  for (const [place, type] of places) place?.addEventListener?.(type, seen)
  return () => {
    for (const [place, type] of places) place?.removeEventListener?.(type, seen)
  }
}
