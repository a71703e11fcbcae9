/** Keeps what a client has got, so that a page that is opened again goes on from there. */
import type { Clock } from './clock.js'
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

/** @internal Whose positions are kept. */
export interface PositionedClient {
  readonly clock: Clock
  readonly progress: Progress
  /** Of the client's life. */
  readonly signal: AbortSignal
  /** What is held. */
  names(): Iterable<string>
  /** Whether the application has had everything that has come of it. */
  isRead(name: string): boolean
}

const saveEveryMs = 1_000

/** Positions by channel, in a store: for one client at a time. */
export class Positions {
  readonly #store: PositionStore
  readonly #places = new Map<string, Place>()
  /** Of names that were loaded and not taken yet. */
  readonly #loaded = new Set<string>()
  /** What the store has; undefined: nobody knows yet. */
  #text: string | undefined
  #client: PositionedClient | undefined
  #cancelSave: (() => void) | undefined

  constructor(store: PositionStore) {
    this.#store = store
  }

  /** @internal Loads what was saved; from now on it keeps what this client has got. */
  async attach(client: PositionedClient): Promise<void> {
    this.#client = client
    this.#text = undefined
    // A page that is left, or put away, may not come back to itself.
    const { signal } = client
    globalThis.addEventListener?.('pagehide', () => this.save(), { signal })
    let text: string | undefined
    try {
      text = await this.#store.load()
      const places: unknown = JSON.parse(text ?? '{}')
      for (const [name, place] of Object.entries(places as Record<string, Place | null>)) {
        if (typeof place !== 'string' && !place?.epoch) continue
        this.#places.set(name, place)
        this.#loaded.add(name)
      }
    } catch {
      // The application's storage: whatever is wrong with it, to begin anew is right.
    }
    this.#text = text ?? '{}'
  }

  /** @internal Where a channel goes on when it is wanted for the first time. */
  resume(name: string): void {
    const place = this.#places.get(name)
    if (this.#loaded.delete(name) && place !== undefined) this.#client?.progress.resume(name, place)
  }

  /** @internal Something has come. */
  saveSoon(): void {
    this.#cancelSave ??= this.#client?.clock.after(saveEveryMs, () => this.save())
  }

  /** @internal */
  save(): void {
    this.#cancelSave?.()
    this.#cancelSave = undefined
    if (this.#client === undefined || this.#text === undefined) return
    this.#collect(this.#client)
    const text = JSON.stringify(Object.fromEntries(this.#places))
    if (text === this.#text) return
    this.#text = text
    try {
      this.#store.save(text)
    } catch {
      // Full or forbidden.
    }
  }

  #collect({ progress, names, isRead, signal }: PositionedClient): void {
    for (const name of this.#places.keys()) {
      // It was left, or could not be read. What is not wanted yet may be wanted later.
      if (progress.place(name) === undefined && !this.#loaded.has(name)) this.#places.delete(name)
    }
    for (const name of names()) {
      const place = progress.place(name)
      if (place !== undefined && isRead(name)) this.#places.set(name, place)
      // Nothing more may come to tell that it has been read.
      else if (place !== undefined && !signal.aborted) this.saveSoon()
    }
  }
}
