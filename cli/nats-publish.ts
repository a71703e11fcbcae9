/** One publication over NATS, as a service makes it; in a durable channel with JetStream's ack. */
import { systemClock } from '../client/system-clock.js'
import { variableOf, type Config } from '../gateway/config.js'
import { publishPrefix } from '../hub/history-layout.js'
import { JetStreamPublisher } from '../hub/jetstream-publisher.js'
import { streamName } from '../hub/jetstream-stream.js'
import { findNamespace, type Namespace } from '../hub/namespaces.js'
import type { NatsBroker } from '../hub/nats-broker.js'
import { namespaceOf, type Channel } from '../shared/channel.js'
import { natsBroker } from './broker.js'
import { CommandError, messageOf } from './command.js'

const ackMs = 5_000

export interface NatsDraft {
  readonly channel: Channel
  readonly payload: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

/** The offset, where the channel has a history. Rejects with a sentence. */
export async function publishByNats(config: Config, draft: NatsDraft): Promise<number | undefined> {
  const namespace = findNamespace(config.namespaces, draft.channel)
  const isDurable = namespace?.history !== undefined
  if (!isDurable) refuseHistoryHeaders(draft, namespace)
  const broker = await connected(config)
  try {
    if (isDurable) return await store(broker, config, draft)
    const subject = publishPrefix(config.subjectPrefix) + draft.channel
    const result = await broker.publish(subject, draft.payload, draft.headers)
    if (!result.ok) throw new CommandError(`${result.code}: NATS did not take the publication.`)
    return undefined
  } finally {
    await broker.close()
  }
}

/** They would have no effect, in silence. */
function refuseHistoryHeaders({ channel, headers }: NatsDraft, known: Namespace | undefined): void {
  const isPlain = Object.keys(headers).every((name) => name === 'Content-Type')
  if (isPlain) return
  const name = namespaceOf(channel)
  const why = known === undefined ? `is not in ${variableOf('namespaces')}` : 'keeps no history'
  throw new CommandError(`The namespace ${name} ${why}: --end and --id have no effect there.`)
}

async function store(broker: NatsBroker, config: Config, draft: NatsDraft): Promise<number> {
  const { channel, payload, headers } = draft
  const stream = streamName(config.subjectPrefix, namespaceOf(channel))
  let reason = 'another answer than that of the stream'
  const publisher = new JetStreamPublisher(broker, ackMs, (told) => (reason = told))
  const subject = publishPrefix(config.subjectPrefix) + channel
  const result = await publisher.publish(stream, subject, payload, headers)
  if (result.ok) return result.offset
  const isUnheard = /no responders/i.test(reason)
  throw new CommandError(
    isUnheard
      ? `broker_unavailable: No stream took the publication, so nobody gets it. Is ${stream} ` +
          'there? `tidegate provision` makes it, on a NATS with JetStream.'
      : `broker_unavailable: No ack came from stream ${stream} (${reason}): whether the ` +
          'publication is stored is not known.',
  )
}

/** Unlike a node, a command does not wait for a server that is away. */
async function connected(config: Config): Promise<NatsBroker> {
  try {
    const broker = await natsBroker(config, systemClock, Math.random)
    await new Promise<void>((resolve, reject) => {
      broker.onEvent((event) => {
        if (event.type === 'connected') resolve()
        if (event.type === 'connect_failed') reject(new Error(event.reason))
      })
      void broker.start()
    })
    return broker
  } catch (error) {
    throw new CommandError(`broker_unavailable: ${messageOf(error)}`)
  }
}
