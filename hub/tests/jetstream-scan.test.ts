/** A scan over a real stream: what is sent ahead is bounded, whatever the publications are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JetStreamScan } from '../jetstream-scan.js'
import { createNatsBroker } from '../nats-broker.js'
import type { StoredPublication } from '../history.js'
import { askJetStream, createStream, publishAcked } from './jetstream-api.js'
import { startNats, type TestScope } from './nats-server.js'
import { started } from './opened-broker.js'
import { realClock } from './real-clock.js'
import { until } from './until.js'

const bounded = { timeout: 60_000 }

interface Scene {
  store(sizes: readonly number[]): Promise<void>
  scan(): Promise<readonly StoredPublication[]>
  /** What a pull of so many bytes brings to who has got nothing yet, and then one of a million. */
  pull(bytes: number): Promise<readonly Pulled[]>
}

interface Pulled {
  readonly status: number | undefined
  readonly bytes: number
}

const million = 1_000_000
const nsPerMs = 1_000_000

async function begin(scope: TestScope): Promise<Scene> {
  const server = await startNats(scope, { jetStream: true })
  const service = await server.connect()
  await createStream(service, 'orders')
  const timeouts = { connectMs: 2_000, pingIntervalMs: 15_000 }
  const broker = await createNatsBroker({ url: server.url }, realClock, Math.random, timeouts)
  scope.after(() => broker.close())
  await started(broker)
  const source = {
    ...{ broker, clock: realClock, timeoutMs: 2_000 },
    ...{ stream: 'rt_orders', prefix: 'rt.pub.' },
  }
  return {
    async store(sizes) {
      const all = sizes.map((size) => publishAcked(service, 'rt.pub.orders.1', 'x'.repeat(size)))
      await Promise.all(all)
    },
    async scan() {
      const found: StoredPublication[] = []
      const end = await new JetStreamScan(source, 1, (one) => void found.push(one)).ended
      assert.ok(end !== undefined)
      return found
    },
    async pull(bytes) {
      // Part of what is counted: of one length.
      const name = `probe-${String(bytes).padStart(9, '0')}`
      const inbox = `_INBOX.${name}`
      const config = { name, ack_policy: 'none', inactive_threshold: 5_000 * nsPerMs }
      const wanted = { stream_name: 'rt_orders', config }
      await askJetStream(service, `CONSUMER.CREATE.rt_orders.${name}`, wanted)
      const pulled: Pulled[] = []
      let rest = 0
      const subscription = broker.subscribe(inbox, (message) => {
        pulled.push({ status: message.status, bytes: message.bytes })
        rest = Number(message.header('Nats-Pending-Bytes'))
      })
      await subscription.confirm()
      const expiresMs = { [bytes]: 100, [million]: 200 }
      for (const max of [bytes, million]) {
        const pull = { batch: 1_000, max_bytes: max, expires: (expiresMs[max] ?? 0) * nsPerMs }
        const subject = `$JS.API.CONSUMER.MSG.NEXT.rt_orders.${name}`
        service.publish(subject, JSON.stringify(pull), { reply: inbox })
      }
      await until(() => rest > million / 2)
      subscription.unsubscribe()
      return pulled
    },
  }
}

test('a scan of far more than is sent ahead is whole', bounded, async (t) => {
  const { store, scan } = await begin(t)
  // 256 of them, with subject and reply, would fill a pull to the byte at some size.
  await store(Array.from({ length: 4_000 }, (_, at) => 200 + (at % 900)))
  const offsets = (await scan()).map(({ offset }) => offset)
  assert.deepEqual(
    offsets,
    offsets.map((_, at) => at + 1),
  )
  assert.equal(offsets.length, 4_000)
})

test('publications that are larger than a pull come too', bounded, async (t) => {
  const { store, scan } = await begin(t)
  const sizes = [10, 131_072, 10, 900_000, 10, 10, 700_000, 300_000, 10]
  for (const size of sizes) await store([size])
  const got = await scan()
  assert.deepEqual(
    got.map(({ payload }) => payload.length),
    sizes,
  )
})

test('the server counts the bytes of a pull as we do', bounded, async (t) => {
  const { store, pull } = await begin(t)
  await store([100, 100, 100])
  const [first, second] = await pull(1)
  assert.equal(first?.status, 409)
  assert.ok(second !== undefined && second.status === undefined)
  const statuses = async (bytes: number): Promise<unknown> =>
    (await pull(bytes)).map(({ status }) => status)
  const none = undefined
  assert.deepEqual(await statuses(second.bytes - 1), [409, none, none, none, 408])
  assert.deepEqual(await statuses(second.bytes), [none, none, none, 408])
})
