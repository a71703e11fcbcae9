/** A request that is held while it reads channels: what event streams and polls have in common. */
import type { HttpResponse } from 'uWebSockets.js'
import type { Subscription } from '../hub/subscription.js'
import type { CursorScope, CursorScopes } from './cursor-scope.js'
import type { DurableReading } from './durable-reading.js'
import type { EventsRequest } from './events-request.js'
import { guard } from './fault.js'
import type { Identity } from './identity.js'
import type { Node } from './node.js'
import { unsubscribeAll } from './reader.js'

export abstract class HeldRequest {
  protected readonly node: Node
  protected readonly identity: Identity
  readonly #scopes: CursorScopes
  /** Undefined once it has been answered, or its client has left. */
  protected res: HttpResponse | undefined
  /** Given back, and let go of, when it closes. */
  protected scope: CursorScope | undefined
  protected hasBegun = false
  protected subscriptions: readonly Subscription[] = []
  /** Undefined: all of its channels are ephemeral, or it has not begun. */
  protected reading: DurableReading | undefined = undefined

  constructor(
    node: Node,
    { identity, names }: EventsRequest,
    scopes: CursorScopes,
    res: HttpResponse,
  ) {
    this.node = node
    this.identity = identity
    this.#scopes = scopes
    this.scope = scopes.hold(names)
    this.res = res
    node.counters.connections[this.countsAs] += 1
    res.onAborted(() => guard(node, () => this.closed()))
  }

  get isOpen(): boolean {
    return this.res !== undefined
  }

  get isWaiting(): boolean {
    return this.res !== undefined && !this.hasBegun
  }

  /** Called in the turn of the request; what arrives from now on waits until it begins. */
  subscribed(subscriptions: readonly Subscription[]): void {
    this.subscriptions = subscriptions
    this.node.counters.subscriptions += subscriptions.length
  }

  abort(): void {
    const { res } = this
    this.closed()
    res?.close()
  }

  /** No field: one that idles must cost no more than it has to. */
  protected get countsAs(): 'poll' | 'sse' {
    return 'poll'
  }

  /** Lets go of what it held to say. */
  protected abstract forget(): void

  protected closed(): void {
    if (this.res === undefined) return
    this.res = undefined
    this.reading = undefined
    this.forget()
    const { counters } = this.node
    counters.connections[this.countsAs] -= 1
    counters.subscriptions -= this.subscriptions.length
    unsubscribeAll(this.node, this.subscriptions)
    this.subscriptions = []
    if (this.scope !== undefined) this.#scopes.release(this.scope)
    this.scope = undefined
  }
}
