/** The reader of event streams, fed with literal text in pieces of every size. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventReader } from '../event-reader.js'

const text =
  'retry: 1500\nevent: welcome\ndata: {"node":"n"}\n\n' +
  ': a comment\nid: c1\ndata: {"a":\ndata:  1}\n\n' +
  'id: c2\n\ndata\n\nid: c3\r\ndata: x\r\n\r\ndata: unfinished'

const expected = [
  { name: 'welcome', data: '{"node":"n"}' },
  { name: 'message', data: '{"a":\n 1}' },
  { name: 'message', data: '' },
  { name: 'message', data: 'x' },
]

test('events come out the same, wherever the text is cut', () => {
  for (let size = 1; size <= text.length; size += 1) {
    const reader = new EventReader()
    const events = []
    for (let at = 0; at < text.length; at += size) {
      events.push(...reader.push(text.slice(at, at + size)))
    }
    assert.deepEqual(events, expected, `in pieces of ${size}`)
    assert.equal(reader.lastEventId, 'c3')
    assert.equal(reader.retryMs, 1500)
  }
})

test('a bare id counts, though it is no event', () => {
  const reader = new EventReader()
  assert.deepEqual(reader.push('id: c9\n\n'), [])
  assert.equal(reader.lastEventId, 'c9')
})
