/** A client of the durable world: keeps its position, and writes down what it hears. */
import assert from 'node:assert/strict'
import { isChannel } from '../../shared/channel.js'
import { isPattern } from '../../shared/pattern.js'
import type { Position } from '../../shared/position.js'
import type { Gap } from '../gap.js'
import type { Hub } from '../hub.js'
import type { Publication } from '../publication.js'
import type { Subscriber } from '../subscriber.js'
import type { Begun, Subscription } from '../subscription.js'
import type { World, WorldNode } from './durable-world.js'

/** Its position is kept as PROTOCOL 14.2 says. */
export class Client implements Subscriber {
  readonly name: string
  canTake = true
  /** Publications, in order; after a gap or an epoch that is new, what it was. */
  readonly heard: (Publication | Gap)[] = []
  /** The answers to the positions that it showed. */
  readonly recovered: (boolean | undefined)[] = []
  hasEnded = false
  position: Position | undefined = undefined
  readonly #world: World
  #hub: Hub | undefined = undefined
  #subscription: Subscription | undefined = undefined

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
  }

  get numbers(): readonly number[] {
    return this.heard.flatMap((one) => ('payload' in one ? [numberOf(one)] : []))
  }

  get gaps(): readonly Gap[] {
    return this.heard.filter((one): one is Gap => 'reason' in one)
  }

  get isConnected(): boolean {
    return this.#subscription !== undefined
  }

  get isLive(): boolean {
    return this.#subscription !== undefined && this.#subscription.catchUp === undefined
  }

  async connect({ hub }: WorldNode, last?: number): Promise<Begun> {
    this.disconnect()
    assert.ok(isChannel(this.name) || isPattern(this.name))
    const subscription = hub.subscribe(this.name, this)
    assert.ok(subscription !== undefined)
    this.#hub = hub
    this.#subscription = subscription
    const begun = await this.#world.until(
      Promise.resolve(
        hub.begin(subscription, {
          ...(this.position !== undefined && { position: this.position }),
          ...(last !== undefined && { last }),
        }),
      ),
    )
    if (this.#subscription !== subscription) return begun
    if (!begun.ok || !begun.isDurable) {
      this.disconnect()
      return begun
    }
    this.recovered.push(begun.recovered)
    this.position ??= last === undefined ? begun.position : undefined
    hub.release(subscription)
    return begun
  }

  /** A heartbeat: the newest verified offset, for one who is live. */
  hearVerified(): void {
    const shown = this.#subscription && this.#hub?.positionOf(this.#subscription)
    if (!this.isLive || shown === undefined || this.position === undefined) return
    if (shown.epoch !== this.position.epoch || shown.verified === undefined) return
    const { verified } = shown
    // A pattern's position is the verified offset, and nothing else.
    const offset = isPattern(this.name) ? verified : this.position.offset
    this.position = { ...this.position, offset, verified }
  }

  disconnect(): void {
    if (this.#subscription !== undefined) this.#hub?.unsubscribe(this.#subscription)
    this.#subscription = undefined
  }

  take(): void {
    this.canTake = true
    if (this.#subscription !== undefined) this.#hub?.drained([this.#subscription])
  }

  deliver(publication: Publication, subscription: Subscription): boolean {
    if (!this.canTake) return false
    assert.equal(subscription, this.#subscription)
    this.heard.push(publication)
    const { offset, time } = publication
    const shown = this.#hub?.positionOf(subscription)
    if (isPattern(this.name)) return true
    this.position = { ...this.position, epoch: shown?.epoch ?? '', offset, time }
    return true
  }

  gap(gap: Gap, subscription: Subscription): void {
    assert.equal(subscription, this.#subscription)
    this.heard.push(gap)
    const { epoch = this.position?.epoch ?? '', offset, before } = gap
    const at = offset ?? (before === undefined ? this.position?.offset : before - 1)
    this.position = { epoch, offset: at ?? 0 }
  }

  ended(): void {
    this.hasEnded = true
  }
}

export function numberOf({ payload }: Publication): number {
  return Number(new TextDecoder().decode(payload))
}
