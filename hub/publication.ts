/** One publication as it travels from the broker to the subscribers of this node. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'

export class Publication {
  readonly channel: Channel
  /** The pattern through which it came; undefined for a subscription of the channel itself. */
  readonly pattern: Pattern | undefined
  /** ms since 1970. */
  readonly time: number
  readonly sender: string | undefined
  /** Undefined: JSON, unless it turns out not to be. */
  readonly contentType: string | undefined
  /** Its own copy: the broker's read buffer is gone when a ring still holds this. */
  readonly payload: Uint8Array
  /** Rises with every publication that arrives on this node: the place a cursor remembers. */
  readonly arrival: number
  /** As JSON, as MessagePack and as an event; the gateway fills a slot when it is first needed. */
  readonly encoded: (Uint8Array | undefined)[] = [undefined, undefined, undefined]

  constructor(
    channel: Channel,
    pattern: Pattern | undefined,
    time: number,
    sender: string | undefined,
    contentType: string | undefined,
    payload: Uint8Array,
    arrival: number,
  ) {
    this.channel = channel
    this.pattern = pattern
    this.time = time
    this.sender = sender
    this.contentType = contentType
    this.payload = payload
    this.arrival = arrival
  }
}
