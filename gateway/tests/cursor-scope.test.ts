/** Streams of different channels share all bytes of a publication but its `id:` line. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Publication } from '../../hub/publication.js'
import type { Channel } from '../../shared/channel.js'
import { decodeCursor } from '../../shared/cursor.js'
import { CursorScopes } from '../cursor-scope.js'
import { publicationLines } from '../event-text.js'
import { TestStream } from './event-stream-client.js'
import { startTestGateway } from './harness.js'
import { mint } from './tokens.js'

test('a publication is encoded once, whoever reads it (PROTOCOL 6.3)', () => {
  const publication = new Publication({
    channel: 'news' as Channel,
    pattern: undefined,
    time: 1,
    sender: undefined,
    contentType: undefined,
    payload: Buffer.from('[1,\r\n2]'),
    arrival: 7,
    offset: 0,
    previous: 0,
    isEnd: false,
  })
  const lines = publicationLines(publication)
  assert.equal(publicationLines(publication), lines)
  const data = 'data: {"channel":"news","time":1,"data":[1,\ndata: 2]}\n\n'
  assert.equal(Buffer.from(lines).toString(), data)
})

test('readers of the same channels share a cursor until the last has left (PROTOCOL 6.3)', () => {
  const scopes = new CursorScopes('0123456789abcdef', () => false)
  const names = ['news' as Channel, 'chat.7' as Channel]
  const scope = scopes.hold(names)
  assert.equal(scopes.hold([...names].reverse()), scope)
  const line = scope.idLine(300, undefined)
  assert.equal(scope.idLine(300, undefined), line)
  assert.equal(Buffer.from(line).toString(), `id: ${scope.cursor(300, undefined)}\n`)
  assert.notDeepEqual(scope.idLine(301, undefined), line)
  assert.equal(decodeCursor(scope.cursor(301, undefined))?.ephemeral?.arrival, 301)
  scopes.release(scope)
  assert.equal(scopes.hold(names), scope)
  scopes.release(scope)
  scopes.release(scope)
  assert.notEqual(scopes.hold(names), scope)
})

test('publications of any size reach streams of any channels whole (PROTOCOL 6.3)', async (t) => {
  const { http, broker, gateway } = await startTestGateway(t)
  const token = mint({ subscribe: ['>'] })
  const streams = await Promise.all(
    ['news', 'news,a', 'news,b', 'c,news'].map((channels) =>
      TestStream.welcomed(t, http, { channels, token }),
    ),
  )
  const payloads = [
    ...[14_800, 14_900, 15_000, 15_100, 29_900, 60_000].map((size) => `"${'x'.repeat(size)}"`),
    `[1${'\n'.repeat(60_000)}]`,
    '"last"',
  ]
  for (const payload of payloads) {
    await broker.publish('rt.pub.news', Buffer.from(payload), {})
    const ids = new Set<string | undefined>()
    for (const stream of streams) {
      const { id, data } = await stream.next('message')
      assert.deepEqual((JSON.parse(data) as { data: unknown }).data, JSON.parse(payload))
      ids.add(id)
    }
    assert.equal(ids.size, streams.length)
  }
  assert.equal(gateway.outbox.bytes, 0)
})
