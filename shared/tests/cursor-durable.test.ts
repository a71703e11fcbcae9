/** Section 2 of a cursor: positions in durable channels, never misread. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32 } from '../crc32.js'
import type { DurablePositions } from '../cursor-durable.js'
import { channelHash, cursorLengthMax, decodeCursor, encodeCursor, type Cursor } from '../cursor.js'
import { hex, toHex } from './bytes.js'

/** The example of PROTOCOL.md. */
const example: DurablePositions = {
  epoch: '5f0c3a9be214',
  verified: 8000,
  channels: [
    { hash: channelHash('orders.42'), offset: 7990, timeTag: 1767225600123 % 65_536 },
    { hash: channelHash('orders.43'), offset: 8003, timeTag: 0 },
  ],
}
const exampleText = 'AQIUXww6m-IUwD46VsUUqHs6WFUFAAB8ZKFi'
const exampleBody = '5f0c3a9be214 c03e 3a56c5 14 a87b 3a5855 05 0000'

/** A cursor over the given bytes with the right checksum. */
function cursorOver(digits: string): string {
  const bytes = hex(digits)
  const checksum = crc32(bytes).toString(16).padStart(8, '0')
  return Buffer.from(toHex(bytes) + checksum, 'hex').toString('base64url')
}

/** Positions at the widest offsets, each channel in an epoch of its own. */
function widest(channelCount: number): DurablePositions[] {
  return Array.from({ length: channelCount }, (_, index) => ({
    epoch: (index + 1).toString(16).padStart(12, '0'),
    verified: Number.MAX_SAFE_INTEGER,
    channels: [{ hash: index, offset: 0, timeTag: 65_535 }],
  }))
}

test('the cursor of PROTOCOL.md is written and read (PROTOCOL 13.5)', () => {
  assert.equal(encodeCursor({ durable: [example] }), exampleText)
  assert.equal(cursorOver(`01 02 14 ${exampleBody}`), exampleText)
  assert.deepEqual(decodeCursor(exampleText), { durable: [example] })
})

test('16 channels of two namespaces take fewer than 200 characters (PROTOCOL 13.5)', () => {
  const verified = 2 ** 49 - 1 // a million publications a second for 17 years
  const channels = Array.from({ length: 8 }, (_, index) => ({
    hash: channelHash(`orders.${index}`),
    offset: verified + (index % 2 === 0 ? -8_000 : 8_000),
    timeTag: 65_535,
  }))
  const durable = ['a', 'b'].map((digit) => ({ epoch: digit.repeat(12), verified, channels }))
  assert.ok(encodeCursor({ durable }).length < 200)
})

test('64 channels fit into a cursor, whatever their positions (PROTOCOL 13.4)', () => {
  for (const count of [64, 100]) {
    const text = encodeCursor({ durable: widest(count) })
    assert.ok(text.length <= cursorLengthMax)
    assert.deepEqual(decodeCursor(text), { durable: widest(count) })
  }
  assert.throws(() => encodeCursor({ durable: widest(101) }), RangeError)
})

const offset = fc.oneof(fc.nat(20_000), fc.maxSafeNat())
const epoch = fc.string({
  unit: fc.constantFrom(...'0123456789abcdef'),
  minLength: 12,
  maxLength: 12,
})
const channel = fc.record(
  { hash: fc.nat(0xffffff), offset, timeTag: fc.nat(65_535) },
  { noNullPrototype: true },
)
const positions: fc.Arbitrary<DurablePositions> = fc.record(
  { epoch, verified: offset, channels: fc.array(channel, { minLength: 1, maxLength: 16 }) },
  { noNullPrototype: true },
)
const durable = fc
  .uniqueArray(positions, { selector: (each) => each.epoch, minLength: 1, maxLength: 4 })
  .map((each) => each.sort((one, other) => (one.epoch < other.epoch ? -1 : 1)))
const ephemeral = fc.constantFrom(undefined, {
  node: '0123456789abcdef',
  arrival: 300,
  channels: [7],
})
const cursors: fc.Arbitrary<Cursor> = fc
  .tuple(durable, ephemeral)
  .map(([each, other]) => ({ durable: each, ...(other && { ephemeral: other }) }))

