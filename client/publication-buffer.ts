/** Publications that wait for a reader who takes one after another: bounded, the oldest goes. */
import type { TidegateError } from './tidegate-error.js'

interface Waiting<Item> {
  readonly resolve: (result: IteratorResult<Item, undefined>) => void
  readonly reject: (error: TidegateError) => void
}

const done = { done: true, value: undefined } as const

export class PublicationBuffer<Item> implements AsyncIterator<Item, undefined> {
  readonly #max: number
  readonly #onDropped: (item: Item) => void
  readonly #onReturn: () => void
  #items: Item[] = []
  readonly #readers: Waiting<Item>[] = []
  /** Undefined: more may come. */
  #end: { readonly error?: TidegateError } | undefined

  /** `onReturn` runs when the reader leaves the loop before its end. */
  constructor(max: number, onDropped: (item: Item) => void, onReturn: () => void) {
    this.#max = max
    this.#onDropped = onDropped
    this.#onReturn = onReturn
  }

  push(item: Item): void {
    if (this.#end !== undefined) return
    const reader = this.#readers.shift()
    if (reader !== undefined) return reader.resolve({ done: false, value: item })
    this.#items.push(item)
    if (this.#items.length > this.#max) this.#onDropped(this.#items.shift() as Item)
  }

  /** What waits is still read; with an error, it comes after that. */
  end(error?: TidegateError): void {
    if (this.#end !== undefined) return
    this.#end = error === undefined ? {} : { error }
    for (const reader of this.#readers.splice(0)) this.#finish(reader)
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    const value = this.#items.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    return new Promise((resolve, reject) => {
      const reader = { resolve, reject }
      if (this.#end === undefined) this.#readers.push(reader)
      else this.#finish(reader)
    })
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    this.#items = []
    this.end()
    this.#onReturn()
    return Promise.resolve(done)
  }

  /** An error is told once. */
  #finish({ resolve, reject }: Waiting<Item>): void {
    const error = this.#end?.error
    this.#end = {}
    if (error === undefined) resolve(done)
    else reject(error)
  }
}
