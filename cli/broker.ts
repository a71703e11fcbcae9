/** The broker that the configuration asks for. */
import type { Config } from '../gateway/config.js'
import type { Broker } from '../hub/broker.js'
import type { Clock } from '../hub/clock.js'
import { MemoryBroker } from '../hub/memory-broker.js'
import { createNatsBroker } from '../hub/nats-broker.js'
import { messageOf } from './command.js'
import { natsOptionsOf, withVariables } from './nats-options.js'

/** Rejects with a sentence, which names the settings, when what leads to NATS cannot be used. */
export async function createBroker(
  config: Config,
  clock: Clock,
  random: () => number,
): Promise<Broker> {
  if (config.natsUrls.length === 0) return new MemoryBroker()
  try {
    return await createNatsBroker(natsOptionsOf(config), clock, random)
  } catch (error) {
    throw new Error(withVariables(messageOf(error), config))
  }
}
