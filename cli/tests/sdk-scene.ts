/** A scene for the SDK: NATS, two nodes behind a middlebox, a publisher, clients under audit. */
import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Browser, BrowserContext } from 'playwright-core'
import type { TransportName } from '../../client/transport.js'
import { startNats, type TestScope } from '../../hub/tests/nats-server.js'
import { untilAnswered } from '../../hub/tests/until.js'
import { AuditPublisher } from '../../loadtest/audit-publisher.js'
import { formatAudit } from '../../loadtest/audit-summary.js'
import { audit, type Verdict } from '../../loadtest/auditor.js'
import { numberedPayload } from '../../loadtest/numbered-payload.js'
import { PublicationLog } from '../../loadtest/publication-log.js'
import type { HeardEvent, SubscriberRecord } from '../../loadtest/subscriber-record.js'
import { pause } from '../../loadtest/wait.js'
import { NodeClient, PageClient, type AuditedClient } from './audited-client.js'
import type { PageOptions } from './browser-page.js'
import { channels, Scene, startNodes } from './durable-scene.js'
import { ephemeralFaults } from './ephemeral-audit.js'
import { Middlebox } from './middlebox.js'
import { PageServer } from './page-server.js'
import type { NodeProcess } from './processes.js'
import type { RecordOptions } from './sdk-record.js'

const durableNames: readonly string[] = [...channels, 'orders.*']
const ephemeral = 'chat.1'
const names: readonly string[] = [...durableNames, ephemeral]
/** Of each channel. With the time of an ack, some 120 a second of all durable ones. */
const pauseMs = 30
const patienceMs = 60_000

export const transportNames: readonly TransportName[] = ['websocket', 'event-stream', 'long-poll']

interface Parts {
  readonly box: Middlebox
  readonly server: PageServer
  readonly durable: Scene
  readonly service: NatsConnection
}

export class SdkScene {
  readonly box: Middlebox
  readonly server: PageServer
  readonly clients: AuditedClient[] = []
  readonly nodes: readonly NodeProcess[]
  readonly #scope: TestScope
  readonly #durable: Scene
  readonly #service: NatsConnection
  readonly #record: RecordOptions
  #ephemeralCount = 0
  #isPublishing = false
  #publishing: Promise<void> = Promise.resolve()

  private constructor(scope: TestScope, { box, server, durable, service }: Parts) {
    this.#scope = scope
    this.box = box
    this.server = server
    this.nodes = durable.nodes
    this.#durable = durable
    this.#service = service
    const { epoch = '' } = durable.log.eras('orders.1')[0] ?? {}
    this.#record = { names, epochs: { orders: epoch } }
  }

  static async start(
    scope: TestScope,
    env: Readonly<Record<string, string>> = {},
  ): Promise<SdkScene> {
    const nats = await startNats(scope, { jetStream: true })
    const service = await nats.connect()
    const server = await PageServer.start(scope)
    const options = {
      ...{ urls: [nats.url], nodeUrls: [[nats.url], [nats.url]], admin: service },
      env: {
        TIDEGATE_ALLOWED_ORIGINS: server.origin,
        TIDEGATE_SHUTDOWN_GRACE_SECONDS: '3',
        ...env,
      },
    }
    const nodes = await startNodes(scope, options)
    const box = await Middlebox.start(scope, (nodes[0] as NodeProcess).port)
    const publisher = await AuditPublisher.connect([nats.url], new PublicationLog())
    scope.after(() => publisher.close())
    const durable = new Scene(scope, options, nodes, publisher)
    await durable.historyBegins()
    const scene = new SdkScene(scope, { box, server, durable, service })
    scope.after(() => scene.stop())
    return scene
  }

