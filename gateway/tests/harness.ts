/** A gateway for tests: real engine, real sockets on a free port, an in-memory broker behind. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Broker } from '../../hub/broker.js'
import type { Clock } from '../../hub/clock.js'
import type { DurableOptions } from '../../hub/durable-namespaces.js'
import type { History } from '../../hub/history.js'
import { Hub, type HubLimits } from '../../hub/hub.js'
import { MemoryBroker } from '../../hub/memory-broker.js'
import { MemoryHistory } from '../../hub/memory-history.js'
import { defaultHistory } from '../../hub/namespaces.js'
import { createAuthentication, type AuthenticationSettings } from '../authentication.js'
import type { Authenticator } from '../authenticator.js'
import { Counters } from '../counters.js'
import { loadEngine } from '../engine.js'
import { startGateway, type Gateway, type GatewaySettings } from '../gateway.js'
import { systemClock } from '../system-clock.js'
import { testSecret } from './tokens.js'

export interface TestGateway {
  readonly gateway: Gateway
  readonly hub: Hub
  readonly broker: Broker
  readonly history: History
  readonly counters: Counters
  /** `http://127.0.0.1:<port>` and `ws://127.0.0.1:<port>/v1/events`. */
  readonly http: string
  readonly ws: string
  readonly port: number
  /** What the gateway reported as bugs; the harness fails the test if there is any at its end. */
  readonly internalErrors: unknown[]
}

export interface TestGatewayOptions {
  readonly settings?: Partial<GatewaySettings>
  readonly hubLimits?: Partial<HubLimits>
  readonly broker?: Broker
  /** In place of one in memory over the broker. */
  readonly history?: History
  readonly durableLimits?: Partial<DurableOptions['limits']>
  readonly clock?: Clock
  readonly random?: () => number
  readonly observeDelay?: (delayMs: number) => void
  /** In place of one secret. */
  readonly authentication?: Partial<AuthenticationSettings>
  /** In place of the one that knows `testSecret`. */
  readonly authenticator?: Authenticator
}

export const testSettings: GatewaySettings = {
  host: '127.0.0.1',
  port: 0,
  namespaces: new Map([
    ['default', { history: undefined, patterns: false }],
    ['stocks', { history: undefined, patterns: true }],
    ['chat', { history: undefined, patterns: false }],
    ['orders', { history: defaultHistory, patterns: true }],
  ]),
  heartbeatSeconds: 30,
  clockToleranceSeconds: 5,
  publicationBytesMax: 65_536,
  frameBytesMax: 81_920,
  subscriptionsMax: 256,
  requestChannelsMax: 16,
  framesPerSecondMax: 100,
  framesBurstMax: 200,
  pollWaitSecondsMax: 55,
  connectionsMax: 1000,
  pendingPollsMax: 1000,
  browserRefusalsPerSecondMax: 10,
  proxyProtocol: false,
  allowedOrigins: ['https://app.example'],
  outboxBytesMax: 65_536,
  outboxesBytesMax: 268_435_456,
  shutdownGraceSeconds: 2,
}

const testHubLimits: HubLimits = {
  publicationBytesMax: 65_536,
  channelsMax: 10_000,
  lingeringMax: 1000,
  lingerMs: 30_000,
  ringCountMax: 100,
  ringBytesMax: 262_144,
  ringsBytesMax: 67_108_864,
}

const testDurableLimits: DurableOptions['limits'] = {
  recoveryCountMax: 1_000,
  recoveryBytesMax: 1_048_576,
  recoveriesBytesMax: 67_108_864,
  patternChannelsMax: 10_000,
  verifyMs: 60_000,
}

/** Ends with the test. */
export async function startTestGateway(
  t: TestContext,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const engine = loadEngine()
  assert.ok(engine.ok)
  const clock = options.clock ?? systemClock
  const broker = options.broker ?? new MemoryBroker()
  const settings = { ...testSettings, ...options.settings }
  const limits = { ...testHubLimits, ...options.hubLimits }
  const { namespaces } = settings
  const { publicationBytesMax } = limits
  const layout = { subjectPrefix: 'rt', namespaces, publicationBytesMax }
  const history = options.history ?? new MemoryHistory({ broker, layout, clock })
  const hub = new Hub({
    broker,
    clock,
    limits,
    subjectPrefix: 'rt',
    onEvent: () => {},
    durable: {
      history,
      namespaces,
      limits: { ...testDurableLimits, ...options.durableLimits },
      onEvent: () => {},
    },
  })
  const authentication = await createAuthentication(
    {
      jwtSecrets: [testSecret],
      clockToleranceSeconds: 5,
      tokenLifetimeSecondsMax: 3600,
      ...options.authentication,
    },
    clock,
    () => {},
  )
  await authentication.firstFetch
  const counters = new Counters()
  const internalErrors: unknown[] = []
  const gateway = await startGateway({
    engine: engine.engine,
    settings,
    hub,
    authenticator: options.authenticator ?? authentication.authenticator,
    clock,
    random: options.random ?? Math.random,
    counters,
    onInternalError: (error) => internalErrors.push(error),
    ...(options.observeDelay !== undefined && { observeDelay: options.observeDelay }),
  })
  await hub.start()
  t.after(async () => {
    // It may wait for large answers to leave, by timers that keep no process alive.
    const held = setInterval(() => {}, 1000)
    await gateway.close()
    authentication.close()
    await hub.close()
    clearInterval(held)
    assert.deepEqual(internalErrors, [])
  })
  const { port } = gateway
  const http = `http://127.0.0.1:${port}`
  const ws = `ws://127.0.0.1:${port}/v1/events`
  return { gateway, hub, broker, history, counters, http, ws, port, internalErrors }
}

/** Waits for a condition that the test cannot be told of; fails after five seconds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!condition()) {
    if (Date.now() > deadline) assert.fail(`did not happen within 5 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
