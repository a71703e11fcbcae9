/** A scene for faults: NATS, whole nodes, one who publishes, and subscribers under audit. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { NatsConnection } from '@nats-io/transport-node'
import { mint, testSecret } from '../../gateway/tests/tokens.js'
import { streamInfo, type StreamInfo } from '../../hub/tests/jetstream-api.js'
import type { TestScope } from '../../hub/tests/nats-server.js'
import { untilAnswered } from '../../hub/tests/until.js'
import { AuditEventStream } from '../../loadtest/audit-event-stream.js'
import { AuditLongPoll } from '../../loadtest/audit-long-poll.js'
import { AuditPublisher } from '../../loadtest/audit-publisher.js'
import type { AuditSubscriber, SubscriberOptions } from '../../loadtest/audit-subscriber.js'
import { formatAudit } from '../../loadtest/audit-summary.js'
import { AuditWebSocket } from '../../loadtest/audit-web-socket.js'
import { audit, type Verdict } from '../../loadtest/auditor.js'
import { PublicationLog } from '../../loadtest/publication-log.js'
import { pause } from '../../loadtest/wait.js'
import { eventually, startNode, type NodeProcess } from './processes.js'
import { tidegate } from './spawned.js'

export const stream = 'rt_orders'
export const channels: readonly string[] = ['orders.1', 'orders.2', 'orders.3', 'orders.4']
const pattern = 'orders.*'
/** Of each channel. With the time of an ack, some 300 a second of all four. */
const pauseMs = 10
/** A leader that was killed takes 4 to 8 s to be replaced. */
const patienceMs = 30_000

export const token: string = mint({ sub: 'u1', subscribe: ['>'], publish: ['>'] })

export interface SceneOptions {
  /** Of nats-server, as a service connects to it. */
  readonly urls: readonly string[]
  readonly admin: NatsConnection
  /** Of nats-server, as each node connects to it; a node for each. Absent: one node. */
  readonly nodeUrls?: readonly (readonly string[])[]
  /** Of `orders`. */
  readonly history?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Absent: they are started, and end with the scene. */
  readonly nodes?: readonly NodeProcess[]
}

export type Transport = 'ws' | 'sse' | 'poll'

const transports: Readonly<Record<Transport, new (options: SubscriberOptions) => AuditSubscriber>> =
  { ws: AuditWebSocket, sse: AuditEventStream, poll: AuditLongPoll }

export const transportNames: readonly Transport[] = ['ws', 'sse', 'poll']

export class Scene {
  readonly log: PublicationLog
  readonly subscribers: AuditSubscriber[] = []
  readonly nodes: readonly NodeProcess[]
  readonly publisher: AuditPublisher
  readonly #scope: TestScope
  readonly #options: SceneOptions

  constructor(
    scope: TestScope,
    options: SceneOptions,
    nodes: readonly NodeProcess[],
    publisher: AuditPublisher,
  ) {
    this.#scope = scope
    this.#options = options
    this.nodes = nodes
    this.publisher = publisher
    this.log = publisher.log
  }

  get node(): NodeProcess {
    return this.nodes[0] as NodeProcess
  }

