/** What measurements of durable channels work with: a JetStream, nodes and load clients. */
import type { Children } from './children.js'
import { Fleet } from './fleet.js'
import { startGatewayProcess, type GatewayProcess, type Settings } from './gateway-process.js'
import type { Lab } from './measurement.js'
import { startNats, type NatsServer } from './nats-process.js'
import { Publisher } from './publisher.js'
import type { Endpoint } from './target.js'
import { mintToken, type Permissions } from './token.js'

export class HistoryLab {
  readonly nats: NatsServer
  readonly publisher: Publisher
  readonly #children: Children

  constructor(children: Children, nats: NatsServer, publisher: Publisher) {
    this.#children = children
    this.nats = nats
    this.publisher = publisher
  }

  /** One after another: they provision the streams themselves. */
  startGateway(settings: Settings, nodeFlags: readonly string[] = []): Promise<GatewayProcess> {
    const options = { children: this.#children, natsUrl: this.nats.url, nodeFlags }
    return startGatewayProcess(options, { TIDEGATE_PROVISION: 'true', ...settings })
  }

  startFleet(sockets: number): Fleet {
    return new Fleet(this.#children, sockets)
  }
}

/** After a failure nothing is ended here: the run is over, and its children end with it. */
export async function withHistory<T>(
  lab: Lab,
  run: (history: HistoryLab) => Promise<T>,
): Promise<T> {
  const nats = await startNats(lab.children, true)
  const publisher = await Publisher.connect(nats.url)
  const result = await run(new HistoryLab(lab.children, nats, publisher))
  await publisher.close()
  await nats.stop()
  return result
}

export function endpointOf({ port, secret }: GatewayProcess, permissions: Permissions): Endpoint {
  return { port, path: '/v1/events', secret, permissions, opensWithFrame: true }
}

/** The history that a node has, as a client is told it. */
export async function epochOf({ port, secret }: GatewayProcess, channel: string): Promise<string> {
  const token = mintToken(secret, 'bench', { subscribe: [channel] })
  const url = `http://127.0.0.1:${port}/v1/history?channel=${channel}&limit=1`
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  if (!response.ok) throw new Error(`the history cannot be read: ${await response.text()}`)
  const { epoch } = (await response.json()) as { readonly epoch: string }
  return epoch
}
