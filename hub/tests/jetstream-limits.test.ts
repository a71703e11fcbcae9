/** What JetStream may use is used up while nodes run: no publication is lost unsaid. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import type { BrokerEvent } from '../broker.js'
import type { HistoryLayout } from '../history-layout.js'
import type { HistoryEvent } from '../history.js'
import { Hub, type HubPublishResult } from '../hub.js'
import { askJetStream } from './jetstream-api.js'
import type { NatsServer } from './nats-server.js'
import { connectJetStreamHistory, quickClock, testLayout } from './opened-history.js'
import type { JetStreamChoices } from './opened-history.js'
import { defaultLimits, Recorder, subscribe } from './opened-hub.js'
import { channel, mib } from './read-history.js'
import { until, untilAnswered } from './until.js'

const bounded = { timeout: 60_000 }
const one = channel('orders.1')
const chat = channel('chat.1')
const encoder = new TextEncoder()
const unavailable = { ok: false, code: 'broker_unavailable' }
const smallest = { sender: undefined, contentType: undefined }
const durableLimits = {
  recoveryCountMax: 1_000,
  recoveryBytesMax: mib,
  recoveriesBytesMax: 16 * mib,
  patternChannelsMax: 1_000,
  verifyMs: 60_000,
}

type Storage = 'file' | 'memory'

interface Place {
  readonly server: NatsServer
  /** As an operator has one. */
  readonly operator: NatsConnection
}

/** A limit that is used up by another stream, and how room is made again. */
interface Way {
  readonly title: string
  readonly storage: Storage
  readonly reason: string
  readonly choices: JetStreamChoices
  makeRoom(place: Place): Promise<void>
}

/** The durable namespaces reserve half of it. */
const little = '4MB'
const more = '8MB'
const account = {
  config: `accounts { A {
    jetstream: { max_file: ${little}, max_memory: ${little} }, users: [{ user: all, password: pw }]
  } }`,
  user: 'all',
  admin: 'all',
}

async function raiseLimits({ server }: Place): Promise<void> {
  server.reload((config) => config.replaceAll(little, more))
}

function layoutOf(storage: Storage): HistoryLayout {
  const layout = testLayout(storage)
  const namespaces = [...layout.namespaces].map(([name, namespace]) => {
    const { history } = namespace
    const kept = history && { ...history, maxBytes: Math.min(history.maxBytes, 400_000) }
    return [name, { ...namespace, history: kept }] as const
  })
  return { ...layout, namespaces: new Map(namespaces) }
}

/** Somebody else's stream, which reserves nothing, takes everything that is left. */
async function fillWithAnother({ operator }: Place, storage: Storage): Promise<void> {
  const another = { name: 'logs', subjects: ['logs'], storage, retention: 'limits' }
  await askJetStream(operator, 'STREAM.CREATE.logs', { ...another, num_replicas: 1, max_bytes: -1 })
  for (const bytes of [250_000, 4_000]) {
    await untilAnswered(async () => {
      const answer = await operator.request('logs', new Uint8Array(bytes), { timeout: 5_000 })
      return answer.string().includes('"error"')
    })
  }
}

const ways: readonly Way[] = [
  {
    title: 'file storage of the account is used up, until what fills it is purged',
    storage: 'file',
    reason: 'resource limits exceeded for account',
    choices: account,
    makeRoom: async ({ operator }) => void (await askJetStream(operator, 'STREAM.PURGE.logs')),
  },
  {
    title: 'memory of the account is used up, until it may use more',
    storage: 'memory',
    reason: 'resource limits exceeded for account',
    choices: account,
    makeRoom: raiseLimits,
  },
  {
    title: 'file storage of the server is used up, until it may use more',
    storage: 'file',
    reason: 'insufficient resources',
    choices: { jetStreamLimits: `max_file_store: ${little}` },
    makeRoom: raiseLimits,
  },
]

for (const way of ways) test(way.title, bounded, (t) => usedUp(t, way))

