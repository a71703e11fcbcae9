/** Three real nats-servers in a cluster with JetStream, whose nodes a test kills and restarts. */
import { createServer, type AddressInfo } from 'node:net'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { createStream, streamInfo, type StreamInfo } from './jetstream-api.js'
import { host, startNats, type NatsServer, type TestScope } from './nats-server.js'
import { untilAnswered } from './until.js'

export interface ClusterNode {
  /** As JetStream names it, where it says who leads a stream. */
  readonly name: string
  readonly server: NatsServer
}

const size = 3
/** A leader that was killed is missed for 4 to 8 s; on a busy machine for longer. */
const electionMs = 30_000
/** Who asks for free ports at the same time may be given the same. */
const startsMax = 3

export class NatsCluster {
  readonly nodes: readonly ClusterNode[]
  /** All of them, as a client is configured. */
  readonly urls: readonly string[]
  readonly #admin: NatsConnection

  constructor(nodes: readonly ClusterNode[], admin: NatsConnection) {
    this.nodes = nodes
    this.urls = nodes.map(({ server }) => server.url)
    this.#admin = admin
  }

  /** A client that goes on at another node when its own dies. Closed with the test. */
  async connect(scope: TestScope): Promise<NatsConnection> {
    const connection = await connectTo(this.urls)
    scope.after(() => connection.close())
    return connection
  }

  /** Resolves when the stream has a leader, with the node that leads it. */
  leaderOf(stream: string): Promise<ClusterNode> {
    const ask = async (): Promise<ClusterNode | undefined> =>
      this.#leaderIn(await streamInfo(this.#admin, stream))
    return untilAnswered(ask, electionMs)
  }

  /** Any node that holds a replica and does not lead. */
  async followerOf(stream: string): Promise<ClusterNode> {
    const leader = await this.leaderOf(stream)
    return this.nodes.find((node) => node !== leader) as ClusterNode
  }

  /** Resolves when there is a leader other than this node. */
  untilLedByAnother(stream: string, than: ClusterNode): Promise<ClusterNode> {
    return untilAnswered(async () => {
      const leader = this.#leaderIn(await streamInfo(this.#admin, stream))
      return leader === than ? undefined : leader
    }, electionMs)
  }

  /** Resolves when every replica has everything that the leader has. */
  async untilCurrent(stream: string): Promise<void> {
    await untilAnswered(async () => {
      const { cluster } = await streamInfo(this.#admin, stream)
      const replicas = cluster?.replicas ?? []
      if (cluster?.leader === undefined || replicas.length !== size - 1) return false
      return replicas.every(({ current, offline, lag }) => {
        return current && offline !== true && (lag ?? 0) === 0
      })
    }, electionMs)
  }

  /**
   * Resolves when the node has given up what it leads. It takes no new clients, drops its own one
   * by one, and ends.
   */
  async makeLameDuck(node: ClusterNode, stream: string): Promise<void> {
    node.server.signal('SIGUSR2')
    await this.untilLedByAnother(stream, node)
  }

  #leaderIn({ cluster }: StreamInfo): ClusterNode | undefined {
    return this.nodes.find(({ name }) => name === cluster?.leader)
  }
}

/** Resolves when JetStream has three to place a stream on. Everything ends with the scope. */
export async function startCluster(scope: TestScope): Promise<NatsCluster> {
  const nodes = await startNodes(scope)
  const admin = await connectTo(nodes.map(({ server }) => server.url))
  scope.after(() => admin.close())
  const probe = { num_replicas: size, storage: 'memory' }
  await untilAnswered(() => createStream(admin, 'probe', probe), electionMs)
  return new NatsCluster(nodes, admin)
}

function connectTo(servers: readonly string[]): Promise<NatsConnection> {
  return connect({
    servers: [...servers],
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
  })
}

async function startNodes(scope: TestScope): Promise<readonly ClusterNode[]> {
  for (let start = 1; ; start += 1) {
    const ports = await freePorts(2 * size)
    const routes = ports.slice(size).map((port) => `"nats://${host}:${port}"`)
    const started = await Promise.allSettled(
      routes.map((_, at) => startNode(scope, `node-${at + 1}`, routes, ports, at)),
    )
    const nodes = started.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
    if (nodes.length === size) return nodes
    await Promise.all(nodes.map(({ server }) => server.kill()))
    const failure = started.find((result) => result.status === 'rejected')
    if (start === startsMax) throw failure?.reason
  }
}

async function startNode(
  scope: TestScope,
  name: string,
  routes: readonly string[],
  ports: readonly number[],
  at: number,
): Promise<ClusterNode> {
  // Not advertised: a client that was given the address of a proxy stays with it.
  const cluster =
    `cluster { name: tidegate, host: ${host}, port: ${ports[size + at]}, no_advertise: true, ` +
    `routes: [${routes.join(', ')}] }`
  const config = `server_name: ${name}\n${cluster}`
  const port = ports[at] as number
  return { name, server: await startNats(scope, { config, port, jetStream: true }) }
}

/** All of them are held until the last is known, so that none occurs twice. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      return new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
        const server = createServer().on('error', reject)
        server.listen(0, host, () => resolve(server))
      })
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
  )
  return ports
}
