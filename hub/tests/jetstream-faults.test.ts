/** What may go wrong between a node and JetStream: nothing of it is taken for an empty history. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { StoredPublication } from '../history.js'
import type { NatsMessage } from '../nats-message.js'
import { askJetStream, streamInfo } from './jetstream-api.js'
import { openJetStreamHistory, provisioned, testLayout } from './opened-history.js'
import type { OpenedJetStream } from './opened-history.js'
import { channel, linesOf, mib, readAll, scanned, storeMany } from './read-history.js'
import { until, untilAnswered } from './until.js'

const bounded = { timeout: 60_000 }
const unavailable = { ok: false, code: 'broker_unavailable' }
const one = channel('orders.1')
const noBytes = new Uint8Array()

/** A publication with this offset, as a consumer delivers it or as a direct get answers it. */
function has(offset: number, message: NatsMessage): boolean {
  const { reply } = message
  if (reply.startsWith('$JS.ACK.')) return reply.split('.')[5] === String(offset)
  return message.header('Nats-Sequence') === String(offset)
}

function reasonsOf({ events }: OpenedJetStream): readonly string[] {
  return events.flatMap((event) => (event.type === 'unavailable' ? [event.reason] : []))
}

test('a deleted stream is unavailable, and another history once it is made again', bounded, (t) =>
  deleted(t),
)

async function deleted(t: TestContext): Promise<void> {
  const opened = await openJetStreamHistory(t)
  const { history, server, events } = opened
  await storeMany(opened, 'orders.1', 3)
  const before = await history.state('orders')
  const service = await server.connect()
  await askJetStream(service, 'STREAM.DELETE.rt_orders')
  await until(() => reasonsOf(opened).length > 0)
  assert.deepEqual(reasonsOf(opened), ['the stream does not exist: run `tidegate provision`'])
  assert.equal(await history.state('orders'), undefined)
  assert.equal(await history.screen('orders', [one]), undefined)
  assert.equal(await history.read('orders', one, 1, 10, mib), undefined)
  assert.equal(await history.scan('orders', 1, () => {}).ended, undefined)
  assert.deepEqual(await history.publish(one, noBytes, {}), unavailable)
  assert.deepEqual(await history.publish(channel('a'), noBytes, {}), { ok: true, offset: 1 })

  await provisioned(service, testLayout())
  await until(() => events.filter(({ type }) => type === 'available').length === 6)
  const after = await history.state('orders')
  assert.ok(after !== undefined && before !== undefined && after.epoch !== before.epoch)
  assert.deepEqual(await history.publish(one, noBytes, {}), { ok: true, offset: 1 })
}

test('a stream that became unfit is used no more until it is mended', bounded, async (t) => {
  const opened = await openJetStreamHistory(t)
  const { history, server, events } = opened
  const service = await server.connect()
  const { config } = await streamInfo(service, 'rt_orders')
  const { republish: _republish, ...deaf } = config
  await askJetStream(service, 'STREAM.UPDATE.rt_orders', deaf)
  await until(() => reasonsOf(opened).length > 0)
  assert.match(reasonsOf(opened)[0] ?? '', /unfit \(republish: none → rt\.pub\.> to rt\.live\.>\)/)
  assert.ok(events.some(({ type }) => type === 'changed'))
  assert.deepEqual(await history.publish(one, noBytes, {}), unavailable)
  assert.equal(await history.state('orders'), undefined)
  await provisioned(service, testLayout())
  assert.ok(await untilAnswered(() => history.state('orders')))
  assert.deepEqual(await history.publish(one, noBytes, {}), { ok: true, offset: 1 })
})

test('a change that harms nothing is told, and the history stays', async (t) => {
  const opened = await openJetStreamHistory(t)
  const service = await opened.server.connect()
  const { config } = await streamInfo(service, 'rt_orders')
  const changed = { ...config, max_age: 7_200 * 1_000_000_000 }
  await askJetStream(service, 'STREAM.UPDATE.rt_orders', changed)
  await until(() => opened.events.some(({ type }) => type === 'changed'))
  assert.deepEqual(reasonsOf(opened), [])
  assert.ok(await opened.history.state('orders'))
})

test('a publication that is lost on its way out of a scan breaks the scan', async (t) => {
  const opened = await openJetStreamHistory(t, { isLost: (message) => has(4, message) })
  await storeMany(opened, 'orders.1', 10)
  const taken: StoredPublication[] = []
  const end = await opened.history.scan('orders', 1, (publication) => taken.push(publication)).ended
  assert.equal(end, undefined)
  assert.deepEqual(linesOf(taken), ['1 1', '2 2', '3 3'])
})

test('a scan whose last publication is lost never claims that it got there', bounded, async (t) => {
  const opened = await openJetStreamHistory(t, { isLost: (message) => has(3, message) })
  await storeMany(opened, 'orders.1', 3)
  const scan = opened.history.scan('orders', 1, () => {})
  assert.equal(await scan.ended, undefined)
  assert.equal(scan.position, 2)
})

for (const [which, offset] of [
  ['first', 1],
  ['middle', 5],
  ['last', 10],
] as const) {
  test(`the ${which} publication of a read is lost on its way: the read fails`, async (t) => {
    let isLossy = false
    const isLost = (message: NatsMessage): boolean => isLossy && has(offset, message)
    const { history, store } = await openJetStreamHistory(t, { isLost })
    for (let number = 1; number <= 10; number += 1) await store('orders.1', `${number}`)
    await store('orders.2', 'x')
    assert.equal((await history.read('orders', one, 1, 100, mib))?.publications.length, 10)
    isLossy = true
    assert.equal(await history.read('orders', one, 1, 100, mib), undefined)
    const both = [one, channel('orders.2')]
    assert.equal((await history.screen('orders', both))?.newest.size, offset === 10 ? undefined : 2)
  })
}

