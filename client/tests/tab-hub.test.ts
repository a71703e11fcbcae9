/** The hub of all tabs: one subscription a channel, from the place of whoever is furthest back. */
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { Gateway } from '../gateway.js'
import type { Place } from '../progress.js'
import { TabHub } from '../tab-hub.js'
import { readTabMessage, type HubMessage, type Places, type TabMessage } from '../tab-messages.js'
import { TokenRelay } from '../token-relay.js'
import type { Connection, ConnectionEvent, ConnectionRequest } from '../transport.js'
import { FakeClock } from './fake-clock.js'

const epoch = '0123456789ab'
const at = (offset: number): Place => ({ epoch, offset })

interface Opened {
  readonly request: ConnectionRequest
  readonly say: (event: ConnectionEvent) => void
  readonly updates: (readonly string[])[]
}

function start() {
  const clock = new FakeClock()
  const opened: Opened[] = []
  const said = new Map<string, HubMessage[]>()
  const open = (request: ConnectionRequest, say: (event: ConnectionEvent) => void): Connection => {
    const updates: Opened['updates'] = []
    opened.push({ request, say, updates })
    const update = (channels: readonly string[]): boolean => updates.push(channels) > 0
    return { update, check: () => undefined, close: () => undefined }
  }
  const hub = new TabHub({
    clock,
    transports: [{ name: 'websocket', open }],
    openGateway: (url, token) => new Gateway(url, token, { clock, random: () => 0.5 }, fetch),
    send: (tabs, message) => {
      for (const tab of tabs) said.set(tab, [...(said.get(tab) ?? []), message])
    },
  })
  const join = (tab: string, places: Places, last?: number): void => {
    hub.hear(tab, { type: 'join', update: 1, places, name: 'n', url: 'http://gateway', last })
  }
  /** What was said to a tab since this was asked last. */
  const heardBy = (tab: string): readonly HubMessage[] => {
    const messages = said.get(tab) ?? []
    said.delete(tab)
    return messages
  }
  const connection = (): Opened => {
    const newest = opened.at(-1)
    assert.ok(newest !== undefined)
    return newest
  }
  /** It is welcomed, and its channels begin. */
  const connect = (...places: readonly [name: string, place?: Place][]): void => {
    const { say, request } = connection()
    say({ type: 'welcome' })
    for (const [channel, place] of places) {
      say({ type: 'subscribed', channel })
      if (typeof place === 'object') request.progress.begin(channel, place, false)
      else if (place !== undefined) request.progress.moveTo(place, [channel])
    }
  }
  return { clock, opened, hub, join, heardBy, connection, connect }
}

function eventsOf(messages: readonly HubMessage[]): readonly ConnectionEvent[] {
  return messages.flatMap((message) => (message.type === 'event' ? [message.event] : []))
}

test('a tab that is further back has the channel begin there, and no other hears of it', () => {
  const { join, connection, connect, heardBy } = start()
  join('a', [['news']])
  connect(['news', at(10)])
  heardBy('a')
  join('b', [['news', at(5)]])
  assert.deepEqual(connection().updates, [[], ['news']])
  assert.deepEqual(connection().request.progress.place('news'), at(5))
  connection().say({ type: 'subscribed', channel: 'news' })
  assert.deepEqual(eventsOf(heardBy('a')), [])
  assert.deepEqual(
    eventsOf(heardBy('b')).map(({ type }) => type),
    ['subscribed'],
  )
})

test('a tab that is not further back leaves the others alone', async () => {
  for (const place of [undefined, at(10), at(11)]) {
    const { join, connection, connect, heardBy } = start()
    join('a', [['news']])
    connect(['news', at(10)])
    join('b', [['news', place]])
    await setImmediate()
    assert.deepEqual(connection().updates, [])
    const heard = heardBy('b')
    assert.deepEqual(eventsOf(heard), [{ type: 'subscribed', channel: 'news' }])
    assert.deepEqual(heard.at(-1), { type: 'places', places: [['news', at(10)]] })
  }
})

test('cursors are compared as they are: the same one is no way back', () => {
  const { join, connection, connect } = start()
  join('a', [['news']])
  connect(['news', 'cursor-1'])
  join('b', [['news', 'cursor-1']])
  assert.deepEqual(connection().updates, [])
  join('c', [['news', 'cursor-0']])
  assert.deepEqual(connection().updates, [[], ['news']])
})

test('an ephemeral channel cannot go back, and the tab is told that', () => {
  const { join, connection, connect, heardBy } = start()
  join('a', [['live.a']])
  connect(['live.a'])
  join('b', [['live.a', 'cursor-0']])
  assert.deepEqual(connection().updates, [])
  assert.deepEqual(
    eventsOf(heardBy('b')).map(({ type }) => type),
    ['subscribed', 'gap'],
  )
})