test('every cursor comes back as it went, with ephemeral channels too (PROTOCOL 13.5)', () => {
  fc.assert(
    fc.property(cursors, (cursor) => {
      assert.deepEqual(decodeCursor(encodeCursor(cursor)), cursor)
    }),
    { numRuns: 1000 },
  )
})

test('a cursor with any one byte changed is refused (PROTOCOL 13.4)', () => {
  fc.assert(
    fc.property(cursors, fc.nat(), fc.integer({ min: 1, max: 255 }), (cursor, at, flip) => {
      const bytes = Buffer.from(encodeCursor(cursor), 'base64url')
      const index = at % bytes.length
      bytes[index] = (bytes[index] as number) ^ flip
      assert.equal(decodeCursor(bytes.toString('base64url')), undefined)
    }),
    { numRuns: 2000 },
  )
})

test('what has a right checksum but is not understood whole is refused (PROTOCOL 13.4)', () => {
  const section = `02 14 ${exampleBody}`
  const wrong = {
    'a short epoch': '02 05 5f0c3a9be2',
    'no verified offset': '02 06 5f0c3a9be214',
    'no channel': '02 08 5f0c3a9be214 c03e',
    'half a hash': '02 0a 5f0c3a9be214 c03e 3a56',
    'no offset': '02 0b 5f0c3a9be214 c03e 3a56c5',
    'an offset without its end': '02 0d 5f0c3a9be214 c03e 3a56c5 94 80',
    'an offset longer than it needs to be': '02 0f 5f0c3a9be214 c03e 3a56c5 9400 a87b',
    'half a time tag': '02 0d 5f0c3a9be214 c03e 3a56c5 14 a8',
    'an offset below 0': '02 0e 5f0c3a9be214 c03e 3a56c5 827d0000',
    'an offset over 2^53 - 1': '02 13 5f0c3a9be214 ffffffffffffff0f 3a56c5 01 0000',
    'a difference beyond all offsets': `02 16 5f0c3a9be214 c03e 3a56c5 ${'81'.repeat(8)}01 0000`,
    'a byte left over': `02 15 ${exampleBody} 00`,
    'an epoch twice': `${section} ${section}`,
    'a lower epoch after a higher one': `${section} 02 0e 000000000000 c03e 3a56c5 14 a87b`,
    'an ephemeral section behind': `${section} 01 09 0123456789abcdef 01`,
    'an unknown section behind': `${section} 03 01 00`,
  }
  for (const [name, digits] of Object.entries(wrong)) {
    assert.equal(decodeCursor(cursorOver(`01 ${digits}`)), undefined, name)
  }
  assert.ok(decodeCursor(cursorOver(`01 ${section} 02 0e ffffffffffff c03e 3a56c5 14 a87b`)))
})

test('any section gives a cursor or nothing, never an exception (PROTOCOL 13.4)', () => {
  const section = fc
    .tuple(fc.constantFrom('01', '02', '02', '03'), fc.uint8Array({ maxLength: 40 }))
    .map(([id, body]) => id + toHex(Uint8Array.of(body.length, ...body)))
  const forged = fc.array(section, { maxLength: 3 }).map((each) => cursorOver(`01${each.join('')}`))
  fc.assert(
    fc.property(forged, (text) => {
      const cursor = decodeCursor(text)
      if (cursor !== undefined) assert.equal(encodeCursor(cursor), text)
    }),
    { numRuns: 5000 },
  )
})

test('what is no position is not written', () => {
  const [first] = example.channels
  assert.ok(first)
  const wrong: DurablePositions[] = [
    { ...example, epoch: '5F0C3A9BE214' },
    { ...example, epoch: 'abc' },
    { ...example, verified: -1 },
    { ...example, channels: [] },
    { ...example, channels: [{ ...first, offset: 1.5 }] },
    { ...example, channels: [{ ...first, offset: 2 ** 53 }] },
  ]
  for (const positions of wrong) {
    assert.throws(() => encodeCursor({ durable: [positions] }), RangeError)
  }
  assert.throws(() => encodeCursor({ durable: [example, example] }), RangeError)
})
