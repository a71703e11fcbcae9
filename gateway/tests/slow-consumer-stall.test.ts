/** A reader that pauses for longer than the engine's ten seconds: its stream must live on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestGateway, until } from './harness.js'
import { nextEvent, openStream } from './http-client.js'
import { mint } from './tokens.js'

/** The engine ends a response that takes nothing for 10 s; it looks every 4 s. */
const stallMs = 16_000

test('a stream that is not read for 16 s goes on where it was (PROTOCOL 10.3)', async (t) => {
  const gateway = await startTestGateway(t)
  const token = mint({ channels: ['chat.7'] })
  const { events } = await openStream(t, `${gateway.http}/v1/events?token=${token}`)
  assert.equal((await nextEvent(events)).event, 'welcome')
  const payload = Buffer.from(JSON.stringify('x'.repeat(32_768)))
  const { counters } = gateway
  for (let sent = 0; counters.deliveriesDropped.sse === 0; sent += 1) {
    assert.ok(sent < 2000, 'the kernel takes everything')
    await gateway.broker.publish('rt.pub.chat.7', payload, {})
  }
  // The engine's timer is real, so time has to pass.
  await new Promise((resolve) => setTimeout(resolve, stallMs))
  assert.equal(counters.connections.sse, 1)
  let event = await nextEvent(events)
  while (event.event !== 'gap') event = await nextEvent(events)
  await until('everything to be sent', () => gateway.gateway.outbox.bytes === 0)
  await gateway.broker.publish('rt.pub.chat.7', Buffer.from('"live"'), {})
  event = await nextEvent(events)
  while (event.event !== 'message') event = await nextEvent(events)
  assert.equal((JSON.parse(event.data) as { data: string }).data, 'live')
})
