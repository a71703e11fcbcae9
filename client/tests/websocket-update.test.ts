/** The channels of a WebSocket change while it lives, on a socket that a test plays. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Position } from '../../shared/position.js'
import {
  connect,
  epoch,
  offsetOf,
  open,
  type Played,
  type PlayedRequest,
  type PlayedSocket,
} from './played-socket.js'

/** Of somebody who had n.a up to 12. */
const shown = { epoch, offset: 12 }
const live = { epoch, offset: 40, verified: 40 }

function sent({ frames }: PlayedSocket): unknown[] {
  return frames.map(({ type, id, channel }) => [type, id, channel])
}

function subscribed(socket: PlayedSocket, id: number, channel: string, begin: object = live): void {
  socket.say({ type: 'subscribed', id, channel, ...begin })
}

function unsubscribed(socket: PlayedSocket, id: number, channel = 'n.a'): void {
  socket.say({ type: 'unsubscribed', id, channel })
}

/** n.a is subscribed, and live after offset 40. */
async function connectLive(more: PlayedRequest = {}): Promise<Played> {
  const connected = await connect(more)
  subscribed(connected.socket, 1, 'n.a')
  return connected
}

test('names that are new are subscribed, those that are gone are unsubscribed first', async () => {
  const { socket, update, publish, got } = await connectLive()
  assert.equal(update(['n.b', 'n.c', 'n.b']), true)
  assert.deepEqual(sent(socket).slice(1), [
    ['unsubscribe', 2, 'n.a'],
    ['subscribe', 3, 'n.b'],
    ['subscribe', 4, 'n.c'],
  ])
  unsubscribed(socket, 2)
  subscribed(socket, 3, 'n.b')
  publish(41, 40, 'n.b')
  assert.deepEqual(got(), [41])
})

test('names that stay go on, with their place', async () => {
  const { socket, update, publish, got, place } = await connectLive()
  update(['n.a'])
  update(['n.b', 'n.a'])
  assert.deepEqual(sent(socket).slice(1), [['subscribe', 2, 'n.b']])
  publish(41, 40)
  assert.deepEqual(got(), [41])
  assert.equal(offsetOf(place()), 41)
})

test('what still comes of a name that is gone is not heard', async () => {
  const { socket, heard, update, publish, place } = await connectLive({
    channels: ['n.a', 'n.b'],
  })
  update(['n.b'])
  const before = heard.all.length
  publish(41, 40)
  publish(90, 80)
  socket.say({ type: 'gap', channel: 'n.a', reason: 'expired', after: 90, before: 95 })
  socket.say({ type: 'ended', channel: 'n.a' })
  socket.say({ type: 'error', channel: 'n.a', code: 'forbidden', message: 'no' })
  socket.say({ type: 'heartbeat', verified: { n: { epoch, offset: 99 } } })
  socket.say({ type: 'error', id: 3, code: 'not_subscribed', message: 'no' })
  assert.deepEqual(heard.all.slice(before), [])
  assert.equal(place(), undefined)
})

test('a name that is taken back begins anew: nothing of before is heard or counts', async () => {
  const { socket, heard, update, publish, got } = await connectLive()
  publish(41, 40)
  update([])
  update(['n.a'])
  assert.deepEqual(sent(socket).slice(1), [
    ['unsubscribe', 2, 'n.a'],
    ['subscribe', 3, 'n.a'],
  ])
  assert.equal('position' in (socket.frames[2] ?? {}), false)
  publish(42, 41)
  unsubscribed(socket, 2)
  subscribed(socket, 3, 'n.a', { epoch: 'a41b09c2d7e8', offset: 7, verified: 7 })
  publish(8, 7)
  assert.deepEqual(got(), [41, 8])
  assert.deepEqual([heard.of('problem'), heard.of('closed')], [[], []])
})

test('taken back again and again, only the last subscription is heard', async () => {
  const { socket, update, publish, got } = await connectLive()
  for (const channels of [[], ['n.a'], [], ['n.a']]) update(channels)
  unsubscribed(socket, 2)
  subscribed(socket, 3, 'n.a')
  publish(41, 40)
  unsubscribed(socket, 4)
  subscribed(socket, 5, 'n.a', { ...live, offset: 41 })
  publish(42, 41)
  assert.deepEqual(got(), [42])
})

test('PROTOCOL 4.10: behind unsubscribed everything is of the new subscription', async () => {
  const { socket, heard, update } = await connect({ channels: ['a'] })
  update([])
  update(['a'])
  unsubscribed(socket, 2, 'a')
  socket.say({ type: 'publication', channel: 'a', time: 5, data: 'early' })
  socket.say({ type: 'subscribed', id: 3, channel: 'a' })
  assert.deepEqual(heard.of('publication'), [], 'what comes before its `subscribed` is not heard')
})

test('a name that is taken back begins with the newest, if they are asked for', async () => {
  const { socket, update, publish, place } = await connectLive({ last: 5, place: shown })
  publish(41, 12)
  update([])
  update(['n.a'])
  assert.deepEqual(socket.frames[2], { type: 'subscribe', id: 3, channel: 'n.a', last: 5 })
  assert.equal(place(), undefined)
})

test('an update before the welcome changes what the welcome subscribes', async () => {
  const { socket, update, welcome } = await open({ place: shown, channels: ['n.a', 'n.b'] })
  assert.equal(update(['n.b', 'n.c']), true)
  assert.equal(update(['n.b', 'n.c', 'n.a']), true)
  assert.deepEqual(socket.frames, [])
  welcome()
  assert.deepEqual(socket.frames, [
    { type: 'subscribe', id: 1, channel: 'n.b' },
    { type: 'subscribe', id: 2, channel: 'n.c' },
    { type: 'subscribe', id: 3, channel: 'n.a' },
  ])
})

