/** A client of the SDK under audit, in a page or in Node: what it has heard so far. */
import type { BrowserContext, CDPSession, Page } from 'playwright-core'
import { nodeTransports } from '../../client/tests/node-transports.js'
import { Tidegate } from '../../client/tidegate.js'
import type { Transport, TransportName } from '../../client/transport.js'
import type { HeardEvent, SubscriberRecord } from '../../loadtest/subscriber-record.js'
import type { AuditedPage, PageOptions } from './browser-page.js'
import { SdkRecord, type RecordOptions, type Report } from './sdk-record.js'

export abstract class AuditedClient implements SubscriberRecord {
  readonly subscriber: string
  readonly events: HeardEvent[] = []
  /** By what it connected, each time. */
  readonly connections: TransportName[] = []
  readonly problems: string[] = []
  isUp = false
  state = 'idle'

  constructor(subscriber: string) {
    this.subscriber = subscriber
  }

  /** Asks the client for what it has heard since it was asked before. */
  async refresh(): Promise<this> {
    const { events, connections, problems, isUp, state } = await this.report()
    this.events.push(...events)
    this.connections.push(...connections)
    this.problems.push(...problems)
    this.isUp = isUp
    this.state = state
    return this
  }

  protected abstract report(): Promise<Report>

  get transport(): TransportName | undefined {
    return this.isUp ? this.connections.at(-1) : undefined
  }
}

export class PageClient extends AuditedClient {
  readonly page: Page
  readonly devTools: CDPSession

  private constructor(subscriber: string, page: Page, devTools: CDPSession) {
    super(subscriber)
    this.page = page
    this.devTools = devTools
  }

  /** In a tab of its own of this profile. */
  static async open(
    context: BrowserContext,
    origin: string,
    subscriber: string,
    options: PageOptions,
  ): Promise<PageClient> {
    const page = await context.newPage()
    const client = new PageClient(subscriber, page, await context.newCDPSession(page))
    page.on('pageerror', (error) => client.problems.push(error.message))
    const query = new URLSearchParams({ options: JSON.stringify(options) })
    await page.goto(`${origin}/?${query.toString()}`)
    return client
  }

  /** See `churn`. */
  churn(round: number): Promise<void> {
    const run = (each: number): Promise<void> => {
      return (globalThis as unknown as { audited: AuditedPage }).audited.churn(each)
    }
    return this.page.evaluate(run, round)
  }

  protected report(): Promise<Report> {
    return this.page.evaluate(() => {
      return (globalThis as unknown as { audited: AuditedPage }).audited.report()
    })
  }
}

export interface NodeClientOptions extends RecordOptions {
  readonly gateway: string
  readonly transports?: readonly TransportName[]
  readonly token: () => string
}

export class NodeClient extends AuditedClient {
  readonly #tidegate: Tidegate
  readonly #record: SdkRecord

  constructor(subscriber: string, options: NodeClientOptions) {
    super(subscriber)
    const { gateway, token } = options
    const transports = nodeTransportsOf(options.transports)
    this.#tidegate = new Tidegate(gateway, { token, transports })
    this.#record = new SdkRecord(this.#tidegate, options)
  }

  close(): void {
    this.#tidegate.close()
  }

  protected async report(): Promise<Report> {
    return this.#record.report()
  }
}

function nodeTransportsOf(names: readonly TransportName[] | undefined): readonly Transport[] {
  if (names === undefined) return nodeTransports
  return names.flatMap((name) => nodeTransports.filter((each) => each.name === name))
}
