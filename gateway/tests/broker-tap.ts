/** Listens at the broker as a service would: what of a client's publication arrives there. */
import type { Broker } from '../../hub/broker.js'

export interface TappedMessage {
  readonly subject: string
  readonly payload: Buffer
  readonly contentType: string | undefined
  readonly sender: string | undefined
}

export function tapBroker(broker: Broker, subject: string): readonly TappedMessage[] {
  const messages: TappedMessage[] = []
  broker.subscribe(subject, (message) => {
    messages.push({
      subject: message.subject,
      payload: Buffer.from(message.payload),
      contentType: message.header('Content-Type'),
      sender: message.header('Tidegate-Sender'),
    })
  })
  return messages
}
