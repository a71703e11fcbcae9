/** The broker that the configuration asks for, and the history over it. */
import type { Config } from '../gateway/config.js'
import type { Broker } from '../hub/broker.js'
import type { Clock } from '../hub/clock.js'
import type { History } from '../hub/history.js'
import { JetStreamHistory } from '../hub/jetstream-history.js'
import { MemoryBroker } from '../hub/memory-broker.js'
import { MemoryHistory } from '../hub/memory-history.js'
import { createNatsBroker, type NatsBroker } from '../hub/nats-broker.js'
import { messageOf } from './command.js'
import { natsOptionsOf, withVariables } from './nats-options.js'

export interface Store {
  readonly broker: Broker
  /** Undefined: no namespace is durable. */
  readonly history: History | undefined
}

/** Rejects as `createBroker` does. */
export async function createStore(
  config: Config,
  clock: Clock,
  random: () => number,
): Promise<Store> {
  const isDurable = [...config.namespaces.values()].some(({ history }) => history !== undefined)
  if (config.natsUrls.length === 0) {
    const broker = new MemoryBroker()
    const history = isDurable ? new MemoryHistory({ broker, layout: config, clock }) : undefined
    return { broker, history }
  }
  const publisher = await natsBroker(config, clock, random)
  if (!isDurable) return { broker: publisher, history: undefined }
  // Of its own: what a recovery reads must not stand before what is live.
  const reader = await natsBroker(config, clock, random)
  const history = new JetStreamHistory({ publisher, reader, layout: config, clock, random })
  return { broker: publisher, history }
}

/** Rejects with a sentence, which names the settings, when what leads to NATS cannot be used. */
export async function createBroker(
  config: Config,
  clock: Clock,
  random: () => number,
): Promise<Broker> {
  return config.natsUrls.length === 0 ? new MemoryBroker() : natsBroker(config, clock, random)
}

/** Over NATS; rejects as `createBroker` does. */
export async function natsBroker(
  config: Config,
  clock: Clock,
  random: () => number,
): Promise<NatsBroker> {
  try {
    return await createNatsBroker(natsOptionsOf(config), clock, random)
  } catch (error) {
    throw new Error(withVariables(messageOf(error), config))
  }
}
