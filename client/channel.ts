/** A holder of a channel: what an application listens to, or reads in a loop. */
import { Emitter } from './emitter.js'
import { onAbort } from './on-abort.js'
import { PublicationBuffer, type ReadOptions } from './publication-buffer.js'
import type { TidegateError } from './tidegate-error.js'
import type {
  EndedEvent,
  GapEvent,
  ProblemEvent,
  Publication,
  SubscribedEvent,
} from './transport.js'

/** A publication whose payload is known to be of a shape: nobody checks it. */
export type TypedPublication<Data> = Omit<Publication, 'data'> & { readonly data: Data }

/** A publication has come. */
export interface PublicationEvent<Data> {
  readonly type: 'publication'
  readonly publication: TypedPublication<Data>
}

/** What a channel says: a closed union, by `type`. */
export type ChannelEvent<Data = unknown> =
  | PublicationEvent<Data>
  | SubscribedEvent
  /** Something is lost: what, if that is known, and why. */
  | GapEvent
  | EndedEvent
  /** It was refused; `code` says whether that can pass (PROTOCOL 9). */
  | ProblemEvent

/** Who hands out channels. */
export interface ChannelOwner {
  released(channel: Channel): void
  /** It wants a pause, or to go on. */
  paced(): void
}

/**
 * A channel that is held. Many may hold the same one: they share one subscription, and each hears
 * what comes from when it was taken.
 */
export class Channel<Data = unknown> implements AsyncIterable<TypedPublication<Data>> {
  /** As it was taken: a channel's name, or a pattern. */
  readonly name: string
  readonly #emitter = new Emitter<ChannelEvent<Data>>()
  readonly #readers = new Set<PublicationBuffer<TypedPublication<Data>>>()
  readonly #owner: ChannelOwner
  readonly #forgetSignal: () => void
  #isClosed = false
  /** A loop was left before it had read all that had come. */
  #isLeftUnread = false
  /** Undefined: more may come. */
  #end: { readonly error: TidegateError | undefined } | undefined

  /** @internal Use `Tidegate.channel`. */
  constructor(name: string, owner: ChannelOwner, signal: AbortSignal | undefined) {
    this.name = name
    this.#owner = owner
    this.#forgetSignal = onAbort(signal, () => this.close())
  }

  /** Whether this holder has let go; others may still hold the channel. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** @internal A loop of it wants nothing more for now. */
  get isPaused(): boolean {
    return [...this.#readers].some((reader) => reader.isPaused)
  }

  /** @internal Its loops have had all that has come. */
  get isRead(): boolean {
    return !this.#isLeftUnread && [...this.#readers].every((reader) => reader.isRead)
  }

  /** Returns what takes the listener away. It does not end the subscription: `close()` does. */
  on<Type extends ChannelEvent['type']>(
    type: Type,
    listener: (event: Extract<ChannelEvent<Data>, { readonly type: Type }>) => void,
  ): () => void {
    return this.#emitter.on(type, listener)
  }

  /**
   * A loop over what comes from its first step on, in order. It ends with the channel, with
   * `close()`, and by leaving it; it throws a `TidegateError` if the client is closed for good.
   * That a channel is refused is told by its event `problem`: the loop waits on.
   */
  async *read(options: ReadOptions = {}): AsyncGenerator<TypedPublication<Data>, undefined> {
    const reader = new PublicationBuffer<TypedPublication<Data>>(options, {
      dropped: (publication) => this.#emitter.emit(gapOver(this.name, publication)),
      paced: () => this.#owner.paced(),
    })
    this.#readers.add(reader)
    if (this.#end !== undefined) reader.end(this.#end.error)
    const forgetSignal = onAbort(options.signal, () => reader.leave())
    try {
      return yield* reader.read()
    } finally {
      this.#isLeftUnread ||= !reader.isEmpty
      this.#readers.delete(reader)
      forgetSignal()
      if (reader.isPaused) this.#owner.paced()
    }
  }

  /** As `read()` does. */
  [Symbol.asyncIterator](): AsyncGenerator<TypedPublication<Data>, undefined> {
    return this.read()
  }

  /** The last holder of a channel that closes ends its subscription. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    // Not there yet, if the signal had aborted before.
    this.#forgetSignal?.()
    this.#owner.released(this as Channel)
    this.finish()
  }

  /** `using`: as `close()`, where the runtime knows it. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  hear(event: ChannelEvent<Data>): void {
    if (this.#isClosed) return
    this.#emitter.emit(event)
    if (event.type === 'publication') {
      // Whoever publishes after the end takes it back (PROTOCOL 4.21).
      this.#end = undefined
      for (const reader of this.#readers) reader.push(event.publication)
    } else if (event.type === 'ended') this.finish()
  }

  /** @internal No more comes, and why if that is an error. */
  finish(error?: TidegateError): void {
    this.#end ??= { error }
    for (const reader of this.#readers) reader.end(error)
  }
}

function gapOver(channel: string, { offset, previous = 0 }: Publication): GapEvent {
  const bounds = offset === undefined ? {} : { after: previous, before: offset + 1 }
  return { type: 'gap', channel, reason: 'slow_consumer', ...bounds }
}
