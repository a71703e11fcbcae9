/** What every history promises of its screens, reads and scans. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Channel } from '../../shared/channel.js'
import { limits } from '../../shared/limits.js'
import type { Pattern } from '../../shared/pattern.js'
import { screenMax } from '../history.js'
import type { OpenHistory } from './opened-history.js'
import { channel, linesOf, mib, readAll, scanned, storeMany, textOf } from './read-history.js'

/** A history that waits for ever must fail its test, not hold it. */
const bounded = { timeout: 60_000 }

function screens(name: string, open: OpenHistory): void {
  test(`${name}: a screen tells the newest of ${screenMax} channels, whole`, async (t) => {
    const opened = await open(t)
    const names = Array.from({ length: screenMax }, (_, at) => `orders.c-${at}:@_`)
    await Promise.all(names.map((one, at) => opened.store(one, `old ${at}`)))
    await Promise.all(names.map((one) => opened.store(one, one, [['Tidegate-Sender', one]])))
    const screened = await opened.history.screen('orders', names.map(channel))
    assert.equal(screened?.asOf, 2 * screenMax)
    assert.equal(screened?.newest.size, screenMax)
    for (const one of names) {
      const publication = screened?.newest.get(channel(one))
      assert.ok(publication)
      assert.deepEqual([textOf(publication), publication.sender], [one, one])
      assert.ok(publication.offset > screenMax)
    }
  })

  test(`${name}: a screen of large publications is whole, too`, bounded, async (t) => {
    const opened = await open(t)
    const names = Array.from({ length: 60 }, (_, at) => `orders.${at}`)
    for (const [at, one] of names.entries())
      await opened.store(one, new Uint8Array(60_000).fill(at))
    const screened = await opened.history.screen('orders', names.map(channel))
    assert.equal(screened?.asOf, 60)
    const found = names.map((one) => screened?.newest.get(channel(one))?.payload)
    assert.deepEqual(
      found.map((payload) => [payload?.length, payload?.[59_999]]),
      names.map((_, at) => [60_000, at]),
    )
  })

  test(`${name}: a screen of channels with nothing still says as of when`, async (t) => {
    const opened = await open(t)
    const nothing = [channel('orders.none'), channel('orders.nil')]
    assert.deepEqual(await opened.history.screen('orders', nothing), { asOf: 0, newest: new Map() })
    await storeMany(opened, 'orders.1', 5)
    assert.deepEqual(await opened.history.screen('orders', nothing), { asOf: 5, newest: new Map() })
    await opened.purge('orders')
    assert.deepEqual(await opened.history.screen('orders', nothing), { asOf: 5, newest: new Map() })
  })

  test(`${name}: a screen tells the one before a newest that was deleted`, async (t) => {
    const opened = await open(t)
    await storeMany(opened, 'orders.1', 3)
    await opened.delete('orders', 3)
    const screened = await opened.history.screen('orders', [channel('orders.1')])
    assert.equal(screened?.asOf, 3)
    assert.deepEqual(linesOf(screened?.newest.values() ?? []), ['2 2'])
  })
}

function reads(name: string, open: OpenHistory): void {
  test(`${name}: a read is cut by count, and goes on where it was cut`, async (t) => {
    const opened = await open(t)
    await storeMany(opened, 'orders.1', 10)
    await opened.store('orders.2', 'x')
    const { history } = opened
    const first = await history.read('orders', channel('orders.1'), 1, 4, mib)
    assert.deepEqual([first?.publications.length, first?.isWhole, first?.asOf], [4, false, 4])
    const second = await history.read('orders', channel('orders.1'), 5, 6, mib)
    assert.deepEqual([second?.publications.length, second?.isWhole, second?.asOf], [6, true, 11])
    const none = await history.read('orders', channel('orders.1'), 11, 6, mib)
    assert.deepEqual(none, { publications: [], isWhole: true, asOf: 11 })
    const beyond = await history.read('orders', channel('orders.1'), 500, 6, mib)
    assert.deepEqual(beyond, { publications: [], isWhole: true, asOf: 11 })
  })

  test(`${name}: one read gives a whole page of history`, async (t) => {
    const opened = await open(t)
    const { historyLimitMax: most } = limits
    // Of several channels: fewer are kept of one.
    const names = Array.from({ length: most + 1 }, (_, at) => `orders.${at % 11}`)
    await Promise.all(names.map((one) => opened.store(one, 'x')))
    const page = await opened.history.read('orders', 'orders.*' as Pattern, 1, most, mib)
    assert.deepEqual([page?.publications.length, page?.isWhole], [most, false])
  })

  test(`${name}: a read is cut by bytes, and has at least one`, async (t) => {
    const opened = await open(t)
    for (let at = 0; at < 5; at += 1) await opened.store('orders.1', new Uint8Array(1_000))
    const { history } = opened
    const one = await history.read('orders', channel('orders.1'), 1, 100, 1)
    assert.deepEqual([one?.publications.length, one?.isWhole, one?.asOf], [1, false, 1])
    const some = await history.read('orders', channel('orders.1'), 1, 100, 3_000)
    assert.ok(some !== undefined && some.publications.length >= 2 && !some.isWhole)
    assert.equal((await readAll(history, 'orders.1')).publications.length, 5)
  })

  test(`${name}: a read of a pattern takes every channel that matches, in one order`, async (t) => {
    const opened = await open(t)
    const names = ['orders.a', 'orders.a.b', 'orders.c:@', 'default.x', 'single', 'orders.a']
    for (const one of names) await opened.store(one, one)
    const { history } = opened
    const expect = async (pattern: string, lines: readonly string[]): Promise<void> => {
      const page = await readAll(history, pattern)
      assert.deepEqual(linesOf(page.publications), lines, pattern)
    }
    await expect('orders.*', ['1 orders.a', '3 orders.c:@', '4 orders.a'])
    await expect('orders.>', ['1 orders.a', '2 orders.a.b', '3 orders.c:@', '4 orders.a'])
    await expect('orders.*.b', ['2 orders.a.b'])
    await expect('orders.none.*', [])
    await expect('default.*', ['1 default.x'])
    const page = await history.read('orders', channel('orders.x'), 1, 10, mib)
    assert.deepEqual(page, { publications: [], isWhole: true, asOf: 4 })
    const cut = await history.read('orders', 'orders.>' as Channel, 2, 2, mib)
    assert.deepEqual(
      [linesOf(cut?.publications ?? []), cut?.isWhole, cut?.asOf],
      [['2 orders.a.b', '3 orders.c:@'], false, 3],
    )
  })
}

