/** Durable channels over WebSocket: positions shown and kept, on a socket that a test plays. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCursor } from '../../shared/cursor.js'
import { cursorOf } from '../../shared/cursor-positions.js'
import { WebSocketTransport } from '../websocket-transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'
import { connect, epoch, PlayedSocket } from './played-socket.js'

const other = 'a41b09c2d7e8'

/** The cursor of somebody who had n.a up to 12. */
const cursor = encodeCursor(
  cursorOf([{ name: 'n.a', position: { epoch, offset: 12, time: 70, verified: 30 } }]),
)
const subscribed = { type: 'subscribed', id: 1, channel: 'n.a' } as const

test('PROTOCOL 4.18: a cursor becomes the positions that are shown', async () => {
  const { socket, connection } = await connect({ cursor, channels: ['n.a', 'n.new'] })
  assert.deepEqual(socket.frames, [
    {
      type: 'subscribe',
      id: 1,
      channel: 'n.a',
      position: { epoch, offset: 12, time: 70, verified: 30 },
    },
    { type: 'subscribe', id: 2, channel: 'n.new' },
  ])
  assert.equal(connection.cursor, cursor, 'nothing has come yet')
})

test('what is recovered is told first, and the cursor moves on with what comes', async () => {
  const { socket, heard, publish, got, position } = await connect({ cursor })
  socket.say({ ...subscribed, epoch, offset: 20, verified: 57, recovered: true })
  assert.deepEqual(heard.of('recovered'), [
    { type: 'recovered', channel: 'n.a', recovered: true, after: 12, upTo: 20 },
  ])
  publish(15, 12)
  assert.deepEqual(position(), { epoch, offset: 15, time: 1_000, verified: 30 })
  publish(20, 15)
  publish(20, 15)
  assert.deepEqual(got(), [15, 20])
  assert.deepEqual(position(), { epoch, offset: 20, time: 1_000, verified: 57 })
  socket.say({ type: 'heartbeat', verified: { n: { epoch, offset: 90 } } })
  assert.deepEqual(position(), { epoch, offset: 20, time: 1_000, verified: 90 })
})

test('what is lost is a gap with its bounds, and not lost again', async () => {
  const { socket, heard, publish, got, position } = await connect({ cursor })
  socket.say({ ...subscribed, epoch: other, offset: 20, verified: 20, recovered: false })
  const gap = { channel: 'n.a', reason: 'new_epoch', after: 12, epoch: other, offset: 3 } as const
  socket.say({ type: 'gap', ...gap })
  publish(8, 3)
  assert.deepEqual(heard.of('recovered'), [{ type: 'recovered', channel: 'n.a', recovered: false }])
  assert.deepEqual(heard.of('gap'), [{ type: 'gap', ...gap }])
  assert.deepEqual(got(), [8])
  assert.equal(position()?.epoch, other)
  assert.equal(position()?.offset, 8)
})

test('PROTOCOL 5.10: where something is missing it comes back from before', async () => {
  const { socket, heard, publish, got, position } = await connect()
  socket.say({ ...subscribed, epoch, offset: 20, verified: 20 })
  publish(25, 18)
  publish(40, 33)
  publish(41, 40)
  assert.deepEqual(got(), [25])
  const [closed] = heard.of('closed')
  assert.deepEqual([closed?.code, closed?.retryable], ['chain_broken', true])
  assert.equal(position()?.offset, 25)
})

test('the newest so many are asked for once, not when there is a position', async () => {
  const { socket, publish, got, position } = await connect({ last: 5 })
  assert.deepEqual(socket.frames, [{ type: 'subscribe', id: 1, channel: 'n.a', last: 5 }])
  socket.say({ ...subscribed, epoch, offset: 20, time: 1_000, verified: 20 })
  assert.equal(position(), undefined)
  publish(18, 9)
  publish(20, 18)
  assert.deepEqual(got(), [18, 20])
  assert.equal(position()?.offset, 20)
  const later = await connect({ last: 5, cursor })
  assert.equal('last' in (later.socket.frames[0] ?? {}), false)
})

test('PROTOCOL 14.2: where there is nothing to begin with, a position counts at once', async () => {
  const { socket, position } = await connect({ last: 5 })
  socket.say({ ...subscribed, epoch, offset: 20, verified: 20 })
  assert.equal(position()?.offset, 20)
})

test('PROTOCOL 4.22: what the token subscribed is subscribed anew from a position', async () => {
  const { socket, publish, got } = await connect({ cursor }, ['n.a', 'n.token'])
  assert.deepEqual(
    socket.frames.map(({ type, channel }) => [type, channel]),
    [
      ['unsubscribe', 'n.a'],
      ['subscribe', 'n.a'],
    ],
  )
  publish(44, 40)
  publish(45, 40, 'n.token')
  assert.deepEqual(got(), [45], 'what comes until then is not heard')
  socket.say({ type: 'unsubscribed', id: 1, channel: 'n.a' })
  socket.say({ ...subscribed, id: 2, epoch, offset: 44, verified: 44, recovered: true })
  publish(44, 12)
  assert.deepEqual(got(), [45, 44])
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

test('a cursor that cannot be read is for the application', async () => {
  const heard = new HeardEvents()
  const transport = new WebSocketTransport(new FakeClock(), () => new PlayedSocket())
  const token = () => Promise.resolve('t')
  transport.open({ url: 'http://gateway', token, channels: ['a'], cursor: 'x' }, heard.take)
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['bad_request', false])
})