async function usedUp(t: TestContext, way: Way): Promise<void> {
  const { hub, place, errors } = await open(t, way)
  const [reader, pattern, talker] = [new Recorder(), new Recorder(), new Recorder()]
  await begun(hub, 'orders.1', reader)
  await begun(hub, 'orders.*', pattern)
  await begun(hub, 'chat.1', talker)
  const stored: string[] = []
  let offset = 0
  const publish = async (text: string): Promise<HubPublishResult> => {
    // What was refused is published again with its key, and is not taken for a duplicate.
    const options = { ...smallest, idempotencyKey: text }
    const result = await hub.publish(one, encoder.encode(text.padEnd(1_000)), options)
    if (!result.ok) return result
    stored.push(text)
    assert.equal(result.offset, (offset += 1), 'no offset is left out')
    return result
  }
  for (const text of ['a', 'b', 'c']) assert.ok((await publish(text)).ok)

  await fillWithAnother(place, way.storage)
  let refused = 0
  await untilAnswered(async () => !(await publish(`before ${(refused += 1)}`)).ok)
  for (const text of ['d', 'e']) assert.deepEqual(await publish(text), unavailable)
  const said = `publish to rt_orders: ${way.reason}`
  assert.deepEqual(errors, [said], 'the reason is told, and once')
  // Everything else goes on: what is ephemeral, and what was stored.
  assert.deepEqual(await hub.publish(chat, encoder.encode('hi'), smallest), { ok: true })
  await until(() => talker.heard.length > 0)
  const history = await hub.history(one, 0, 100)
  assert.ok(history.ok && history.publications.length === stored.length)
  const newcomer = new Recorder()
  await begun(hub, 'orders.1', newcomer, 0)
  await until(() => newcomer.heard.length === stored.length)
  await begun(hub, 'orders.2', new Recorder())

  await way.makeRoom(place)
  await untilAnswered(async () => (await publish('d')).ok)
  for (const text of ['e', 'f']) assert.ok((await publish(text)).ok)
  for (const recorder of [reader, pattern, newcomer]) {
    await until(() => recorder.heard.length >= stored.length)
    assert.deepEqual(textsOf(recorder), stored)
  }
  assert.deepEqual(textsOf(talker), ['hi'])
  assert.deepEqual(errors, [said])
}

interface Opened {
  readonly hub: Hub
  readonly place: Place
  /** The reasons of all events that are errors. */
  readonly errors: readonly string[]
}

async function open(t: TestContext, { storage, choices }: Way): Promise<Opened> {
  const layout = layoutOf(storage)
  const connected = await connectJetStreamHistory(t, { ...choices, layout })
  const { server, broker, history, connect } = connected
  const errors: string[] = []
  let available = 0
  const onEvent = (event: BrokerEvent | HistoryEvent | { readonly type: 'long_scan' }): void => {
    if (event.type === 'error') errors.push(event.reason)
    if (event.type === 'unavailable') errors.push(`unavailable: ${event.reason}`)
    if (event.type === 'available') available += 1
  }
  const hub = new Hub({
    broker,
    clock: quickClock,
    limits: { ...defaultLimits, publicationBytesMax: layout.publicationBytesMax },
    subjectPrefix: layout.subjectPrefix,
    onEvent,
    durable: { history, namespaces: layout.namespaces, limits: durableLimits, onEvent },
  })
  t.after(() => hub.close())
  await hub.start()
  await until(() => hub.isConnected && available === 5)
  return { hub, place: { server, operator: await connect() }, errors }
}

async function begun(hub: Hub, name: string, recorder: Recorder, after?: number): Promise<void> {
  const subscription = subscribe(hub, name, recorder)
  const epoch = hub.durable.get('orders')?.epoch ?? ''
  const start = after === undefined ? {} : { position: { epoch, offset: after } }
  const answer = await hub.begin(subscription, start)
  assert.ok(answer.ok)
  if (answer.isDurable && after !== undefined) assert.equal(answer.recovered, true)
  hub.release(subscription)
}

function textsOf({ heard }: Recorder): readonly string[] {
  return heard.map((text) => text.trimEnd())
}
