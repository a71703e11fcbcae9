/** The signals of channels live longer than a client: what is closed must not hang on them. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { LongPollTransport } from '../long-poll-transport.js'
import { Tidegate } from '../tidegate.js'

function open(): Tidegate {
  const transports = [new LongPollTransport()]
  return new Tidegate('http://127.0.0.1:9', { token: () => 't', transports })
}

test('a channel that is closed lets go of its signal', () => {
  const { signal } = new AbortController()
  const tidegate = open()
  tidegate.channel('a', { signal }).close()
  assert.deepEqual(getEventListeners(signal, 'abort'), [])
  tidegate.close()
})

// A page that opens clients and closes them keeps each one, 2.9 KB, for as long as its signal.
test('a client that is closed lets go of the signals of its channels', () => {
  const { signal } = new AbortController()
  const tidegate = open()
  tidegate.channel('a', { signal })
  tidegate.close()
  assert.deepEqual(getEventListeners(signal, 'abort'), [])
})
