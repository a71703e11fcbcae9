/** A WebSocket changes its channels by frames, and hears nothing of those that it has left. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocketTransport, type Socket } from '../websocket-transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'

interface Sent {
  readonly type: string
  readonly id: number
  readonly channel: string
  readonly position?: { readonly offset: number }
}

const epoch = 'aaaaaaaaaaaa'

/** A socket whose server is the test. */
class ScriptedSocket implements Socket {
  readonly sent: Sent[] = []
  #hear: (event: { readonly data: unknown }) => void = () => undefined

  addEventListener(type: string, listener: (event: never) => void): void {
    if (type === 'message') this.#hear = listener as (event: { readonly data: unknown }) => void
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Sent)
  }

  close(): void {
    // It ends with the test.
  }

  say(frame: object): void {
    this.#hear({ data: JSON.stringify(frame) })
  }

  welcome(subscriptions: readonly string[] = []): void {
    const expiresAt = 9e15
    this.say({
      ...{ type: 'welcome', connection: 'c', node: 'n', expiresAt },
      subscriptions,
      heartbeatSeconds: 30,
    })
  }

  publish(channel: string, offset: number): void {
    this.say({ type: 'publication', channel, offset, time: offset, data: offset })
  }

  /** Answers the newest frame of this type and channel. */
  answer(type: string, channel: string, fields: object = {}): void {
    const asked = this.sent.findLast((one) => one.type === type && one.channel === channel)
    assert.ok(asked, `${type} ${channel} was not sent`)
    this.say({ type: `${type}d`, id: asked.id, channel, ...fields })
  }

  /** What was sent since the last call. */
  news(): readonly string[] {
    return this.sent.splice(0).map(({ type, channel }) => `${type} ${channel}`)
  }
}

async function connect(channels: readonly string[]) {
  const socket = new ScriptedSocket()
  const heard = new HeardEvents()
  const transport = new WebSocketTransport(new FakeClock(), () => socket)
  const token = () => Promise.resolve('t')
  const connection = transport.open({ url: 'http://gateway', token, channels }, heard.take)
  await new Promise((resolve) => setImmediate(resolve))
  const got = () => heard.of('publication').map(({ publication }) => publication.data)
  return { socket, heard, connection, got }
}

const at = (offset: number): object => ({ epoch, offset, time: offset, verified: offset })

test('channels that are added before the welcome are subscribed after it', async () => {
  const { socket, connection } = await connect(['a'])
  assert.equal(connection.update(['b', 'c']), true)
  assert.deepEqual(socket.news(), [])
  socket.welcome()
  assert.deepEqual(socket.news(), ['subscribe b', 'subscribe c'])
})

test('who leaves a channel hears nothing more of it, whatever was on its way', async () => {
  const { socket, heard, connection, got } = await connect(['a', 'b'])
  socket.welcome()
  for (const name of ['a', 'b']) socket.answer('subscribe', name, at(1))
  socket.publish('a', 2)
  connection.update(['b'])
  socket.publish('a', 3)
  socket.say({ type: 'gap', channel: 'a', reason: 'expired', after: 3, before: 5 })
  socket.say({ type: 'ended', channel: 'a' })
  socket.publish('b', 4)
  assert.deepEqual(got(), [2, 4])
  assert.deepEqual([heard.of('gap'), heard.of('ended')], [[], []])
})

test('who comes back to a channel begins anew, and hears nothing of the old one', async () => {
  const { socket, connection, got } = await connect(['a', 'b'])
  socket.welcome()
  socket.answer('subscribe', 'a', at(1))
  socket.publish('a', 2)
  connection.update(['b'])
  connection.update(['a', 'b'])
  const last = socket.sent.at(-1)
  assert.deepEqual([last?.type, last?.channel, last?.position], ['subscribe', 'a', undefined])
  socket.publish('a', 3)
  socket.answer('unsubscribe', 'a')
  socket.publish('a', 4)
  socket.answer('subscribe', 'a', at(9))
  socket.publish('a', 10)
  assert.deepEqual(got(), [2, 10])
})

test('an answer to what was asked before it left is no answer', async () => {
  const { socket, heard, connection, got } = await connect(['a', 'b'])
  socket.welcome()
  const [first] = socket.sent
  connection.update(['b'])
  connection.update(['a', 'b'])
  socket.say({ type: 'subscribed', id: first?.id, channel: 'a', ...at(1) })
  socket.publish('a', 2)
  assert.deepEqual(heard.of('subscribed'), [])
  socket.answer('subscribe', 'a', at(2))
  socket.publish('a', 3)
  assert.deepEqual(got(), [3])
})

test('a refusal of what it has left is no problem of anybody', async () => {
  const { socket, heard, connection } = await connect(['a', 'b'])
  socket.welcome()
  const [first] = socket.sent
  connection.update(['b'])
  socket.say({ type: 'error', id: first?.id, code: 'forbidden', message: 'no' })
  const left = socket.sent.at(-1)
  socket.say({ type: 'error', id: left?.id, code: 'not_subscribed', message: 'no' })
  assert.deepEqual(heard.of('problem'), [])
  socket.say({ type: 'error', id: socket.sent[1]?.id, code: 'forbidden', message: 'no' })
  assert.deepEqual(
    heard.of('problem').map(({ channel }) => channel),
    ['b'],
  )
})

test('what the token subscribes is heard, though nobody named it', async () => {
  const { socket, connection, got } = await connect([])
  socket.welcome(['news'])
  socket.publish('news', 1)
  connection.update(['b'])
  socket.publish('news', 2)
  assert.deepEqual(got(), [1, 2])
})
