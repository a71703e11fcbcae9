/** The `Nats-Msg-Id` of a client's publication: JetStream drops what it has seen with the same. */
import { createHash } from 'node:crypto'
import type { Channel } from '../shared/channel.js'

/**
 * JetStream compares ids within a whole stream: the bare key of one client on one channel would
 * acknowledge and drop the publication of another on another.
 */
export function messageId(sender: string | undefined, channel: Channel, key: string): string {
  const text = JSON.stringify([sender ?? null, channel, key])
  return createHash('sha256').update(text).digest('base64url')
}