  streamInfo(): Promise<StreamInfo> {
    return untilAnswered(() => streamInfo(this.#options.admin, stream), patienceMs)
  }

  /** A subscriber to each channel and one to the pattern, over each transport, begins at `node`. */
  async subscribe(node: NodeProcess = this.node): Promise<void> {
    const started = transportNames.flatMap((transport) => [
      this.subscriber(transport, channels, node),
      this.subscriber(transport, [pattern], node, `${transport} pattern`),
    ])
    await this.untilUp(started)
  }

  /** It begins at `node`, and goes on at the others. */
  subscriber(
    transport: Transport,
    names: readonly string[],
    node: NodeProcess = this.node,
    called: string = transport,
    last?: number,
  ): AuditSubscriber {
    const at = this.nodes.indexOf(node)
    const nodes = [...this.nodes.slice(at), ...this.nodes.slice(0, at)].map(({ http }) => http)
    const subscriber = new transports[transport]({
      subscriber: `${called} of node ${at + 1}`,
      names,
      token,
      nodes,
      ...(last === undefined ? {} : { last }),
    })
    this.subscribers.push(subscriber)
    this.#scope.after(() => subscriber.stop())
    subscriber.start()
    return subscriber
  }

  untilUp(subscribers: readonly AuditSubscriber[] = this.subscribers): Promise<void> {
    return eventually(
      `all are subscribed: ${problemsOf(subscribers)}`,
      async () => subscribers.every(({ isUp }) => isUp),
      patienceMs,
    ).catch(() => assert.fail(`not all are subscribed:\n${problemsOf(subscribers)}`))
  }

  start(): void {
    this.publisher.start({ channels, pauseMs })
  }

  get acknowledged(): number {
    return this.log.of('orders.>').filter(({ offset }) => offset !== undefined).length
  }

  /** So many more are acknowledged. */
  async untilAcknowledged(count: number): Promise<void> {
    const before = this.acknowledged
    await eventually(
      `${count} more are acknowledged`,
      async () => this.acknowledged >= before + count,
      patienceMs,
    )
  }

  /** So many that are acknowledged, in each channel, while nothing else is published. */
  async publish(count: number, names: readonly string[] = channels): Promise<void> {
    await Promise.all(
      names.map(async (channel) => {
        for (let left = count; left > 0;) if (await this.publisher.publish(channel)) left -= 1
      }),
    )
  }

  /** All at once, in this order. */
  async publishTogether(channel: string, count: number): Promise<void> {
    const sent = Array.from({ length: count }, () => this.publisher.publish(channel))
    assert.ok((await Promise.all(sent)).every((isAcknowledged) => isAcknowledged))
  }

  /** The history that is there now is new: what was published before is lost with the old one. */
  async historyBegins(): Promise<void> {
    const { created } = await this.streamInfo()
    const name = createHash('sha256').update(`${stream}\n${created}`)
    this.log.beginHistory('orders', name.digest('hex').slice(0, 12))
  }

  /** As an operator does it. */
  async provision(): Promise<void> {
    const spawned = tidegate(this.#scope, ['provision', '--yes'], {
      ...environmentOf(this.#options),
      TIDEGATE_NATS_URL: this.#options.urls.join(','),
    })
    assert.equal(await spawned.exit(), 0, spawned.stderr)
  }

  /** Nobody missed anything that was acknowledged, nor was told so. */
  assertNoGaps(verdicts: readonly Verdict[]): void {
    const gaps = this.subscribers.flatMap(({ subscriber, events }) =>
      events.filter(({ type }) => type === 'gap').map((gap) => ({ subscriber, ...gap })),
    )
    assert.deepEqual(gaps, [])
    for (const { subscriber, name, received, expected } of verdicts) {
      assert.equal(received, expected, `${subscriber}, ${name}`)
    }
  }

  /** Each subscriber has heard of each of its names that something of it is lost. */
  assertAllTold(reason: string, subscribers: readonly AuditSubscriber[] = this.subscribers): void {
    for (const { subscriber, events } of subscribers) {
      const named = (type: 'subscribed' | 'gap'): ReadonlySet<string> =>
        new Set(
          events.flatMap((event) => {
            const isOne = event.type === type && (event.type !== 'gap' || event.reason === reason)
            return isOne ? [event.name] : []
          }),
        )
      const missing = [...named('subscribed')].filter((name) => !named('gap').has(name))
      assert.deepEqual(missing, [], `${subscriber} heard no gap ${reason} of these`)
    }
  }

  /** Everybody has everything that was acknowledged, or knows what of it is lost. */
  async audit(): Promise<readonly Verdict[]> {
    await this.publisher.stop()
    await this.untilFaultless()
    // What comes too late, or again, comes before the next one.
    await this.publish(1)
    return this.untilFaultless()
  }

  /** The same, if nothing is published. */
  async untilFaultless(): Promise<readonly Verdict[]> {
    const end = Date.now() + patienceMs
    for (;;) {
      const verdicts = audit(this.log, this.subscribers)
      if (verdicts.every(({ faults }) => faults.length === 0)) return verdicts
      // Nothing but what is lost can still come.
      const isHopeless = verdicts.some(({ faults }) => faults.some(({ type }) => type !== 'lost'))
      if (isHopeless || Date.now() > end) assert.fail(this.#report(verdicts))
      await pause(100)
    }
  }

  #report(verdicts: readonly Verdict[]): string {
    return `${formatAudit(verdicts)}\n${problemsOf(this.subscribers)}`
  }
}

function problemsOf(subscribers: readonly AuditSubscriber[]): string {
  return subscribers
    .filter(({ isUp }) => !isUp)
    .map(({ subscriber, lastProblem }) => `${subscriber} is down: ${lastProblem}`)
    .join('\n')
}

/** Nodes with one durable namespace that has subscribers, and are ready. */
export async function startNodes(
  scope: TestScope,
  options: SceneOptions,
): Promise<readonly NodeProcess[]> {
  const { urls, nodeUrls = [urls] } = options
  const nodes: NodeProcess[] = []
  // One after another, so that no two make the stream at the same time.
  for (const own of nodeUrls) {
    const env = { ...environmentOf(options), TIDEGATE_NATS_URL: own.join(',') }
    nodes.push(await startNode(scope, env))
  }
  await Promise.all(nodes.map((node) => node.untilReady()))
  return nodes
}

/** Its own publisher and subscribers: at each node to each channel, and to the pattern. */
export async function startScene(t: TestScope, options: SceneOptions): Promise<Scene> {
  const nodes = options.nodes ?? (await startNodes(t, options))
  const publisher = await AuditPublisher.connect(options.urls, new PublicationLog())
  t.after(() => publisher.close())
  const scene = new Scene(t, options, nodes, publisher)
  await scene.historyBegins()
  for (const node of nodes) await scene.subscribe(node)
  return scene
}

function environmentOf(options: SceneOptions): Readonly<Record<string, string>> {
  const history = { messagesPerChannel: 10_000, ...options.history }
  return {
    TIDEGATE_JWT_SECRET: testSecret,
    TIDEGATE_NAMESPACES: JSON.stringify({
      orders: { history, patterns: true },
      // Nobody follows any of its channels.
      trades: { history },
      chat: { history: false },
    }),
    TIDEGATE_PROVISION: 'true',
    TIDEGATE_VERIFY_SECONDS: '1',
    TIDEGATE_HEARTBEAT_SECONDS: '4',
    // What a pattern misses in some seconds is not to be a gap for its number.
    TIDEGATE_RECOVERY_COUNT_MAX: '20000',
    ...options.env,
  }
}
