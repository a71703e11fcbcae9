/** Keeps what a client has got, so that a page that is opened again goes on from there. */
import type { Place, Progress } from './progress.js'

/** Where positions are kept: the application's own storage. */
export interface PositionStore {
  /** What was saved last; undefined: nothing. What cannot be read counts as nothing. */
  load(): string | undefined | Promise<string | undefined>
  /** At most once a second, and when a page is left. What it throws is not heard. */
  save(text: string): void
}

/** For a page that changes its `Tidegate`, and for tests. */
export function memoryPositions(text?: string): Positions {
  return new Positions({ load: () => text, save: (newer) => void (text = newer) })
}

/**
 * In a browser's `localStorage`, under a key of its own for each user and each page that is open at
 * a time. Where the storage is full or forbidden, nothing is kept.
 */
export function localPositions(key: string): Positions {
  return new Positions({
    load: () => localStorage.getItem(key) ?? undefined,
    save: (text) => localStorage.setItem(key, text),
  })
}

/** Positions by channel, in a store. */
export class Positions {
  readonly #store: PositionStore
  readonly #places = new Map<string, Place>()
  /** Of names that were loaded and not taken yet. */
  readonly #loaded = new Set<string>()
  #text = ''

  constructor(store: PositionStore) {
    this.#store = store
  }

  /** @internal */
  async load(): Promise<void> {
    try {
      const places: unknown = JSON.parse((await this.#store.load()) ?? '{}')
      for (const [name, place] of Object.entries(places as Record<string, Place>)) {
        this.#places.set(name, place)
        this.#loaded.add(name)
      }
    } catch {
      // The application's storage: whatever is wrong with it, to begin anew is right.
    }
  }

  /** @internal Where a channel goes on when it is wanted for the first time. */
  resume(name: string, progress: Progress): void {
    const place = this.#places.get(name)
    if (this.#loaded.delete(name) && place !== undefined) progress.resume(name, place)
  }

  /** @internal `isRead`: whether the application has had everything that has come of it. */
  save(names: Iterable<string>, progress: Progress, isRead: (name: string) => boolean): void {
    const held = new Set(names)
    for (const name of this.#places.keys()) {
      // What was loaded and is not wanted yet may be wanted later.
      if (!held.has(name) && !this.#loaded.has(name)) this.#places.delete(name)
    }
    for (const name of held) {
      const place = progress.place(name)
      if (place !== undefined && isRead(name)) this.#places.set(name, place)
    }
    const text = JSON.stringify(Object.fromEntries(this.#places))
    if (text === this.#text) return
    this.#text = text
    try {
      this.#store.save(text)
    } catch {
      // Full or forbidden.
    }
  }
}
