/** The client of the recovery measurements: it accepts exactly what it missed, and nothing else. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import test, { type TestContext } from 'node:test'
import { WebSocketServer } from 'ws'
import { openRecovering } from '../recovering-client.js'
import { textFrame } from '../web-socket-reader.js'

const channel = 'storm.1.1'
const start = { channel, offset: 5, time: 1_767_225_600_000, verified: 9, missed: [11, 12] }
const epoch = '5f0c3a9be214'

interface Sent {
  readonly type: string
  readonly [member: string]: unknown
}

const publication = (offset: number): Sent => ({ type: 'publication', channel, offset })
const subscribed: Sent = { type: 'subscribed', id: 1, channel, recovered: true }

/** What became of a client whose server answers its `subscribe` with these frames. */
async function outcome(t: TestContext, answers: readonly Sent[]): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.after(() => server.close())
  let asked: unknown
  server.on('connection', (socket) => {
    socket.send('{"type":"welcome"}')
    socket.on('message', (data) => {
      asked = JSON.parse((data as Buffer).toString())
      for (const answer of answers) socket.send(JSON.stringify(answer))
      socket.close()
    })
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const permissions = {}
  const endpoint = { port, path: '/', secret: 'secret', permissions, opensWithFrame: true }
  const ended = await new Promise<string>((resolve) => {
    let recovered = ''
    openRecovering(endpoint, 'u1', 1, epoch, start, {
      ready: () => {},
      publication: () => {},
      recovered: () => (recovered = 'recovered'),
      ended: (reason) => resolve(recovered || reason),
    })
  })
  const position = { epoch, offset: 5, time: 1_767_225_600_000, verified: 9 }
  assert.deepEqual(asked, { type: 'subscribe', id: 1, channel, position })
  return ended
}

test('a client has recovered with the last publication that it missed', async (t) => {
  const answers = [subscribed, publication(11), publication(12)]
  assert.equal(await outcome(t, answers), 'recovered')
})

test('a client that gets another publication than it missed says so', async (t) => {
  assert.match(await outcome(t, [subscribed, publication(12)]), /11 was expected, not storm.1.1 12/)
})

test('a client that is not recovered, or told of a gap, says so', async (t) => {
  const refused = { ...subscribed, recovered: false }
  assert.match(await outcome(t, [refused]), /was not recovered/)
  const gap = { type: 'gap', channel, reason: 'expired' }
  assert.match(await outcome(t, [subscribed, publication(11), gap]), /not expected: .*"gap"/)
})

test('a client that gets a publication before its subscription is confirmed says so', async (t) => {
  assert.match(await outcome(t, [publication(11)]), /11 was expected/)
})

test('a long text frame of a client has its length in two bytes', () => {
  const frame = textFrame('x'.repeat(300))
  assert.equal(frame.length, 2 + 2 + 4 + 300)
  assert.deepEqual([...frame.subarray(0, 4)], [0x81, 0x80 | 126, 1, 44])
  assert.deepEqual([...textFrame('ab')], [0x81, 0x82, 0, 0, 0, 0, 97, 98])
})
