/** The pure parts of load client and publisher: payloads, heads, tokens, shares, options. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { jwtVerify } from 'jose'
import { parseOptions } from '../bench-options.js'
import { split } from '../fleet.js'
import { readHead } from '../http-head.js'
import type { Measurement } from '../measurement.js'
import { nowMicros, readStamp, stampedPayload } from '../stamp.js'
import { mintToken } from '../token.js'

test('a payload is JSON of exactly the size asked for, and gives back its stamp', () => {
  const now = nowMicros()
  for (const size of [40, 128, 200]) {
    const payload = stampedPayload(size, now)
    assert.equal(payload.length, size)
    assert.equal(Number(JSON.parse(payload.toString()).sent), now)
    const frame = Buffer.concat([Buffer.from('{"data":'), payload, Buffer.from('}')])
    assert.equal(readStamp(frame, 0, frame.length), now)
  }
})

test('a payload too small for its stamp is a mistake', () => {
  assert.throws(() => stampedPayload(10, 0))
})

test('a frame without a whole stamp has none', () => {
  const frame = stampedPayload(60, 5)
  assert.equal(readStamp(frame, 0, frame.length - 4), undefined)
  assert.equal(readStamp(Buffer.from('{"type":"heartbeat"}'), 0, 20), undefined)
})

test('a head is read once its empty line has come', () => {
  const text = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 12\r\n\r\nrest'
  for (let end = 0; end < text.length - 4; end += 1) {
    assert.equal(readHead(Buffer.from(text.slice(0, end))), undefined)
  }
  assert.deepEqual(readHead(Buffer.from(text)), {
    status: 200,
    contentLength: 12,
    bytes: text.length - 4,
  })
})

test('a head without Content-Length says so, and what is no HTTP is refused', () => {
  const head = readHead(
    Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'),
  )
  assert.equal(head?.status, 101)
  assert.equal(head?.contentLength, undefined)
  assert.throws(() => readHead(Buffer.from('SSH-2.0-x\r\n\r\n')))
})

test('jose accepts the tokens of the load client', async () => {
  const secret = 'a-secret-of-more-than-32-bytes-for-this-test'
  const token = mintToken(secret, 'u1', { channels: ['bench.shared'] })
  const { payload } = await jwtVerify(token, new TextEncoder().encode(secret))
  assert.equal(payload.sub, 'u1')
  assert.deepEqual(payload['channels'], ['bench.shared'])
  assert.ok((payload.exp ?? 0) - (payload.iat ?? 0) <= 3600)
})

test('connections are shared among load clients without losing one', () => {
  assert.deepEqual(split(10, 3), [4, 3, 3])
  assert.deepEqual(split(2, 3), [1, 1, 0])
})

const measurement = (name: string): Measurement => ({
  name,
  summary: `about ${name}`,
  run: () => Promise.resolve([]),
})
const all = [measurement('memory'), measurement('delay')]

test('all measurements are run unless some are asked for', () => {
  const names = (args: readonly string[]): readonly string[] => {
    const parsed = parseOptions(args, all, 'out.json')
    return parsed.type === 'run' ? parsed.options.measurements.map(({ name }) => name) : []
  }
  assert.deepEqual(names([]), ['memory', 'delay'])
  assert.deepEqual(names(['--only', 'delay']), ['delay'])
  assert.deepEqual(names(['--only', 'delay', '--only', 'memory']), ['memory', 'delay'])
})

test('an unknown measurement or option is named', () => {
  const unknown = parseOptions(['--only', 'speed'], all, 'out.json')
  assert.ok(unknown.type === 'fault' && unknown.text.includes("'speed'"))
  const option = parseOptions(['--fast'], all, 'out.json')
  assert.ok(option.type === 'fault' && option.text.includes('--fast'))
})

test('the help names every measurement', () => {
  const help = parseOptions(['--help'], all, 'out.json')
  assert.ok(help.type === 'help')
  for (const { name, summary } of all)
    assert.ok(help.text.includes(name) && help.text.includes(summary))
})
