/** Both brokers, started, with a plain publisher beside: what the shared tests run over. */
import type { NatsConnection } from '@nats-io/transport-node'
import { headers as natsHeaders } from '@nats-io/transport-node'
import type { Broker, BrokerEvent } from '../broker.js'
import { MemoryBroker } from '../memory-broker.js'
import { createNatsBroker } from '../nats-broker.js'
import type { NatsOptions } from '../nats-options.js'
import { startNats, type TestScope } from './nats-server.js'
import { realClock } from './real-clock.js'
import { until } from './until.js'

export interface OpenedBroker {
  readonly broker: Broker
  readonly events: readonly BrokerEvent[]
  /** As a domain service does it: with nothing of ours. */
  publish(subject: string, payload: Uint8Array, headers?: Record<string, string>): void
}

/** `listen: false` leaves `onEvent` and `start` to somebody else: the hub. */
export type OpenBroker = (scope: TestScope, listen?: boolean) => Promise<OpenedBroker>

export const openMemoryBroker: OpenBroker = async (scope, listen = true) => {
  const broker = new MemoryBroker()
  scope.after(() => broker.close())
  const events = listen ? await started(broker) : []
  return {
    broker,
    events,
    publish: (subject, payload, headers = {}) => void broker.publish(subject, payload, headers),
  }
}

export const openNatsBroker: OpenBroker = async (scope, listen = true) => {
  const server = await startNats(scope)
  const broker = await natsBroker(scope, { url: server.url })
  const service = await server.connect()
  const events = listen ? await started(broker) : []
  return { broker, events, publish: plainPublisher(service) }
}

/** Not started. It retries every 20 to 40 ms instead of 250 to 500, so that tests are quick. */
export async function natsBroker(
  scope: TestScope,
  options: NatsOptions,
  pingIntervalMs: number = 15_000,
): Promise<Broker & { readonly errorCount: number }> {
  const clock = {
    ...realClock,
    after: (ms: number, run: () => void) => realClock.after(ms / 12, run),
  }
  const timeouts = { connectMs: 2_000, pingIntervalMs }
  const broker = await createNatsBroker(options, clock, Math.random, timeouts)
  scope.after(() => broker.close())
  return broker
}

/** Starts it and waits until it is connected. The list goes on filling. */
export async function started(broker: Broker): Promise<readonly BrokerEvent[]> {
  const events = listening(broker)
  await broker.start()
  await until(() => broker.isConnected)
  return events
}

export function listening(broker: Broker): readonly BrokerEvent[] {
  const events: BrokerEvent[] = []
  broker.onEvent((event) => events.push(event))
  return events
}

export function plainPublisher(service: NatsConnection): OpenedBroker['publish'] {
  return (subject, payload, headers) => {
    if (headers === undefined) return service.publish(subject, payload)
    const block = natsHeaders()
    for (const [name, value] of Object.entries(headers)) block.append(name, value)
    service.publish(subject, payload, { headers: block })
  }
}