function scans(name: string, open: OpenHistory): void {
  test(`${name}: a scan sees all channels of its namespace and of no other`, async (t) => {
    const opened = await open(t)
    for (const one of ['a', 'orders.1', 'default.b', 'a']) await opened.store(one, one)
    const { publications, asOf } = await scanned(opened.history, 'default')
    assert.deepEqual(linesOf(publications), ['1 a', '2 default.b', '3 a'])
    assert.equal(asOf, 3)
    assert.deepEqual(linesOf((await scanned(opened.history, 'default', 3)).publications), ['3 a'])
    assert.deepEqual(await scanned(opened.history, 'default', 4), { publications: [], asOf: 3 })
    assert.deepEqual(await scanned(opened.history, 'default', 99), { publications: [], asOf: 3 })
  })

  test(`${name}: a scan of nothing ends, as does one whose last was deleted`, async (t) => {
    const opened = await open(t)
    assert.deepEqual(await scanned(opened.history, 'orders'), { publications: [], asOf: 0 })
    await storeMany(opened, 'orders.1', 4)
    await opened.delete('orders', 4)
    const { publications, asOf } = await scanned(opened.history, 'orders')
    assert.deepEqual([publications.length, asOf], [3, 4])
    assert.deepEqual(await scanned(opened.history, 'orders', 4), { publications: [], asOf: 4 })
    await opened.purge('orders')
    assert.deepEqual(await scanned(opened.history, 'orders'), { publications: [], asOf: 4 })
  })

  test(`${name}: a scan of a history that grows ends at a head, without a hole`, bounded, (t) =>
    growing(t, open),
  )

  test(`${name}: a scan can be stopped, and is then not at its end`, async (t) => {
    const opened = await open(t)
    await storeMany(opened, 'orders.1', 20)
    const taken: number[] = []
    const scan = opened.history.scan('orders', 1, ({ offset }) => {
      taken.push(offset)
      if (offset === 5) scan.stop()
    })
    assert.equal(scan.position, 0)
    assert.equal(await scan.ended, undefined)
    assert.deepEqual(taken, [1, 2, 3, 4, 5])
    assert.equal(scan.position, 5)
  })
}

async function growing(t: Parameters<OpenHistory>[0], open: OpenHistory): Promise<void> {
  const opened = await open(t)
  await Promise.all(Array.from({ length: 2_000 }, (_, at) => opened.store('a', `${at}`)))
  let isOver = false
  const grow = async (): Promise<void> => {
    for (let at = 0; at < 500 && !isOver; at += 1) await opened.store('b', `${at}`)
  }
  const growth = grow()
  const { publications, asOf } = await scanned(opened.history, 'default', 1)
  isOver = true
  await growth
  const offsets = publications.map(({ offset }) => offset)
  // The channel's limit removes its oldest meanwhile: what is left follows without a hole.
  assert.equal(offsets.at(-1), asOf)
  assert.ok(asOf >= 2_000)
  const first = offsets.findIndex((offset) => offset > asOf - 100)
  assert.deepEqual(
    offsets.slice(first),
    Array.from({ length: offsets.length - first }, (_, at) => (offsets[first] as number) + at),
  )
}

export function historyReadsContract(name: string, open: OpenHistory): void {
  screens(name, open)
  reads(name, open)
  scans(name, open)
}
