/** Both histories, started, with a plain publisher beside: what the shared tests run over. */
import { headers as natsHeaders, type NatsConnection } from '@nats-io/transport-node'
import type { Broker } from '../broker.js'
import type { Clock } from '../clock.js'
import type { HistoryLayout } from '../history-layout.js'
import type { History, HistoryEvent } from '../history.js'
import {
  defaultJetStreamTimeouts,
  JetStreamHistory,
  type JetStreamTimeouts,
} from '../jetstream-history.js'
import { StreamProvisioner } from '../jetstream-provision.js'
import { streamName, wantedStreams } from '../jetstream-stream.js'
import { MemoryBroker } from '../memory-broker.js'
import { createNatsBroker, type NatsBroker } from '../nats-broker.js'
import type { NatsMessage } from '../nats-message.js'
import { defaultHistory, type HistorySettings, type Namespaces } from '../namespaces.js'
import { askJetStream } from './jetstream-api.js'
import { startNats, type NatsServer, type TestScope } from './nats-server.js'
import { started } from './opened-broker.js'
import { realClock } from './real-clock.js'
import { SwitchHistory } from './switch-history.js'
import { until, untilAnswered } from './until.js'

export interface OpenedHistory {
  readonly history: History
  /** What live publications come by. */
  readonly broker: Broker
  readonly events: readonly HistoryEvent[]
  /** As a domain service does it; resolves when it is stored, with what the store said. */
  store(channel: string, payload: Uint8Array | string, headers?: HeaderList): Promise<void>
  purge(namespace: string): Promise<void>
  delete(namespace: string, offset: number): Promise<void>
  /** Deletes it and makes it anew. */
  renew(namespace: string): Promise<void>
  /** What it returns takes everything back to now. */
  backup(namespace: string): Promise<() => Promise<void>>
  /** The store goes away. What it returns brings it back. */
  takeAway(): Promise<() => Promise<void>>
}

/** A name may come twice. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

export type OpenHistory = (scope: TestScope) => Promise<OpenedHistory>

const settings: HistorySettings = { ...defaultHistory, maxBytes: 64 * 1024 * 1024 }

/** `small` keeps 3 a channel, `tight` 20,000 bytes, `brief` a second, `chat` nothing. */
export function testLayout(storage: 'file' | 'memory' = 'file'): HistoryLayout {
  const kept = { ...settings, storage }
  const histories: Record<string, HistorySettings | undefined> = {
    default: kept,
    orders: kept,
    small: { ...kept, messagesPerChannel: 3 },
    tight: { ...kept, maxBytes: 20_000 },
    brief: { ...kept, maxAgeSeconds: 1 },
    chat: undefined,
  }
  const namespaces: Namespaces = new Map(
    Object.entries(histories).map(([name, history]) => [name, { history, patterns: true }]),
  )
  return { namespaces, subjectPrefix: 'rt', publicationBytesMax: 65_536 }
}

export const openMemoryHistory: OpenHistory = async (scope) => {
  const broker = new MemoryBroker()
  const history = new SwitchHistory({ broker, layout: testLayout(), clock: realClock })
  await started(broker)
  const events = listeningTo(history)
  await history.start()
  scope.after(() => history.close())
  return {
    history,
    broker,
    events,
    async store(channel, payload, headers = []) {
      const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload
      await broker.publish(`rt.pub.${channel}`, bytes, Object.fromEntries(headers))
    },
    purge: async (namespace) => history.purge(namespace),
    delete: async (namespace, offset) => history.delete(namespace, offset),
    renew: async (namespace) => history.wipe(namespace),
    async backup(namespace) {
      const state = await history.state(namespace)
      return async () => history.rewind(namespace, state?.last ?? 0)
    },
    async takeAway() {
      history.switchTo(false)
      return async () => history.switchTo(true)
    },
  }
}

export interface OpenedJetStream extends OpenedHistory {
  readonly server: NatsServer
  readonly reader: NatsBroker
  readonly history: JetStreamHistory
}

export interface JetStreamChoices {
  readonly layout?: HistoryLayout
  readonly timeouts?: JetStreamTimeouts
  /** With users: who the history is, and who the service and the test. */
  readonly config?: string
  readonly jetStreamLimits?: string
  readonly user?: string
  readonly admin?: string
  /** What the reads connection receives and loses. */
  readonly isLost?: (message: NatsMessage) => boolean
}

function losing(reader: NatsBroker, isLost: (message: NatsMessage) => boolean): void {
  const subscribe = reader.subscribe.bind(reader)
  reader.subscribe = (subject, receive) =>
    subscribe(subject, (message) => {
      if (!isLost(message)) receive(message)
    })
}

