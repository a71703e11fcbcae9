/** A history in memory that a test can lose, rewind, empty and take away. */
import type { MemoryStream } from '../memory-stream.js'
import { MemoryHistory } from '../memory-history.js'

export class SwitchHistory extends MemoryHistory {
  #isAvailable = true

  get isAvailable(): boolean {
    return this.#isAvailable
  }

  /** Of all namespaces, with what is told of it. */
  switchTo(isAvailable: boolean): void {
    this.#isAvailable = isAvailable
    for (const namespace of this.namespaces) {
      if (isAvailable) this.emit({ type: 'available', namespace })
      else this.emit({ type: 'unavailable', namespace, reason: 'switched off' })
    }
  }

  /** As a stream that was deleted and made anew. */
  wipe(namespace: string): void {
    this.#stream(namespace).wipe()
    this.emit({ type: 'changed', namespace })
  }

  /** As a stream that was restored from a backup: what came after `last` never was. */
  rewind(namespace: string, last: number): void {
    this.#stream(namespace).rewind(last)
    this.emit({ type: 'changed', namespace })
  }

  purge(namespace: string): void {
    this.#stream(namespace).purge()
  }

  delete(namespace: string, offset: number): void {
    this.#stream(namespace).delete(offset)
  }

  protected override streamOf(namespace: string): MemoryStream | undefined {
    return this.#isAvailable ? super.streamOf(namespace) : undefined
  }

  #stream(namespace: string): MemoryStream {
    const stream = super.streamOf(namespace)
    if (stream === undefined) throw new Error(`${namespace} has no history`)
    return stream
  }
}
