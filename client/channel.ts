/** A holder of a channel: what an application listens to, or reads in a loop. */
import { Emitter } from './emitter.js'
import { onAbort } from './on-abort.js'
import { PublicationBuffer } from './publication-buffer.js'
import type { TidegateError } from './tidegate-error.js'
import type {
  GapEvent,
  ProblemEvent,
  Publication,
  RecoveredEvent,
  SubscribedEvent,
} from './transport.js'

/** A publication whose payload is known to be of a shape: nobody checks it. */
export type TypedPublication<Data> = Omit<Publication, 'data'> & { readonly data: Data }

/** What a channel says: a closed union, by `type`. */
export type ChannelEvent<Data = unknown> =
  | { readonly type: 'publication'; readonly publication: TypedPublication<Data> }
  | SubscribedEvent
  /** Something is lost: what, if that is known, and why. */
  | GapEvent
  /** A position was shown, and everything after it follows; if not, a gap says what is missing. */
  | RecoveredEvent
  /** No more publications will come. */
  | { readonly type: 'ended'; readonly channel: string }
  /** It was refused; `code` says whether that can pass (PROTOCOL 9). */
  | ProblemEvent

/** How a loop over a channel reads. */
export interface ReadOptions {
  /**
   * Publications that wait for the reader, 1 or more; 256 by default. One more, and the oldest
   * goes: the channel hears a gap `slow_consumer` with its bounds; the loop goes on behind it.
   */
  readonly bufferMax?: number
  /** Ends the loop. */
  readonly signal?: AbortSignal
}

const bufferMaxDefault = 256

/**
 * A channel that is held. Many may hold the same one: they share one subscription, and each hears
 * what comes from when it was taken.
 */
export class Channel<Data = unknown> implements AsyncIterable<TypedPublication<Data>> {
  /** As it was taken: a channel's name, or a pattern. */
  readonly name: string
  readonly #emitter = new Emitter<ChannelEvent<Data>>()
  readonly #readers = new Set<PublicationBuffer<TypedPublication<Data>>>()
  readonly #onClose: (channel: Channel<Data>) => void
  readonly #forgetSignal: () => void
  #isClosed = false
  /** Undefined: more may come. */
  #end: { readonly error: TidegateError | undefined } | undefined

  /** @internal Use `Tidegate.channel`. */
  constructor(
    name: string,
    onClose: (channel: Channel<Data>) => void,
    signal: AbortSignal | undefined,
  ) {
    this.name = name
    this.#onClose = onClose
    this.#forgetSignal = onAbort(signal, () => this.close())
  }

  /** Whether this holder has let go; others may still hold the channel. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Returns what takes the listener away. It does not end the subscription: `close()` does. */
  on<Type extends ChannelEvent['type']>(
    type: Type,
    listener: (event: Extract<ChannelEvent<Data>, { readonly type: Type }>) => void,
  ): () => void {
    return this.#emitter.on(type, listener)
  }

  /**
   * A loop over what comes from now on, in order. It ends with the channel, with `close()`, and by
   * leaving it; it throws a `TidegateError` if the client is closed for good.
   */
  read({ bufferMax = bufferMaxDefault, signal }: ReadOptions = {}): AsyncIterable<
    TypedPublication<Data>
  > {
    return { [Symbol.asyncIterator]: () => this.#reader(bufferMax, signal) }
  }

  /** `read()` with its defaults: `for await (const publication of channel)`. */
  [Symbol.asyncIterator](): AsyncIterator<TypedPublication<Data>, undefined> {
    return this.#reader(bufferMaxDefault, undefined)
  }

  /** The last holder of a channel that closes ends its subscription. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#forgetSignal?.()
    this.#onClose(this)
    this.finish()
  }

  /** @internal For `Tidegate` only. */
  hear(event: ChannelEvent<Data>): void {
    if (this.#isClosed) return
    this.#emitter.emit(event)
    if (event.type === 'publication') {
      // Whoever publishes after the end takes it back (PROTOCOL 4.21).
      this.#end = undefined
      for (const reader of this.#readers) reader.push(event.publication)
    } else if (event.type === 'ended') this.finish()
  }

  /** @internal For `Tidegate` only: no more comes, and why if that is an error. */
  finish(error?: TidegateError): void {
    this.#end = { error }
    for (const reader of this.#readers) reader.end(error)
    this.#readers.clear()
  }

  #reader(
    bufferMax: number,
    signal: AbortSignal | undefined,
  ): AsyncIterator<TypedPublication<Data>, undefined> {
    let forgetSignal = (): void => undefined
    const reader = new PublicationBuffer<TypedPublication<Data>>(
      Math.max(1, bufferMax),
      (dropped) => this.#emitter.emit(gapOver(this.name, dropped)),
      () => {
        this.#readers.delete(reader)
        forgetSignal()
      },
    )
    if (this.#end === undefined) this.#readers.add(reader)
    else reader.end(this.#end.error)
    forgetSignal = onAbort(signal, () => void reader.return())
    return reader
  }
}

function gapOver(channel: string, { offset, previous = 0 }: Publication): GapEvent {
  const bounds = offset === undefined ? {} : { after: previous, before: offset + 1 }
  return { type: 'gap', channel, reason: 'slow_consumer', ...bounds }
}
