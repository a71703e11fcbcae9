/** What every broker promises to the hub. Run over each of them. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { BrokerMessage } from '../broker.js'
import type { OpenBroker, OpenedBroker } from './opened-broker.js'
import { until } from './until.js'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const noBytes = new Uint8Array()

/** Collects payloads as text, with the subject in front. */
function collect(received: string[]): (message: BrokerMessage) => void {
  return (message) => void received.push(`${message.subject} ${decoder.decode(message.payload)}`)
}

/** Resolves when everything that was published before has been delivered. */
async function settled({ broker, publish }: OpenedBroker): Promise<void> {
  let isThere = false
  const subscription = broker.subscribe('barrier', () => (isThere = true))
  assert.equal(await subscription.confirm(), true)
  publish('barrier', noBytes)
  await until(() => isThere)
  subscription.unsubscribe()
}

const wildcards: readonly [pattern: string, matches: readonly string[]][] = [
  ['a', ['a']],
  ['a.b', ['a.b']],
  ['*', ['a', 'ab']],
  ['>', ['a', 'a.b', 'a.b.c', 'a.c', 'ab', 'b.b', 'b.b.c']],
  ['a.*', ['a.b', 'a.c']],
  ['a.>', ['a.b', 'a.b.c', 'a.c']],
  ['*.b', ['a.b', 'b.b']],
  ['*.b.>', ['a.b.c', 'b.b.c']],
  ['a.*.c', ['a.b.c']],
  ['*.*', ['a.b', 'a.c', 'b.b']],
]
const subjects = ['a', 'a.b', 'a.b.c', 'a.c', 'ab', 'b.b', 'b.b.c']

function delivery(name: string, open: OpenBroker): void {
  test(`${name}: a payload arrives byte for byte, an empty one too`, async (t) => {
    const { broker, publish } = await open(t)
    const received: Uint8Array[] = []
    const subscription = broker.subscribe('a', ({ payload }) => received.push(payload.slice()))
    assert.equal(await subscription.confirm(), true)
    const everyByte = Uint8Array.from({ length: 256 }, (_, at) => at)
    publish('a', everyByte)
    publish('a', noBytes)
    assert.deepEqual(await broker.publish('a', everyByte, {}), { ok: true })
    await until(() => received.length === 3)
    assert.deepEqual(received.map((payload) => payload.length).sort(), [0, 256, 256])
    assert.deepEqual(received.find((payload) => payload.length > 0)?.join(), everyByte.join())
  })

  test(`${name}: wildcards mean what NATS means by them (PROTOCOL 2.3)`, async (t) => {
    const opened = await open(t)
    const received = wildcards.map(([pattern]) => {
      const got: string[] = []
      opened.broker.subscribe(pattern, ({ subject }) => void got.push(subject))
      return got
    })
    await settled(opened)
    for (const subject of subjects) opened.publish(subject, noBytes)
    await settled(opened)
    for (const [at, [pattern, matches]] of wildcards.entries()) {
      const got = received[at]?.filter((subject) => subject !== 'barrier')
      assert.deepEqual(got?.sort(), matches, pattern)
    }
  })
}

function order(name: string, open: OpenBroker): void {
  test(`${name}: every subscription receives in the order of publishing`, async (t) => {
    const opened = await open(t)
    const received: string[][] = [[], [], [], []]
    const patterns = ['a.b', 'a.b', 'a.*', 'a.>']
    for (const [at, pattern] of patterns.entries()) {
      opened.broker.subscribe(pattern, collect(received[at] as string[]))
    }
    await settled(opened)
    const sent = Array.from({ length: 500 }, (_, number) => `a.b ${number}`)
    for (const number of sent.keys()) opened.publish('a.b', encoder.encode(`${number}`))
    await settled(opened)
    for (const got of received) assert.deepEqual(got, sent)
  })

  test(`${name}: what a receiver publishes comes after what it received`, async (t) => {
    const opened = await open(t)
    const received: string[][] = [[], []]
    opened.broker.subscribe('a', (message) => {
      collect(received[0] as string[])(message)
      if (decoder.decode(message.payload) === '1') {
        void opened.broker.publish('a', encoder.encode('2'), {})
      }
    })
    opened.broker.subscribe('a', collect(received[1] as string[]))
    await settled(opened)
    opened.publish('a', encoder.encode('1'))
    await until(() => received.every((got) => got.length === 2))
    assert.deepEqual(received, [
      ['a 1', 'a 2'],
      ['a 1', 'a 2'],
    ])
  })

  test(`${name}: the bytes of a payload may change once it is published`, async (t) => {
    const { broker } = await open(t)
    const received: string[] = []
    const subscription = broker.subscribe('a', collect(received))
    await subscription.confirm()
    const payload = encoder.encode('before')
    const published = broker.publish('a', payload, {})
    payload.fill(0)
    assert.deepEqual(await published, { ok: true })
    await until(() => received.length === 1)
    assert.deepEqual(received, ['a before'])
  })
}

