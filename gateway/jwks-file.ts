/** A JWKS file, read again when it changes. */
import { readFile, stat } from 'node:fs/promises'
import type { Clock } from '../hub/clock.js'
import { JwksSource, type OnKeyEvent } from './jwks-source.js'
import { jwksBytesMax } from './jwks.js'
import type { KeySet } from './key-set.js'

/** fs.watch misses changes on network and container file systems: look instead. */
export const jwksFilePollMs = 5_000

export class JwksFile {
  readonly #path: string
  readonly #clock: Clock
  readonly #source: JwksSource
  /** What the file looked like when it was last good. */
  #stamp: string | undefined
  #cancel: () => void = () => undefined
  #isClosed = false

  constructor(path: string, keys: KeySet, clock: Clock, onEvent: OnKeyEvent) {
    this.#path = path
    this.#clock = clock
    this.#source = new JwksSource(path, keys, onEvent)
  }

  /** Reads the file, and from now on keeps looking. Resolves to why it cannot be used, if so. */
  async open(): Promise<string | undefined> {
    await this.#look()
    return this.#source.failure
  }

  close(): void {
    this.#isClosed = true
    this.#cancel()
  }

  async #look(): Promise<void> {
    try {
      const found = await stat(this.#path)
      if (found.size > jwksBytesMax) throw new Error(`it is longer than ${jwksBytesMax} bytes`)
      // Taken before reading: if the file changes meanwhile, the next look sees another stamp.
      const stamp = `${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}`
      if (stamp !== this.#stamp) {
        await this.#source.accept(await readFile(this.#path, 'utf8'))
        // A bad file is read at each look: it may be half written.
        this.#stamp = this.#source.failure === undefined ? stamp : undefined
      }
    } catch (cause) {
      this.#stamp = undefined
      this.#source.fail((cause as Error).message)
    }
    if (this.#isClosed) return
    this.#cancel = this.#clock.after(jwksFilePollMs, () => void this.#look())
  }
}
