/** Durable channels over WebSocket: positions shown and kept, on a socket that a test plays. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Progress } from '../progress.js'
import { connect, epoch, offsetOf } from './played-socket.js'

const other = 'a41b09c2d7e8'

/** Of somebody who had n.a up to 12. */
const position = { epoch, offset: 12, time: 70, verified: 30 }
const subscribed = { type: 'subscribed', id: 1, channel: 'n.a' } as const

test('PROTOCOL 4.18: where a channel goes on is shown, as position or cursor', async () => {
  for (const shown of [position, 'AQEN']) {
    const { socket, place } = await connect({ place: shown, channels: ['n.a', 'n.new'] })
    assert.deepEqual(socket.frames, [
      { type: 'subscribe', id: 1, channel: 'n.a', position: shown },
      { type: 'subscribe', id: 2, channel: 'n.new' },
    ])
    assert.deepEqual(place(), shown, 'nothing has come yet')
  }
})

test('the place moves on with what comes of what was missed', async () => {
  const { socket, publish, got, place } = await connect({ place: position })
  socket.say({ ...subscribed, epoch, offset: 20, verified: 57, recovered: true })
  publish(15, 12)
  assert.deepEqual(place(), { epoch, offset: 15, time: 1_000, verified: 30 })
  publish(20, 15)
  publish(20, 15)
  assert.deepEqual(got(), [15, 20])
  assert.deepEqual(place(), { epoch, offset: 20, time: 1_000, verified: 57 })
  socket.say({ type: 'heartbeat', verified: { n: { epoch, offset: 90 } } })
  assert.deepEqual(place(), { epoch, offset: 20, time: 1_000, verified: 90 })
})

test('a cursor becomes a position with what comes of what was missed', async () => {
  const { socket, publish, got, place } = await connect({ place: 'AQEN' })
  socket.say({ ...subscribed, epoch, offset: 20, verified: 57, recovered: true })
  assert.equal(place(), 'AQEN')
  publish(15, 12)
  assert.deepEqual(place(), { epoch, offset: 15, time: 1_000 })
  publish(20, 15)
  assert.deepEqual(got(), [15, 20])
  assert.deepEqual(place(), { epoch, offset: 20, time: 1_000, verified: 57 })
})

test('a cursor after which nothing came is shown again until a heartbeat', async () => {
  const { socket, progress } = await connect({ place: 'AQEN' })
  socket.say({ ...subscribed, epoch, offset: 20, verified: 57, recovered: true })
  const again = await connect({ progress })
  assert.equal(again.socket.frames[0]?.['position'], 'AQEN')
  again.socket.say({ ...subscribed, epoch, offset: 20, verified: 57, recovered: true })
  again.socket.say({ type: 'heartbeat', verified: { n: { epoch, offset: 60 } } })
  assert.deepEqual(again.place(), { epoch, offset: 20, verified: 60 })
})

test('what is lost is a gap with its bounds, and not lost again', async () => {
  const { socket, heard, publish, got, place } = await connect({ place: position })
  socket.say({ ...subscribed, epoch: other, offset: 20, verified: 20, recovered: false })
  const gap = { channel: 'n.a', reason: 'new_epoch', after: 12, epoch: other, offset: 3 } as const
  socket.say({ type: 'gap', ...gap })
  publish(8, 3)
  assert.deepEqual(heard.of('gap'), [{ type: 'gap', ...gap }])
  assert.deepEqual(got(), [8])
  assert.deepEqual(place(), { epoch: other, offset: 8, time: 1_000 })
})

test('PROTOCOL 5.10: where something is missing it comes back from before', async () => {
  const { socket, heard, publish, got, place } = await connect()
  socket.say({ ...subscribed, epoch, offset: 20, verified: 20 })
  publish(25, 18)
  publish(40, 33)
  publish(41, 40)
  assert.deepEqual(got(), [25])
  const [closed] = heard.of('closed')
  assert.deepEqual([closed?.code, closed?.retryable], ['chain_broken', true])
  assert.equal(offsetOf(place()), 25)
})