test('an update by who hears the welcome changes what it subscribes', async () => {
  const { socket, update, welcome } = await open({}, (event) => {
    if (event.type === 'welcome') update(['n.b', 'n.c'])
  })
  welcome(['n.c'])
  assert.deepEqual(sent(socket), [
    ['unsubscribe', 1, 'n.c'],
    ['subscribe', 2, 'n.b'],
    ['subscribe', 3, 'n.c'],
  ])
})

test('a name is gone before its subscribe is answered: no answer to it is heard', async () => {
  const { socket, update, publish, got, place } = await connect({ place: shown })
  update([])
  update(['n.a'])
  subscribed(socket, 1, 'n.a', { ...live, recovered: true })
  publish(41, 40)
  unsubscribed(socket, 2)
  assert.equal(place(), undefined)
  subscribed(socket, 3, 'n.a')
  publish(42, 40)
  assert.deepEqual(got(), [42])
})

for (const code of ['forbidden', 'not_subscribed', 'broker_unavailable'] as const) {
  test(`a subscribe of a name that is gone is answered with ${code}: nobody hears it`, async () => {
    const { socket, heard, update } = await connect()
    update([])
    socket.say({ type: 'error', id: 1, code, message: 'no' })
    socket.say({ type: 'error', id: 2, code: 'not_subscribed', message: 'no' })
    assert.deepEqual([heard.of('problem'), heard.of('closed')], [[], []])
  })
}

test('an overtaken subscribe may be refused behind the answer to its unsubscribe', async () => {
  const { socket, heard, update, publish, got } = await connect()
  update([])
  update(['n.a'])
  unsubscribed(socket, 2)
  socket.say({ type: 'error', id: 1, code: 'not_subscribed', message: 'ended meanwhile' })
  subscribed(socket, 3, 'n.a')
  publish(41, 40)
  assert.deepEqual([heard.of('problem'), got()], [[], [41]])
})

test('a new name that is forbidden is a problem that names it', async () => {
  const { socket, heard, update } = await connectLive()
  update(['n.a', 'n.b'])
  socket.say({ type: 'error', id: 2, code: 'forbidden', message: 'no' })
  assert.deepEqual(heard.of('problem'), [
    { type: 'problem', code: 'forbidden', message: 'no', channel: 'n.b' },
  ])
  assert.deepEqual(heard.of('closed'), [])
})

test('what the token subscribed is left, and begins anew where somebody names it', async () => {
  const { socket, publish, got } = await connect({}, ['n.a', 'n.token'])
  assert.deepEqual(sent(socket), [
    ['unsubscribe', 1, 'n.a'],
    ['unsubscribe', 2, 'n.token'],
    ['subscribe', 3, 'n.a'],
  ])
  publish(41, 40)
  publish(42, 40, 'n.token')
  assert.deepEqual(got(), [], 'it is of before')
  unsubscribed(socket, 1)
  unsubscribed(socket, 2, 'n.token')
  subscribed(socket, 3, 'n.a', { ...live, offset: 41 })
  publish(43, 41)
  assert.deepEqual(got(), [43])
})

test('a name that pauses keeps its place, and goes on from there', async () => {
  for (const claimed of [[], ['n.a']]) {
    const { socket, connection, heard } = await connect({}, claimed)
    socket.say({ type: 'subscribed', id: 1, channel: 'n.a', ...live })
    const before = socket.frames.length
    connection.update([])
    connection.update(['n.a'])
    const { position } = socket.frames[before + 1] ?? {}
    assert.equal((position as Partial<Position> | undefined)?.offset, live.offset)
    assert.deepEqual(heard.of('closed'), [])
  }
})

test('what a new token ended can be taken again when it is permitted again', async () => {
  const { socket, heard, update } = await connectLive()
  socket.say({ type: 'error', channel: 'n.a', code: 'forbidden', message: 'no' })
  assert.equal(heard.of('problem')[0]?.channel, 'n.a')
  update([])
  socket.say({ type: 'error', id: 2, code: 'not_subscribed', message: 'no' })
  update(['n.a'])
  assert.deepEqual(sent(socket).slice(1), [
    ['unsubscribe', 2, 'n.a'],
    ['subscribe', 3, 'n.a'],
  ])
  assert.equal(heard.of('problem').length, 1)
})

test('all channels have ended: those that are named by then count', async () => {
  const { socket, heard, update } = await connectLive()
  update(['n.a', 'n.b'])
  socket.say({ type: 'ended', channel: 'n.a' })
  assert.deepEqual(heard.of('closed'), [])
  update(['n.b', 'n.c'])
  update(['n.b'])
  socket.say({ type: 'ended', channel: 'n.b' })
  assert.equal(heard.of('closed')[0]?.code, 'ended')
  assert.equal(update(['n.d']), false, 'it is over')
})

test('who takes an ended name away as it hears of the end keeps the connection', async () => {
  const { socket, heard, update, welcome } = await open({}, (event) => {
    if (event.type === 'ended') update([])
  })
  welcome()
  subscribed(socket, 1, 'n.a')
  socket.say({ type: 'ended', channel: 'n.a' })
  update(['n.a'])
  assert.deepEqual(heard.of('closed'), [])
  unsubscribed(socket, 2)
  subscribed(socket, 3, 'n.a')
  socket.say({ type: 'ended', channel: 'n.a' })
  assert.equal(heard.of('ended').length, 2, 'the end of a later subscription is told again')
})
