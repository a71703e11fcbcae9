/** Headers of a NATS message: the last value counts, and a flood of them costs nothing. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { headers } from '@nats-io/transport-node'
import type { Broker } from '../broker.js'
import { startNats, type NatsServer, type TestScope } from './nats-server.js'
import { natsBroker, started } from './opened-broker.js'
import { until } from './until.js'

interface Header {
  readonly sender: string | undefined
  readonly bytes: number
}

async function listening(
  scope: TestScope,
): Promise<{ readonly server: NatsServer; readonly received: Header[]; readonly broker: Broker }> {
  const server = await startNats(scope)
  const broker = await natsBroker(scope, { url: server.url })
  await started(broker)
  const received: Header[] = []
  const subscription = broker.subscribe('a', (message) => {
    received.push({ sender: message.header('Tidegate-Sender'), bytes: message.payload.length })
  })
  assert.equal(await subscription.confirm(), true)
  return { server, received, broker }
}

/** Literal bytes, as no client library would send them. */
function publishRaw({ port }: NatsServer, head: string, payload: string): void {
  const socket = connect(port, '127.0.0.1', () => {
    const total = Buffer.byteLength(head) + Buffer.byteLength(payload)
    socket.write(
      'CONNECT {"headers":true,"verbose":false,"pedantic":false,"no_responders":true}\r\n',
    )
    socket.end(`HPUB a ${Buffer.byteLength(head)} ${total}\r\n${head}${payload}\r\n`)
  })
  socket.resume()
}

test('of a header that was given twice the last value counts', async (t) => {
  const { server, received } = await listening(t)
  const service = await server.connect()
  const block = headers()
  block.append('Tidegate-Sender', 'forged')
  block.append('Tidegate-Sender-Too', 'other')
  block.append('X', '1')
  block.append('Tidegate-Sender', 'real')
  service.publish('a', 'payload', { headers: block })
  await until(() => received.length === 1)
  assert.deepEqual(received, [{ sender: 'real', bytes: 7 }])
})

test('header lines are read however they are spaced, and only whole names match', async (t) => {
  const { server, received } = await listening(t)
  const blocks: readonly [block: string, sender: string | undefined][] = [
    ['NATS/1.0\r\nTidegate-Sender:u\r\n\r\n', 'u'],
    ['NATS/1.0\r\nTidegate-Sender:  \t u  \r\nX: 1\r\n\r\n', 'u'],
    ['NATS/1.0\r\nTidegate-Sender:\r\n\r\n', ''],
    ['NATS/1.0\r\nX-Tidegate-Sender: u\r\nTidegate-Sender2: u\r\n\r\n', undefined],
    ['NATS/1.0\r\ntidegate-sender: u\r\n\r\n', undefined],
    ['NATS/1.0\r\nX: Tidegate-Sender: u\r\n\r\n', undefined],
    ['NATS/1.0 503 No Responders\r\nTidegate-Sender: u\r\n\r\n', 'u'],
    ['NATS/1.0\r\n\r\n', undefined],
    [`NATS/1.0\r\nTidegate-Sender: ${'u'.repeat(5_000)}\r\n\r\n`, undefined],
  ]
  for (const [at, [block, sender]] of blocks.entries()) {
    publishRaw(server, block, 'Tidegate-Sender: payload')
    await until(() => received.length > at)
    assert.deepEqual(received[at], { sender, bytes: 24 }, JSON.stringify(block.slice(0, 80)))
  }
})

test('a megabyte of headers holds up nobody', async (t) => {
  const { server, received } = await listening(t)
  const distinct = Array.from({ length: 105_000 }, (_, at) => `h${at}:\r\n`).join('')
  const flood = `NATS/1.0\r\n${distinct}Tidegate-Sender: last\r\n\r\n`
  assert.ok(flood.length > 800_000)
  for (let number = 0; number < 20; number += 1) publishRaw(server, flood, 'x')
  await until(() => received.length === 20)
  assert.deepEqual(new Set(received.map(({ sender }) => sender)), new Set(['last']))
})
