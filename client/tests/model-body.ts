/** The body of an HTTP answer of the model: text in pieces, which may break or fall silent. */
import type { ClusterState } from './model-node.js'
import { ModelLine } from './model-line.js'

export class ModelBody {
  readonly stream: ReadableStream<Uint8Array>
  readonly #line: ModelLine<string | undefined>
  #isOver = false
  #onOver: () => void
  #fail: (reason: unknown) => void = () => undefined

  /** @param onOver once, when nothing more comes or is wanted */
  constructor({ clock, chance }: ClusterState, onOver: () => void) {
    this.#onOver = onOver
    const encoder = new TextEncoder()
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined
    this.stream = new ReadableStream<Uint8Array>({
      start: (made) => void (controller = made),
      cancel: () => this.#finish(),
    })
    this.#fail = (reason) => {
      if (this.#isOver) return
      this.#finish()
      controller?.error(reason)
    }
    this.#line = new ModelLine<string | undefined>(
      clock,
      chance,
      (text) => {
        if (this.#isOver) return
        if (text !== undefined) return controller?.enqueue(encoder.encode(text))
        this.#finish()
        controller?.close()
      },
      (text) => {
        // It breaks in the middle.
        const half = text?.slice(0, text.length / 2)
        if (half && !this.#isOver) controller?.enqueue(encoder.encode(half))
        this.#fail(new TypeError('terminated'))
      },
    )
  }

  get isOver(): boolean {
    return this.#isOver
  }

  write(text: string): void {
    this.#line.send(text)
  }

  end(): void {
    this.#line.send(undefined)
  }

  /** The client has given it up, or the process has died. */
  abort(reason: unknown): void {
    this.#fail(reason)
  }

  #finish(): void {
    this.#isOver = true
    this.#line.close()
    this.#onOver()
  }
}