test('the newest so many are asked for once, not when there is a place', async () => {
  const { socket, publish, got, place } = await connect({ last: 5 })
  assert.deepEqual(socket.frames, [{ type: 'subscribe', id: 1, channel: 'n.a', last: 5 }])
  socket.say({ ...subscribed, epoch, offset: 20, time: 1_000, verified: 20 })
  assert.equal(place(), undefined)
  publish(18, 9)
  publish(20, 18)
  assert.deepEqual(got(), [18, 20])
  assert.equal(offsetOf(place()), 20)
  for (const shown of [position, 'AQEN']) {
    const later = await connect({ last: 5, place: shown })
    assert.equal('last' in (later.socket.frames[0] ?? {}), false)
  }
})

test('PROTOCOL 14.2: where there is nothing to begin with, a position counts at once', async () => {
  const { socket, place } = await connect({ last: 5 })
  socket.say({ ...subscribed, epoch, offset: 20, verified: 20 })
  assert.equal(offsetOf(place()), 20)
})

test('the newest of a pattern: who is cut off goes on from what was heard', async () => {
  const { socket, progress, got } = await connect({ last: 5, channels: ['n.*'] })
  const say = (offset: number, data: string) => {
    const placed = { channel: `n.${data}`, pattern: 'n.*', offset, previous: 0, time: 1_000 }
    socket.say({ type: 'publication', ...placed, data })
  }
  socket.say({ ...subscribed, channel: 'n.*', epoch, offset: 40, verified: 40 })
  assert.equal(progress.place('n.*'), undefined)
  say(37, 'a')
  say(38, 'b')
  const again = await connect({ last: 5, channels: ['n.*'], progress })
  const [frame] = again.socket.frames
  assert.deepEqual(frame, {
    ...{ type: 'subscribe', id: 1, channel: 'n.*' },
    position: { epoch, offset: 37 },
  })
  assert.deepEqual(got(), ['a', 'b'])
})

test('a heartbeat says nothing of a name whose subscribe is not answered yet', async () => {
  const { socket, place } = await connect({ place: position })
  socket.say({ type: 'heartbeat', verified: { n: { epoch, offset: 90 } } })
  assert.deepEqual(place(), position)
  socket.say({ ...subscribed, epoch, offset: 12, verified: 91, recovered: true })
  socket.say({ type: 'heartbeat', verified: { n: { epoch, offset: 95 } } })
  assert.deepEqual(place(), { ...position, verified: 95 })
})

test('a heartbeat says nothing of a name that a new token has ended', async () => {
  const { socket, place } = await connect()
  socket.say({ ...subscribed, epoch, offset: 40, verified: 40 })
  socket.say({ type: 'error', channel: 'n.a', code: 'forbidden', message: 'no' })
  socket.say({ type: 'heartbeat', verified: { n: { epoch, offset: 90 } } })
  assert.deepEqual(place(), { epoch, offset: 40, verified: 40 })
})

test('PROTOCOL 4.22: what the token subscribed is subscribed anew from a place', async () => {
  for (const shown of [position, 'AQEN']) {
    const { socket, publish, got } = await connect({ place: shown }, ['n.a'])
    assert.deepEqual(socket.frames, [
      { type: 'unsubscribe', id: 1, channel: 'n.a' },
      { type: 'subscribe', id: 2, channel: 'n.a', position: shown },
    ])
    publish(44, 40)
    assert.deepEqual(got(), [], 'what comes until then is not heard')
    socket.say({ type: 'unsubscribed', id: 1, channel: 'n.a' })
    socket.say({ ...subscribed, id: 2, epoch, offset: 44, verified: 44, recovered: true })
    publish(44, 12)
    assert.deepEqual(got(), [44])
  }
})

