/** One publication as it travels from the broker to the subscribers of this node. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'

export interface PublicationFields {
  readonly channel: Channel
  /** The pattern through which it came; undefined for a subscription of the channel itself. */
  readonly pattern: Pattern | undefined
  /** ms since 1970: when it was stored; on an ephemeral channel, when it arrived here. */
  readonly time: number
  readonly sender: string | undefined
  /** Undefined: JSON, unless it turns out not to be. */
  readonly contentType: string | undefined
  /** Its own copy: the broker's read buffer is gone when a ring still holds this. */
  readonly payload: Uint8Array
  /** Rises with every ephemeral publication that arrives on this node. 0: it is durable. */
  readonly arrival: number
  /** Its place in the history of its namespace. 0: it is ephemeral. */
  readonly offset: number
  /** The offset before it in its channel, as far as it is known; 0: none. */
  readonly previous: number
  /** No more updates come in this channel. */
  readonly isEnd: boolean
}

export class Publication implements PublicationFields {
  readonly channel: Channel
  readonly pattern: Pattern | undefined
  readonly time: number
  readonly sender: string | undefined
  readonly contentType: string | undefined
  readonly payload: Uint8Array
  readonly arrival: number
  readonly offset: number
  readonly previous: number
  readonly isEnd: boolean
  /** As JSON, as MessagePack and as an event; the gateway fills a slot when it is first needed. */
  readonly encoded: (Uint8Array | undefined)[] = [undefined, undefined, undefined]

  constructor(fields: PublicationFields) {
    this.channel = fields.channel
    this.pattern = fields.pattern
    this.time = fields.time
    this.sender = fields.sender
    this.contentType = fields.contentType
    this.payload = fields.payload
    this.arrival = fields.arrival
    this.offset = fields.offset
    this.previous = fields.previous
    this.isEnd = fields.isEnd
  }

  /** Where it stands in the order that this node knows its channel in. */
  get place(): number {
    return this.offset === 0 ? this.arrival : this.offset
  }

  /** The same for the subscribers of a pattern. */
  through(pattern: Pattern): Publication {
    return new Publication({ ...this, pattern })
  }
}
