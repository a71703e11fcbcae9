/** The audit of what NATS itself delivers: the auditor finds what the harness has lost. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import { createStream } from '../../hub/tests/jetstream-api.js'
import { startNats, type NatsServer } from '../../hub/tests/nats-server.js'
import { startProxy, type TcpProxy } from '../../hub/tests/tcp-proxy.js'
import { until } from '../../hub/tests/until.js'
import { AuditPublisher } from '../../loadtest/audit-publisher.js'
import { sentences } from '../../loadtest/audit-summary.js'
import { audit, type Verdict } from '../../loadtest/auditor.js'
import { numberIn } from '../../loadtest/numbered-payload.js'
import { PublicationLog } from '../../loadtest/publication-log.js'
import type { HeardEvent } from '../../loadtest/subscriber-record.js'
import { limit } from './processes.js'

const channels = ['orders.1', 'orders.2']
const epoch = 'aaaaaaaaaaaa'

interface Started {
  readonly server: NatsServer
  readonly proxy: TcpProxy
  readonly publisher: AuditPublisher
  readonly events: HeardEvent[]
}

/** A stream, its publisher, and behind a proxy a listener to what the stream republishes. */
async function start(t: TestContext): Promise<Started> {
  const server = await startNats(t, { jetStream: true })
  const proxy = await startProxy(t, server.port)
  const service = await server.connect()
  await createStream(service, 'orders')
  const log = new PublicationLog()
  log.beginHistory('orders', epoch)
  const publisher = await AuditPublisher.connect([server.url], log)
  t.after(() => publisher.close())
  const events = await listen(await server.connect({ servers: proxy.url }))
  return { server, proxy, publisher, events }
}

async function listen(client: NatsConnection): Promise<HeardEvent[]> {
  const events: HeardEvent[] = channels.map((name) => {
    return { type: 'subscribed', name, epoch, offset: 0 }
  })
  client.subscribe('rt.live.>', {
    callback: (_, message) => {
      const channel = message.subject.slice('rt.live.'.length)
      const number = numberIn(message.json(), channel)
      const offset = Number(message.headers?.last('Nats-Sequence'))
      const previous = Number(message.headers?.last('Nats-Last-Sequence'))
      events.push({ type: 'publication', name: channel, channel, offset, previous, number })
    },
  })
  await client.flush()
  return events
}

function verdictsOf({ publisher, events }: Started): readonly Verdict[] {
  return audit(publisher.log, [{ subscriber: 'plain', events }])
}

function acknowledged({ publisher }: Started): number {
  return publisher.log.of('orders.>').filter(({ offset }) => offset !== undefined).length
}

test('what a stream republishes passes the audit', limit, async (t) => {
  const started = await start(t)
  started.publisher.start({ channels, pauseMs: 0 })
  await until(() => acknowledged(started) > 500)
  await started.publisher.stop()
  await until(() => started.events.length === acknowledged(started) + channels.length)
  const verdicts = verdictsOf(started)
  assert.deepEqual(sentences(verdicts), [])
  assert.equal(
    verdicts.reduce((sum, { received }) => sum + received, 0),
    acknowledged(started),
  )
})

test('what is lost on the way is found, and nothing else', limit, async (t) => {
  const started = await start(t)
  const { publisher, proxy, events } = started
  publisher.start({ channels, pauseMs: 0 })
  await until(() => acknowledged(started) > 100)
  proxy.drop('rt.live.orders.1', 1, (text) => text.includes('"number":100}'))
  proxy.drop('rt.live.orders.2', 1, (text) => text.includes('"number":103}'))
  await until(
    () =>
      (publisher.log.find('orders.1', 110) && publisher.log.find('orders.2', 110)) !== undefined,
  )
  await publisher.stop()
  await until(() => events.length === acknowledged(started) + channels.length - 2)
  const faults = verdictsOf(started).flatMap((verdict) => verdict.faults)
  assert.deepEqual(
    faults.map((fault) => [fault.type, 'number' in fault && fault.number]),
    [
      ['lost', 100],
      ['lost', 103],
    ],
  )
})

test('a number that was not acknowledged is not sent again', limit, async (t) => {
  const started = await start(t)
  const { publisher, server } = started
  publisher.start({ channels, pauseMs: 0 })
  await until(() => acknowledged(started) > 100)
  await server.kill()
  const before = acknowledged(started)
  await until(() => publisher.log.of('orders.>').length > before + 2)
  await server.restart()
  await until(() => acknowledged(started) > before + 100)
  await publisher.stop()
  const numbers = publisher.log.of('orders.1').map(({ number }) => number)
  assert.deepEqual(
    numbers,
    [...numbers.keys()].map((at) => at + 1),
  )
  assert.ok(publisher.log.of('orders.>').length > acknowledged(started))
})