/** Timers that wait for a server run 12 times as fast, so that tests are quick. */
export const quickClock: Clock = {
  ...realClock,
  after: (ms: number, run: () => void) => realClock.after(ms >= 5_000 ? ms : ms / 12, run),
}
const timeouts = { connectMs: 2_000, pingIntervalMs: 15_000 }

/** Not started yet: a hub does it, or whoever opens the history alone. */
export interface ConnectedJetStream extends Pick<OpenedJetStream, 'server' | 'reader' | 'history'> {
  readonly broker: NatsBroker
  readonly layout: HistoryLayout
  /** A plain client, who may do everything. */
  connect(): Promise<NatsConnection>
}

export async function connectJetStreamHistory(
  scope: TestScope,
  {
    layout = testLayout(),
    timeouts: historyTimeouts = defaultJetStreamTimeouts,
    isLost,
    config = '',
    jetStreamLimits,
    user,
    admin,
  }: JetStreamChoices = {},
): Promise<ConnectedJetStream> {
  const limits = jetStreamLimits === undefined ? {} : { jetStreamLimits }
  const server = await startNats(scope, { jetStream: true, config, ...limits })
  const login = admin === undefined ? {} : { user: admin, pass: 'pw' }
  const connect = (): Promise<NatsConnection> => server.connect({ reconnect: false, ...login })
  await provisioned(await connect(), layout)
  const options = { url: server.url, ...(user !== undefined && { user, password: 'pw' }) }
  const broker = await createNatsBroker(options, quickClock, Math.random, timeouts)
  const reader = await createNatsBroker(options, quickClock, Math.random, timeouts)
  if (isLost !== undefined) losing(reader, isLost)
  const history = new JetStreamHistory({
    ...{ publisher: broker, reader, layout, clock: quickClock, random: Math.random },
    timeouts: historyTimeouts,
  })
  scope.after(() => history.close())
  scope.after(() => broker.close())
  return { server, broker, reader, history, layout, connect }
}

export async function openJetStreamHistory(
  scope: TestScope,
  choices: JetStreamChoices = {},
): Promise<OpenedJetStream> {
  const connected = await connectJetStreamHistory(scope, choices)
  const { server, broker, reader, history, layout, connect } = connected
  let service = await connect()
  await started(broker)
  const events = listeningTo(history)
  await history.start()
  await until(() => events.filter(({ type }) => type === 'available').length === 5)
  const names = [...wantedStreams(layout).keys()]
  /** After a restart. NATS forgets streams in memory, if it is one server alone. */
  const usable = async (): Promise<void> => {
    service = await connect()
    await provisioned(service, layout)
    for (const name of names) await untilAnswered(() => history.state(name))
  }
  return {
    ...{ history, broker, reader, events, server },
    store: (channel, payload, headers = []) => stored(service, channel, payload, headers),
    purge: async (namespace) => void (await askJetStream(service, `STREAM.PURGE.rt_${namespace}`)),
    async delete(namespace, seq) {
      await askJetStream(service, `STREAM.MSG.DELETE.rt_${namespace}`, { seq })
    },
    async renew(namespace) {
      await askJetStream(service, `STREAM.DELETE.${streamName('rt', namespace)}`)
      await provisioned(service, layout)
      await untilAnswered(() => history.state(namespace))
    },
    async backup() {
      const snapshot = await server.snapshot()
      await usable()
      return async () => {
        await server.restartFrom(snapshot)
        await usable()
      }
    },
    async takeAway() {
      await server.kill()
      await until(() => !reader.isConnected)
      return async () => {
        await server.restart()
        await usable()
      }
    },
  }
}

export async function provisioned(service: NatsConnection, layout: HistoryLayout): Promise<void> {
  const provisioner = new StreamProvisioner(service, layout)
  for (const check of await provisioner.check()) {
    const result = await provisioner.provision(check)
    if (!result.ok) throw new Error(result.sentence)
  }
}

/** The publication is stored, or this throws with what the stream said. */
async function stored(
  service: NatsConnection,
  channel: string,
  payload: Uint8Array | string,
  list: HeaderList,
): Promise<void> {
  const headers = natsHeaders()
  for (const [name, value] of list) headers.append(name, value)
  const options = { timeout: 5_000, ...(list.length > 0 && { headers }) }
  const answer = await service.request(`rt.pub.${channel}`, payload, options)
  const { error } = answer.json<{ readonly error?: { readonly description: string } }>()
  if (error !== undefined) throw new Error(error.description)
}

export function listeningTo(history: History): readonly HistoryEvent[] {
  const events: HistoryEvent[] = []
  history.onEvent((event) => events.push(event))
  return events
}
