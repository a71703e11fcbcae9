/** Listeners by type of event, each told in the order in which they came. */

export class Emitter<Events extends { readonly type: string }> {
  readonly #listeners = new Map<string, Set<(event: never) => void>>()

  /** Returns what takes the listener away. */
  on<Type extends Events['type']>(
    type: Type,
    listener: (event: Extract<Events, { readonly type: Type }>) => void,
  ): () => void {
    let listeners = this.#listeners.get(type)
    if (listeners === undefined) this.#listeners.set(type, (listeners = new Set()))
    // One for each call: the same function may listen twice, and leave once.
    const own = (event: never): void => listener(event)
    listeners.add(own)
    return () => void listeners.delete(own)
  }

  /** What a listener throws is the application's: it is thrown where nobody else is harmed. */
  emit(event: Events): void {
    for (const listener of [...(this.#listeners.get(event.type) ?? [])]) {
      try {
        listener(event as never)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
