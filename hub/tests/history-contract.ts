/** What every history promises to the hub. Run over each of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BrokerMessage } from '../broker.js'
import type { History, StoredPublication } from '../history.js'
import { historyReadsContract } from './history-reads-contract.js'
import type { OpenHistory } from './opened-history.js'
import { channel, linesOf, mib, readAll, scanned, storeMany, textOf } from './read-history.js'
import { until, untilAnswered } from './until.js'

const encoder = new TextEncoder()
/** A history that waits for ever must fail its test, not hold it. */
const bounded = { timeout: 60_000 }

function order(name: string, open: OpenHistory): void {
  test(`${name}: offsets rise within a namespace, with holes within a channel`, async (t) => {
    const opened = await open(t)
    const { history } = opened
    for (const [at, one] of ['a', 'b', 'a', 'default.c', 'a'].entries()) {
      await opened.store(one, `${at}`)
    }
    assert.deepEqual(linesOf((await readAll(history, 'a')).publications), ['1 0', '3 2', '5 4'])
    assert.deepEqual(linesOf((await readAll(history, 'default.c')).publications), ['4 3'])
    assert.deepEqual(linesOf((await readAll(history, 'a', 2)).publications), ['3 2', '5 4'])
    const times = (await readAll(history, 'a')).publications.map(({ time }) => time)
    assert.deepEqual(times, times.toSorted())
    assert.ok(times.every((time) => Number.isInteger(time) && Math.abs(time - Date.now()) < 60_000))
  })

  test(`${name}: a publication keeps its bytes, sender, content type and end`, async (t) => {
    const opened = await open(t)
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at)
    await opened.store('a', bytes)
    await opened.store('a', '', [['Tidegate-Sender', 'ü: 😀']])
    await opened.store('a', '{"big":12345678901234567890}', [
      ['Content-Type', 'text/x'],
      ['Tidegate-End', '1'],
    ])
    for (const publications of [
      (await readAll(opened.history, 'a')).publications,
      (await scanned(opened.history, 'default')).publications,
    ]) {
      assert.deepEqual(publications[0]?.payload, bytes)
      assert.deepEqual(
        publications.map(({ sender, contentType, isEnd }) => [sender, contentType, isEnd]),
        [
          [undefined, undefined, false],
          ['ü: 😀', undefined, false],
          [undefined, 'text/x', true],
        ],
      )
      assert.equal(textOf(publications[2] as StoredPublication), '{"big":12345678901234567890}')
    }
  })

  test(`${name}: what is stored comes live, with its offset, the one before it and its time`, (t) =>
    live(t, open))

  test(`${name}: headers that a publisher forged never count`, (t) => forged(t, open))
}

async function forged(t: Parameters<OpenHistory>[0], open: OpenHistory): Promise<void> {
  const opened = await open(t)
  const live: BrokerMessage[] = []
  const lines: string[] = []
  const subscription = opened.broker.subscribe('rt.live.>', (message) => {
    live.push(message)
    lines.push(['Nats-Sequence', 'Nats-Last-Sequence'].map((h) => message.header(h)).join())
  })
  assert.equal(await subscription.confirm(), true)
  await opened.store('a', 'x')
  await opened.store('a', 'y', [
    ['Nats-Sequence', '999'],
    ['Nats-Last-Sequence', '998'],
    ['Nats-Time-Stamp', '2001-01-01T00:00:00.000000001Z'],
    ['Nats-Subject', 'rt.pub.b'],
    ['Nats-Num-Pending', '7'],
  ])
  await until(() => live.length === 2)
  assert.deepEqual(lines, ['1,0', '2,1'])
  const page = await readAll(opened.history, 'a')
  assert.deepEqual(linesOf(page.publications), ['1 x', '2 y'])
  const [, forged] = page.publications
  assert.ok(Math.abs((forged?.time ?? 0) - Date.now()) < 60_000)
  assert.deepEqual(page, await readAll(opened.history, 'a'))
  assert.deepEqual((await scanned(opened.history, 'default')).publications, page.publications)
}

