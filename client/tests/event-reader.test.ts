/** The reader of event streams, fed with literal text in pieces of every size. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EventReader, type StreamEvent } from '../event-reader.js'

const text =
  'retry: 1500\nevent: welcome\ndata: {"node":"n"}\n\n' +
  ': a comment\nid: c1\ndata: {"a":\ndata:  1}\n\n' +
  'id: c2\n\ndata\n\nid: c3\r\ndata: x\r\n\r\ndata: y\rdata:z\r\rdata: unfinished'

const expected: readonly StreamEvent[] = [
  { name: 'welcome', data: '{"node":"n"}', id: '' },
  { name: 'message', data: '{"a":\n 1}', id: 'c1' },
  { name: 'message', data: undefined, id: 'c2' },
  { name: 'message', data: '', id: 'c2' },
  { name: 'message', data: 'x', id: 'c3' },
  { name: 'message', data: 'y\nz', id: 'c3' },
]

function read(reader: EventReader, pieces: readonly string[]): StreamEvent[] {
  return pieces.flatMap((piece) => reader.push(piece))
}

function cut(whole: string, places: readonly number[]): string[] {
  const bounds = [0, ...[...places].sort((a, b) => a - b), whole.length]
  return bounds.slice(1).map((end, at) => whole.slice(bounds[at], end))
}

test('events come out the same, in pieces of every size', () => {
  for (let size = 1; size <= text.length; size += 1) {
    const reader = new EventReader()
    const places = Array.from({ length: Math.ceil(text.length / size) - 1 }, (_, at) => at + 1)
    const pieces = cut(
      text,
      places.map((place) => place * size),
    )
    assert.deepEqual(read(reader, pieces), expected, `in pieces of ${size}`)
    assert.equal(reader.retryMs, 1500)
  }
})

test('events come out the same, wherever the text is cut', () => {
  const place = fc.integer({ min: 0, max: text.length })
  fc.assert(
    fc.property(fc.array(place, { maxLength: 20 }), (places) => {
      assert.deepEqual(read(new EventReader(), cut(text, places)), expected)
    }),
    { seed: 5 },
  )
})

test('a bare id counts, though it is no event', () => {
  const [event] = new EventReader().push('id: c9\n\n')
  assert.deepEqual(event, { name: 'message', data: undefined, id: 'c9' })
})

test('a name and data are of one event, an id is of those that follow, too', () => {
  const events = new EventReader().push('event: gap\nid: c1\ndata: 1\n\ndata: 2\n\n')
  assert.deepEqual(events, [
    { name: 'gap', data: '1', id: 'c1' },
    { name: 'message', data: '2', id: 'c1' },
  ])
})

test('what is no field is left out', () => {
  const reader = new EventReader()
  const events = reader.push('wait: 3\ndata: 1\n\n')
  assert.deepEqual(events, [{ name: 'message', data: '1', id: '' }])
  assert.equal(reader.retryMs, undefined)
})