  async page(
    context: BrowserContext,
    subscriber: string,
    options: Partial<PageOptions> = {},
  ): Promise<PageClient> {
    const { origin } = this.server
    const complete = { ...this.#record, gateway: this.box.url, ...options }
    const client = await PageClient.open(context, origin, subscriber, complete)
    this.clients.push(client)
    return client
  }

  /** One for each transport, each in a profile of its own, as another person's browser. */
  async pages(
    browser: Browser,
    options: Partial<PageOptions> = {},
  ): Promise<readonly PageClient[]> {
    const pages: PageClient[] = []
    for (const name of transportNames) {
      const context = await browser.newContext()
      this.#scope.after(() => context.close())
      pages.push(await this.page(context, name, { ...options, transports: [name] }))
    }
    await this.untilUp()
    return pages
  }

  node(subscriber: string, transports?: readonly TransportName[]): NodeClient {
    const client = new NodeClient(subscriber, {
      ...this.#record,
      ...{ gateway: this.box.url, token: () => this.server.token() },
      ...(transports && { transports }),
    })
    this.#scope.after(() => client.close())
    this.clients.push(client)
    return client
  }

  /** Whoever connects from now on is led to this node. */
  leadTo(node: number): void {
    this.box.target = (this.nodes[node] as NodeProcess).port
  }

  publish(): void {
    this.#durable.publisher.start({ channels, pauseMs })
    this.#isPublishing = true
    this.#publishing = this.#publishEphemeral()
  }

  untilAcknowledged(count: number): Promise<void> {
    return this.#durable.untilAcknowledged(count)
  }

  untilUp(clients: readonly AuditedClient[] = this.clients): Promise<void> {
    return this.until('all are connected and subscribed', clients, ({ isUp }) => isUp)
  }

  /** Until it holds for each of them, by what they have heard. */
  async until(
    what: string,
    clients: readonly AuditedClient[],
    holds: (client: AuditedClient) => boolean,
  ): Promise<void> {
    const refreshed = (): Promise<AuditedClient[]> => {
      return Promise.all(clients.map((client) => client.refresh()))
    }
    await untilAnswered(async () => (await refreshed()).every(holds), patienceMs).catch(() => {
      const missing = clients.filter((client) => !holds(client))
      assert.fail(`in vain: ${what}\n${missing.map(describe).join('\n')}`)
    })
  }

  /** So many more publications have come to each of them. */
  async untilHeard(count: number, clients: readonly AuditedClient[] = this.clients): Promise<void> {
    const before = new Map<AuditedClient, number>()
    for (const client of clients) before.set(client, publicationsOf(await client.refresh()))
    await this.until(`${count} more have come`, clients, (client) => {
      return publicationsOf(client) >= (before.get(client) ?? 0) + count
    })
  }

  async stop(): Promise<void> {
    this.#isPublishing = false
    await this.#publishing
    await this.#durable.publisher.stop()
  }

  /** Everybody has everything of the durable channels, and no gap; the other has no fault. */
  async assertFlawless(): Promise<readonly Verdict[]> {
    const verdicts = await this.audit()
    for (const client of this.clients) {
      const gaps = durableRecord(client).events.filter(({ type }) => type === 'gap')
      assert.deepEqual(gaps, [], `${client.subscriber} heard of losses`)
    }
    for (const { subscriber, name, received, expected } of verdicts) {
      assert.equal(received, expected, `${subscriber}, ${name}`)
      assert.equal(expected, this.#acknowledgedOf(name), `${subscriber}, ${name}`)
    }
    return verdicts
  }

  /** Everybody has everything that was acknowledged, or knows what of it is lost. */
  async audit(): Promise<readonly Verdict[]> {
    await this.stop()
    await this.#untilFaultless()
    // What comes too late, or again, comes before the next one.
    await this.#durable.publish(1)
    await this.#publishEphemeral()
    await this.until('the last ephemeral one has come', this.clients, ({ events }) => {
      const last = events.findLast((event) => 'name' in event && event.name === ephemeral)
      return last?.type === 'publication' && last.number === this.#ephemeralCount
    })
    for (const { subscriber, events } of this.clients) {
      assert.deepEqual(ephemeralFaults(events, ephemeral), [], subscriber)
    }
    return this.#untilFaultless()
  }

  async #untilFaultless(): Promise<readonly Verdict[]> {
    const end = Date.now() + patienceMs
    for (;;) {
      await Promise.all(this.clients.map((client) => client.refresh()))
      const records = this.clients.map(durableRecord)
      const verdicts = audit(this.#durable.log, records, { repeatsOfPatterns: false })
      const faults = verdicts.flatMap((verdict) => verdict.faults)
      if (faults.length === 0 && this.#isComplete(verdicts)) return verdicts
      // Nothing but what is lost can still come.
      if (faults.some(({ type }) => type !== 'lost') || Date.now() > end) {
        assert.fail(`${formatAudit(verdicts)}\n${this.clients.map(describe).join('\n')}`)
      }
      await pause(50)
    }
  }

  /** Who has heard nothing has no verdict. */
  #isComplete(verdicts: readonly Verdict[]): boolean {
    return verdicts.length === this.clients.length * durableNames.length
  }

  #acknowledgedOf(name: string): number {
    const { log } = this.#durable
    return log.of(name).filter(({ offset }) => offset !== undefined).length
  }

  /** At least one, then until it is stopped, or the scene is over. */
  async #publishEphemeral(): Promise<void> {
    while (!this.#service.isClosed()) {
      this.#ephemeralCount += 1
      const payload = numberedPayload(ephemeral, this.#ephemeralCount)
      this.#service.publish(`rt.pub.${ephemeral}`, payload)
      await this.#service.flush().catch(() => undefined)
      if (!this.#isPublishing) return
      await pause(pauseMs)
    }
  }
}

function durableRecord({ subscriber, events }: AuditedClient): SubscriberRecord {
  const isOther = (event: HeardEvent): boolean => 'name' in event && event.name === ephemeral
  return { subscriber, events: events.filter((event) => !isOther(event)) }
}

function publicationsOf({ events }: AuditedClient): number {
  return events.filter(({ type }) => type === 'publication').length
}

function describe({ subscriber, state, connections, problems }: AuditedClient): string {
  const before = `was connected by ${connections.join(', ')}; ${problems.join(', ')}`
  return `${subscriber}: ${state}; ${before}`
}