test('when all channels have ended there is nothing to come back for', async () => {
  const { socket, heard } = await connect({ channels: ['n.a', 'n.b'] })
  socket.say({ type: 'ended', channel: 'n.a' })
  assert.deepEqual(heard.of('ended'), [{ type: 'ended', channel: 'n.a' }])
  assert.deepEqual(heard.of('closed'), [])
  socket.say({ type: 'ended', channel: 'n.b' })
  const [closed] = heard.of('closed')
  assert.deepEqual([closed?.code, closed?.retryable], ['ended', false])
})

for (const shown of [position, 'x']) {
  test(`a ${typeof shown} that cannot be read is not shown again as it is`, async () => {
    const { socket, heard } = await connect({ place: shown })
    socket.say({ type: 'error', id: 1, code: 'bad_request', message: 'what is it?' })
    const [closed] = heard.of('closed')
    assert.deepEqual([closed?.code, closed?.retryable], ['bad_request', false])
    assert.deepEqual(heard.of('problem'), [])
  })
}

test('a bad request that showed no place is a problem, and the connection goes on', async () => {
  const { socket, heard } = await connect()
  socket.say({ type: 'error', id: 1, code: 'bad_request', message: 'no' })
  assert.equal(heard.of('problem')[0]?.channel, 'n.a')
  assert.deepEqual(heard.of('closed'), [])
})

/** An ephemeral channel begins. */
async function beginEphemeral(progress: Progress) {
  const connected = await connect({ progress })
  connected.socket.say(subscribed)
  return connected
}

test('a WebSocket that comes back has missed something of an ephemeral channel', async () => {
  const progress = new Progress()
  const first = await beginEphemeral(progress)
  assert.deepEqual(first.heard.of('gap'), [], 'nothing was promised before')
  const { heard } = await beginEphemeral(progress)
  assert.deepEqual(heard.of('gap'), [{ type: 'gap', channel: 'n.a', reason: 'not_subscribed' }])
  const types = heard.all.map(({ type }) => type)
  assert.deepEqual(types, ['welcome', 'subscribed', 'gap', 'ready'])
})

test('a cursor does not cover an ephemeral channel by WebSocket: something is missed', async () => {
  const { socket, heard, place } = await connect({ place: 'AQEN' })
  socket.say(subscribed)
  assert.equal(heard.of('gap')[0]?.reason, 'not_subscribed')
  assert.equal(place(), undefined, 'the cursor is not shown again')
})

test('it is ready when every channel has begun or was refused, and says so once', async () => {
  const { socket, heard, connection } = await connect({ channels: ['n.a', 'n.b'] })
  socket.say({ ...subscribed, epoch, offset: 20, verified: 20 })
  assert.deepEqual(heard.of('ready'), [])
  socket.say({ type: 'error', id: 2, code: 'forbidden', message: 'no' })
  assert.equal(heard.of('ready').length, 1)
  connection.update(['n.a', 'n.c'])
  socket.say({ type: 'subscribed', id: 4, channel: 'n.c' })
  assert.equal(heard.of('ready').length, 1)
})

test('it is ready when those that it waits for are taken away', async () => {
  const { socket, heard, connection } = await connect({ channels: ['n.a', 'n.b'] })
  socket.say({ ...subscribed, epoch, offset: 20, verified: 20 })
  connection.update(['n.a'])
  socket.say({ type: 'error', id: 2, code: 'not_subscribed', message: 'ended meanwhile' })
  socket.say({ type: 'unsubscribed', id: 3, channel: 'n.b' })
  assert.equal(heard.of('ready').length, 1)
})

test('PROTOCOL 4.4: it is ready in whatever order the answers come', async () => {
  const { socket, heard } = await connect({ place: position }, ['n.a'])
  socket.say({ ...subscribed, id: 2, epoch, offset: 20, verified: 20, recovered: true })
  assert.deepEqual(heard.of('ready'), [])
  socket.say({ type: 'unsubscribed', id: 1, channel: 'n.a' })
  assert.equal(heard.of('ready').length, 1)
})
