/** The frame reader against segments that split frames at every byte. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { controlFrame, opcode, WebSocketReader } from '../web-socket-reader.js'

interface Seen {
  readonly code: number
  readonly text: string
}

function readAll(segments: readonly Buffer[]): Seen[] {
  const seen: Seen[] = []
  const reader = new WebSocketReader()
  // One buffer for all segments, as the load client has it: what is kept must be a copy.
  const shared = Buffer.alloc(200_000)
  for (const segment of segments) {
    segment.copy(shared)
    reader.read(shared.subarray(0, segment.length), (code, bytes, start, end) => {
      seen.push({ code, text: bytes.toString('utf8', start, end) })
    })
    shared.fill(0)
  }
  return seen
}

const short = Buffer.from([0x81, 2, 0x68, 0x69])
const medium = Buffer.concat([Buffer.from([0x81, 126, 0, 130]), Buffer.alloc(130, 'm')])
const ping = Buffer.from([0x89, 0])

test('frames are read whole, wherever a segment ends', () => {
  const bytes = Buffer.concat([short, medium, ping, short])
  const expected = [
    { code: opcode.text, text: 'hi' },
    { code: opcode.text, text: 'm'.repeat(130) },
    { code: opcode.ping, text: '' },
    { code: opcode.text, text: 'hi' },
  ]
  for (let at = 0; at <= bytes.length; at += 1) {
    assert.deepEqual(readAll([bytes.subarray(0, at), bytes.subarray(at)]), expected)
  }
})

test('frames that come byte by byte are read whole', () => {
  const bytes = Buffer.concat([medium, short])
  const segments = Array.from(bytes, (byte) => Buffer.from([byte]))
  assert.deepEqual(
    readAll(segments).map((frame) => frame.text.length),
    [130, 2],
  )
})

test('a frame with a length of eight bytes is read', () => {
  const head = Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70])
  const frame = Buffer.concat([head, Buffer.alloc(70_000, 'l')])
  const [seen] = readAll([frame.subarray(0, 5), frame.subarray(5)])
  assert.equal(seen?.code, opcode.binary)
  assert.equal(seen?.text.length, 70_000)
})

test('a masked or fragmented frame from the server is refused', () => {
  assert.throws(() => readAll([Buffer.from([0x81, 0x80, 0, 0, 0, 0])]), /mask/)
  assert.throws(() => readAll([Buffer.from([0x01, 1, 0x61])]), /fragmented/)
})

test('a control frame of the client is final and masked', () => {
  const bytes = controlFrame(opcode.pong, Buffer.from('ok'))
  assert.deepEqual([...bytes], [0x8a, 0x82, 0, 0, 0, 0, 0x6f, 0x6b])
})
