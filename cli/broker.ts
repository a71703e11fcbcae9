/** The broker that the configuration asks for. */
import type { Config } from '../gateway/config.js'
import type { Broker } from '../hub/broker.js'
import type { Clock } from '../hub/clock.js'
import { MemoryBroker } from '../hub/memory-broker.js'
import { createNatsBroker } from '../hub/nats-broker.js'

/** Rejects with a sentence when something that is needed to reach NATS cannot be used. */
export async function createBroker(
  config: Config,
  clock: Clock,
  random: () => number,
): Promise<Broker> {
  if (config.natsUrls.length === 0) return new MemoryBroker()
  const options = {
    url: config.natsUrls.join(','),
    user: config.natsUser,
    password: config.natsPassword,
    token: config.natsToken,
    credentialsFile: config.natsCredentialsFile,
    nkeyFile: config.natsNkeyFile,
    caFile: config.natsCaFile,
    certFile: config.natsCertFile,
    keyFile: config.natsKeyFile,
  }
  return createNatsBroker(options, clock, random)
}