test('reads, scans and publishes under way end with their connection', bounded, async (t) => {
  const opened = await openJetStreamHistory(t)
  const { history, server } = opened
  await storeMany(opened, 'orders.1', 3)
  await server.freeze()
  const waiting = [
    history.state('orders'),
    history.screen('orders', [one]),
    history.read('orders', one, 1, 10, mib),
    history.scan('orders', 1, () => {}).ended,
  ]
  const published = history.publish(one, noBytes, {})
  await server.kill()
  assert.deepEqual(await Promise.all(waiting), [undefined, undefined, undefined, undefined])
  assert.deepEqual(await published, unavailable)
})

test('a server that does not answer is given up after the timeout', bounded, async (t) => {
  const opened = await openJetStreamHistory(t, { timeouts: { requestMs: 200, publishMs: 200 } })
  const { history, server } = opened
  await server.freeze()
  t.after(() => server.signal('SIGCONT'))
  assert.deepEqual(await history.publish(one, noBytes, {}), unavailable)
  assert.equal(await history.screen('orders', [one]), undefined)
  assert.equal(await history.scan('orders', 1, () => {}).ended, undefined)
  await until(() => reasonsOf(opened).length > 0)
  server.signal('SIGCONT')
  assert.ok(await untilAnswered(() => history.state('orders')))
})

test('more reads than there may be at a time are refused, and the others answered', async (t) => {
  const opened = await openJetStreamHistory(t)
  await storeMany(opened, 'orders.1', 1)
  const asked = Array.from({ length: 1_100 }, () => opened.history.screen('orders', [one]))
  const answers = await Promise.all(asked)
  assert.equal(answers.filter((answer) => answer !== undefined).length, 1_024)
  assert.equal(answers.filter((answer) => answer?.newest.size === 1).length, 1_024)
})

test('what was published to a subject that is no channel is passed over', async (t) => {
  const opened = await openJetStreamHistory(t)
  await opened.store('orders.1', 'a')
  await opened.store('orders.ü', 'b')
  await opened.store('orders.1', 'c')
  await opened.store('orders.$x', 'd')
  const { history } = opened
  const lines = ['1 a', '3 c']
  const { publications, asOf } = await scanned(history, 'orders')
  assert.deepEqual([linesOf(publications), asOf], [lines, 4])
  const page = await readAll(history, 'orders.*')
  assert.deepEqual([linesOf(page.publications), page.asOf], [lines, 4])
  const none = await history.screen('orders', [channel('orders.none')])
  assert.deepEqual(none, { asOf: 4, newest: new Map() })
})

test('a listener that answers requests is not taken for the stream', async (t) => {
  const opened = await openJetStreamHistory(t)
  const service = await opened.server.connect()
  await askJetStream(service, 'STREAM.DELETE.rt_orders')
  service.subscribe('rt.pub.orders.>', {
    callback: (_error, message) => void message.respond('{"stream":"another","seq":7}'),
  })
  await service.flush()
  assert.deepEqual(await opened.history.publish(one, noBytes, {}), unavailable)
})

test('a history that is closed answers nothing more, and nobody waits for it', async (t) => {
  const opened = await openJetStreamHistory(t)
  const { history } = opened
  const asked = [history.screen('orders', [one]), history.read('orders', one, 1, 1, 1)]
  await history.close()
  await Promise.all(asked)
  assert.equal(await history.state('orders'), undefined)
  assert.equal(await history.scan('orders', 1, () => {}).ended, undefined)
})

/** What deploy/nats gives to a gateway node; advisories only make it quicker. */
const permissions = (withAdvisories: boolean): string => `
  subscribe: ["rt.pub.>", "rt.live.>", "_INBOX.>"${
    withAdvisories ? ', "$JS.EVENT.ADVISORY.STREAM.>"' : ''
  }]
  publish: ["rt.pub.>", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*",
    "$JS.API.DIRECT.GET.*", "$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.MSG.NEXT.>",
    "$JS.API.CONSUMER.DELETE.>"]`

for (const withAdvisories of [true, false]) {
  const which = withAdvisories ? 'its few permissions' : 'no advisories'
  test(`a node with ${which} can do everything`, bounded, async (t) => {
    const user = `{ user: node, password: pw, permissions: { ${permissions(withAdvisories)} } }`
    const config = `authorization { users: [${user}, { user: all, password: pw }] }`
    const opened = await openJetStreamHistory(t, { config, user: 'node', admin: 'all' })
    const { history } = opened
    assert.equal(await history.state('orders').then((state) => state?.last), 0)
    const body = new TextEncoder().encode('x')
    for (let offset = 1; offset <= 300; offset += 1) {
      assert.deepEqual(await history.publish(one, body, {}), { ok: true, offset })
    }
    assert.equal((await history.screen('orders', [one]))?.newest.size, 1)
    assert.equal((await history.screen('orders', [channel('orders.2')]))?.asOf, 300)
    assert.equal((await readAll(history, 'orders.*')).publications.length, 100)
    assert.equal((await scanned(history, 'orders')).publications.length, 100)
    const errors = opened.events.filter(({ type }) => type === 'error')
    assert.equal(errors.length > 0, !withAdvisories, JSON.stringify(errors))
  })
}