test('a tab that joins again before anybody missed it goes on from where it is', () => {
  const { join, connection, connect } = start()
  join('a', [['news']])
  connect(['news', at(10)])
  join('a', [['news', at(7)]])
  assert.deepEqual(connection().updates, [[], ['news']])
})

test('an end or a refusal is told to tabs that come later', () => {
  const { join, connection, connect, heardBy } = start()
  join('a', [['news'], ['secret'], ['sport']])
  connect(['news', at(1)], ['sport', at(1)])
  connection().say({ type: 'ended', channel: 'news' })
  const refused = { type: 'problem', code: 'forbidden', message: 'no', channel: 'secret' } as const
  connection().say(refused)
  join('b', [['news'], ['secret']])
  const heard = eventsOf(heardBy('b'))
  assert.ok(heard.some(({ type }) => type === 'ended'))
  assert.deepEqual(heard.at(-1), refused)
})

test('a tab that says nothing, or lets too much come, is unknown when it speaks again', () => {
  const { join, connect, connection, hub, clock, heardBy } = start()
  join('a', [['news']])
  join('b', [['news']])
  connect(['news', at(0)])
  const publish = (offset: number): void => {
    const publication = { channel: 'news', offset, previous: offset - 1, time: 1 }
    connection().say({ type: 'publication', publication })
  }
  for (let offset = 1; offset <= 6_000; offset += 1) {
    if (offset % 500 === 0) hub.hear('b', { type: 'ping' })
    publish(offset)
  }
  assert.ok(heardBy('a').length <= 5_000)
  hub.hear('a', { type: 'ping' })
  assert.deepEqual(heardBy('a'), [{ type: 'gone' }])
  clock.advance(240_000)
  heardBy('b')
  hub.hear('b', { type: 'ping' })
  assert.deepEqual(heardBy('b'), [{ type: 'gone' }])
})

test('more than a hundred tabs are refused, not for good', () => {
  const { join, heardBy } = start()
  for (let tab = 0; tab < 100; tab += 1) join(String(tab), [['news']])
  join('one more', [['news']])
  const refusal = { code: 'overloaded', message: 'too many tabs', retryable: true }
  assert.deepEqual(heardBy('one more'), [{ type: 'closed', ...refusal }])
})

test('an end for good ends all tabs, and whoever comes then begins anew', () => {
  const { join, connection, connect, heardBy, opened } = start()
  join('a', [['news']])
  connect(['news', at(1)])
  const closed = { code: 'token_invalid', message: 'no', retryable: false }
  connection().say({ type: 'closed', ...closed })
  assert.equal(heardBy('a').at(-1)?.type, 'closed')
  join('a', [['news']])
  assert.equal(opened.length, 2)
})

test('what is no message of ours is not read', () => {
  const want = { type: 'join', update: 1, places: [['news', at(1)]], name: 'n', url: 'u' }
  assert.deepEqual(readTabMessage(want), want)
  const bad = [
    ...[undefined, null, 'join', {}, { type: 'leads' }, { ...want, update: '1' }],
    ...[
      { ...want, places: [['news', { epoch, offset: '1' }]] },
      { ...want, places: [[1]] },
    ],
    ...[
      { ...want, places: {} },
      { ...want, url: undefined },
      { type: 'token', token: 1 },
    ],
    { ...want, places: Array.from({ length: 2_000 }, () => ['news']) },
  ]
  for (const value of bad) assert.equal(readTabMessage(value), undefined, JSON.stringify(value))
})

test('a token is asked of one tab; of another if that has none, or does not answer', async () => {
  const clock = new FakeClock()
  const asked: string[] = []
  const relay = new TokenRelay(clock, (tab) => asked.push(tab))
  const first = relay.token(['a', 'b', 'c'])
  assert.deepEqual(asked, ['a'])
  clock.advance(3_000)
  assert.deepEqual(asked, ['a', 'b'])
  relay.answer('c', 'nobody asked it')
  relay.answer('b', undefined)
  assert.deepEqual(asked, ['a', 'b', 'c'])
  relay.answer('a', 'late, but good')
  assert.equal(await first, 'late, but good')
  const second = relay.token(['a', 'b'])
  relay.answer('a', undefined)
  relay.answer('b', undefined)
  await assert.rejects(second, /no tab has a token/)
  await assert.rejects(relay.token([]), /no tab has a token/)
})

test('messages that a tab sends are read as they are', () => {
  const messages: TabMessage[] = [
    ...([{ type: 'leave' }, { type: 'ping' }, { type: 'wake', isSuspect: true }] as const),
    ...([{ type: 'token', token: 't' }, { type: 'token' }] as const),
  ]
  for (const message of messages) assert.deepEqual(readTabMessage({ ...message }), message)
})