function headers(name: string, open: OpenBroker): void {
  test(`${name}: headers arrive as they were given, an absent one is undefined`, async (t) => {
    const { broker } = await open(t)
    const received: (string | undefined)[] = []
    const subscription = broker.subscribe('a', (message) => {
      for (const header of ['Tidegate-Sender', 'Content-Type', 'content-type', 'X', 'toString']) {
        received.push(message.header(header))
      }
    })
    await subscription.confirm()
    await broker.publish('a', noBytes, { 'Tidegate-Sender': 'ü: 😀', 'Content-Type': 'text/x' })
    await broker.publish('a', encoder.encode('\r\nX: payload\r\n'), {})
    await until(() => received.length === 10)
    const nothing = Array<undefined>(8).fill(undefined)
    assert.deepEqual(received, ['ü: 😀', 'text/x', ...nothing])
  })

  test(`${name}: a header that cannot be carried is refused, never changed`, async (t) => {
    const { broker } = await open(t)
    for (const value of ['', ' u', 'u ', 'u\r\nX: 1', 'u\n', '\u0000', '\ud800']) {
      const result = await broker.publish('a', noBytes, { 'Tidegate-Sender': value })
      assert.deepEqual(result, { ok: false, code: 'broker_unavailable' }, JSON.stringify(value))
    }
  })
}

async function throwing(t: TestContext, open: OpenBroker): Promise<void> {
  const opened = await open(t)
  const received: string[] = []
  opened.broker.subscribe('a', () => {
    throw new Error('a bug')
  })
  opened.broker.subscribe('a', collect(received))
  await settled(opened)
  for (let number = 0; number < 100; number += 1) opened.publish('a', encoder.encode('x'))
  await settled(opened)
  assert.equal(received.length, 100)
  const errors = opened.events.filter((event) => event.type === 'error')
  assert.deepEqual(errors, [{ type: 'error', reason: 'receiver of a: Error: a bug' }])
}

function lifetime(name: string, open: OpenBroker): void {
  test(`${name}: one connected event, and confirmations are true`, async (t) => {
    const { broker, events } = await open(t)
    assert.deepEqual(
      events.map((event) => event.type),
      ['connected'],
    )
    const confirmations = [1, 2, 3].map((at) => broker.subscribe(`a.${at}`, () => {}).confirm())
    assert.deepEqual(await Promise.all(confirmations), [true, true, true])
  })

  test(`${name}: an ended subscription receives nothing and confirms nothing`, async (t) => {
    const opened = await open(t)
    const received: string[] = []
    const ended = opened.broker.subscribe('a', collect(received))
    const other = opened.broker.subscribe('a', collect(received))
    await settled(opened)
    ended.unsubscribe()
    ended.unsubscribe()
    assert.equal(await ended.confirm(), false)
    opened.publish('a', encoder.encode('1'))
    await settled(opened)
    assert.deepEqual(received, ['a 1'])
    other.unsubscribe()
  })

  test(`${name}: a receiver may end itself and others while it receives`, async (t) => {
    const opened = await open(t)
    let count = 0
    const subscriptions = [1, 2, 3].map(() =>
      opened.broker.subscribe('a.>', () => {
        count += 1
        for (const subscription of subscriptions) subscription.unsubscribe()
      }),
    )
    await settled(opened)
    opened.publish('a.b', noBytes)
    opened.publish('a.b', noBytes)
    await settled(opened)
    assert.equal(count, 1)
  })

  test(`${name}: a receiver that throws disturbs nobody, and is reported once`, (t) =>
    throwing(t, open))

  test(`${name}: a closed broker says so to whoever still asks`, async (t) => {
    const { broker, events } = await open(t)
    const subscription = broker.subscribe('a', () => {})
    assert.equal(await subscription.confirm(), true)
    await broker.close()
    await broker.close()
    assert.equal(broker.isConnected, false)
    assert.equal(await subscription.confirm(), false)
    assert.equal(await broker.subscribe('b', () => {}).confirm(), false)
    const result = await broker.publish('a', noBytes, {})
    assert.deepEqual(result, { ok: false, code: 'broker_unavailable' })
    subscription.unsubscribe()
    assert.equal(events.length, 1)
  })
}

export function brokerContract(name: string, open: OpenBroker): void {
  delivery(name, open)
  order(name, open)
  headers(name, open)
  lifetime(name, open)
}