async function live(t: Parameters<OpenHistory>[0], open: OpenHistory): Promise<void> {
  const opened = await open(t)
  const got: (string | undefined)[][] = []
  const names = ['Nats-Sequence', 'Nats-Last-Sequence', 'Tidegate-Sender', 'Nats-Time-Stamp']
  const subscription = opened.broker.subscribe('rt.live.orders.*', (message) => {
    got.push([message.subject, ...names.map((header) => message.header(header))])
  })
  assert.equal(await subscription.confirm(), true)
  await opened.store('orders.1', 'x', [['Tidegate-Sender', 'u1']])
  await opened.store('orders.2', 'x')
  await opened.store('orders.1', 'x')
  await until(() => got.length === 3)
  assert.deepEqual(
    got.map((fields) => fields.slice(0, 4)),
    [
      ['rt.live.orders.1', '1', '0', 'u1'],
      ['rt.live.orders.2', '2', '0', undefined],
      ['rt.live.orders.1', '3', '1', undefined],
    ],
  )
  const stored = (await readAll(opened.history, 'orders.*')).publications
  for (const [at, fields] of got.entries()) {
    const stamp = fields[4] ?? ''
    assert.match(stamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/)
    assert.equal(Date.parse(stamp), stored[at]?.time)
  }
}

function limits(name: string, open: OpenHistory): void {
  test(`${name}: a channel keeps its newest, as many as the namespace allows`, async (t) => {
    const opened = await open(t)
    await storeMany(opened, 'small.a', 5)
    await opened.store('small.b', 'x')
    const { history } = opened
    assert.deepEqual(linesOf((await readAll(history, 'small.a')).publications), [
      '3 3',
      '4 4',
      '5 5',
    ])
    const state = await history.state('small')
    assert.deepEqual([state?.first, state?.last], [3, 6])
  })

  test(`${name}: a namespace keeps no more bytes than it may`, async (t) => {
    const opened = await open(t)
    for (let number = 0; number < 40; number += 1) {
      await opened.store(`tight.${number}`, new Uint8Array(1_000))
    }
    const { publications, asOf } = await scanned(opened.history, 'tight')
    assert.equal(asOf, 40)
    assert.ok(publications.length >= 10 && publications.length < 20, `${publications.length}`)
    const state = await opened.history.state('tight')
    assert.deepEqual([state?.first, state?.last], [publications[0]?.offset, 40])
  })

  test(`${name}: what is too old is gone, and its offsets stay used`, bounded, async (t) => {
    const opened = await open(t)
    await storeMany(opened, 'brief.a', 3)
    const { history } = opened
    const state = await untilAnswered(async () => {
      const now = await history.state('brief')
      return now !== undefined && now.first > now.last && now
    })
    assert.deepEqual([state.first, state.last], [4, 3])
    const page = await readAll(history, 'brief.a')
    assert.deepEqual([page.publications, page.asOf], [[], 3])
    await opened.store('brief.a', 'x')
    assert.deepEqual(linesOf((await readAll(history, 'brief.a')).publications), ['4 x'])
  })
}

function identity(name: string, open: OpenHistory, isLasting: boolean): void {
  test(`${name}: a history that was made anew has another epoch`, bounded, async (t) => {
    const opened = await open(t)
    await storeMany(opened, 'orders.1', 3)
    const before = await opened.history.state('orders')
    assert.match(before?.epoch ?? '', /^[0-9a-f]{12}$/)
    assert.deepEqual([before?.first, before?.last], [1, 3])
    assert.deepEqual(await opened.history.state('orders'), before)
    assert.notEqual((await opened.history.state('default'))?.epoch, before?.epoch)
    await opened.renew('orders')
    const after = await untilAnswered(() => opened.history.state('orders'))
    assert.notEqual(after.epoch, before?.epoch)
    assert.deepEqual([after.first, after.last], [1, 0])
    await until(() => opened.events.some(({ type }) => type === 'changed'))
  })

  test(`${name}: a purged history goes on counting`, async (t) => {
    const opened = await open(t)
    await storeMany(opened, 'orders.1', 3)
    const before = await opened.history.state('orders')
    await opened.purge('orders')
    assert.deepEqual(await opened.history.state('orders'), { ...before, first: 4, last: 3 })
  })

  if (!isLasting) return
  test(`${name}: a history that was restored from a backup ends before its old end`, bounded, (t) =>
    rewound(t, open),
  )
}

async function rewound(t: Parameters<OpenHistory>[0], open: OpenHistory): Promise<void> {
  const opened = await open(t)
  await storeMany(opened, 'orders.1', 3)
  const restore = await opened.backup('orders')
  const before = await opened.history.state('orders')
  await storeMany(opened, 'orders.1', 2)
  const later = await opened.history.state('orders')
  assert.deepEqual([before?.last, later?.last], [3, 5])
  await restore()
  const after = await untilAnswered(() => opened.history.state('orders'))
  assert.deepEqual(after, before)
  await opened.store('orders.1', 'another')
  const { publications } = await readAll(opened.history, 'orders.1', 4)
  assert.deepEqual(linesOf(publications), ['4 another'])
}

function publishing(name: string, open: OpenHistory): void {
  test(`${name}: a publish is answered with its offset, once it is stored`, async (t) => {
    const { history } = await open(t)
    const payload = encoder.encode('before')
    const published = history.publish(channel('orders.1'), payload, { 'Tidegate-Sender': 'u1' })
    payload.fill(0)
    assert.deepEqual(await published, { ok: true, offset: 1 })
    const second = await history.publish(channel('orders.2'), encoder.encode('x'), {})
    assert.deepEqual(second, { ok: true, offset: 2 })
    const { publications } = await readAll(history, 'orders.1')
    assert.deepEqual(linesOf(publications), ['1 before'])
    assert.equal(publications[0]?.sender, 'u1')
    const other = await history.publish(channel('a'), new Uint8Array(), {})
    assert.deepEqual(other, { ok: true, offset: 1 })
  })

  test(`${name}: the same message id is stored once, and told the same offset`, async (t) => {
    const { history } = await open(t)
    const publish = (text: string, id: string): ReturnType<History['publish']> =>
      history.publish(channel('orders.1'), encoder.encode(text), { 'Nats-Msg-Id': id })
    assert.deepEqual(await publish('x', 'one'), { ok: true, offset: 1 })
    assert.deepEqual(await publish('y', 'two'), { ok: true, offset: 2 })
    assert.deepEqual(await publish('again', 'one'), { ok: true, offset: 1 })
    assert.deepEqual(linesOf((await readAll(history, 'orders.1')).publications), ['1 x', '2 y'])
  })

  test(`${name}: what cannot be stored is refused, and nothing else suffers`, async (t) => {
    const { history } = await open(t)
    const refused = { ok: false, code: 'broker_unavailable' }
    const tooLarge = new Uint8Array(65_536 + 8_193)
    assert.deepEqual(await history.publish(channel('orders.1'), tooLarge, {}), refused)
    const unfit = { 'Tidegate-Sender': 'u\r\nX: 1' }
    assert.deepEqual(await history.publish(channel('orders.1'), new Uint8Array(), unfit), refused)
    assert.deepEqual(await history.publish(channel('chat.1'), new Uint8Array(), {}), refused)
    assert.deepEqual(await history.publish(channel('nope.1'), new Uint8Array(), {}), refused)
    const good = await history.publish(channel('orders.1'), new Uint8Array(65_536), {})
    assert.deepEqual(good, { ok: true, offset: 1 })
  })

  test(`${name}: a namespace without a history has none`, async (t) => {
    const { history } = await open(t)
    for (const namespace of ['chat', 'nope']) {
      assert.equal(await history.state(namespace), undefined)
      assert.equal(await history.screen(namespace, [channel('chat.1')]), undefined)
      assert.equal(await history.read(namespace, channel('chat.1'), 1, 1, 1), undefined)
      assert.equal(await history.scan(namespace, 1, () => {}).ended, undefined)
    }
  })
}

function absence(name: string, open: OpenHistory): void {
  test(`${name}: a history that is away is never taken for an empty one`, bounded, async (t) => {
    const opened = await open(t)
    const { history } = opened
    await storeMany(opened, 'orders.1', 3)
    const bringBack = await opened.takeAway()
    const one = channel('orders.1')
    assert.equal(await history.state('orders'), undefined)
    assert.equal(await history.screen('orders', [one]), undefined)
    assert.equal(await history.read('orders', one, 1, 10, mib), undefined)
    assert.equal(await history.scan('orders', 1, () => {}).ended, undefined)
    const published = await history.publish(one, new Uint8Array(), {})
    assert.deepEqual(published, { ok: false, code: 'broker_unavailable' })
    assert.ok(opened.events.some(({ type }) => type === 'unavailable'))
    await bringBack()
    assert.equal(opened.events.at(-1)?.type, 'available')
    assert.ok(await untilAnswered(() => history.state('orders')))
  })
}

/** `isLasting`: what it keeps outlives a restart of its server. */
export function historyContract(name: string, open: OpenHistory, isLasting: boolean = true): void {
  order(name, open)
  limits(name, open)
  historyReadsContract(name, open)
  identity(name, open, isLasting)
  publishing(name, open)
  absence(name, open)
}
