/** A fault while an event stream or a poll begins: a bug of ours that leaves nothing behind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BrokerMessage, BrokerSubscription } from '../../hub/broker.js'
import { MemoryBroker } from '../../hub/memory-broker.js'
import { TestStream } from './event-stream-client.js'
import { startTestGateway, until } from './harness.js'
import { HttpConnection, requestText } from './http-connection.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['>'] })

/** Its methods throw while it is told to. */
class FaultyBroker extends MemoryBroker {
  throwsIn: 'subscribe' | 'confirm' | undefined = undefined

  override subscribe(
    subject: string,
    receive: (message: BrokerMessage) => void,
  ): BrokerSubscription {
    if (this.throwsIn === 'subscribe' && subject.endsWith('.b')) throw new Error('a bug')
    const subscription = super.subscribe(subject, receive)
    return {
      confirm: async () => {
        const isConfirmed = await subscription.confirm()
        if (this.throwsIn === 'confirm') throw new Error('a bug')
        return isConfirmed
      },
      unsubscribe: () => subscription.unsubscribe(),
    }
  }
}

for (const throwsIn of ['subscribe', 'confirm'] as const) {
  for (const accept of ['text/event-stream', 'application/json']) {
    const title = `a fault in ${throwsIn} ends ${accept} and leaves nothing (PROTOCOL 12.1)`
    test(title, async (t) => {
      const broker = new FaultyBroker()
      const gateway = await startTestGateway(t, { broker })
      const { counters, hub, http, port, internalErrors } = gateway
      broker.throwsIn = throwsIn
      const connection = new HttpConnection(t, port)
      const headers = { accept, authorization: `Bearer ${token}` }
      connection.send(requestText({ path: '/v1/events?channels=a,b', headers }))
      await until('the connection is closed', () => connection.isClosed)
      // At most the head of the stream, with its `retry:`.
      assert.doesNotMatch(connection.rest, /internal_error|HTTP[^]*HTTP/)
      assert.equal(internalErrors.splice(0).length, 1)
      assert.equal(counters.refusals.internal_error, 1)
      const { sse, poll } = counters.connections
      assert.deepEqual([sse, poll, counters.subscriptions], [0, 0, 0])
      assert.equal(hub.lingeringCount, hub.interestCount)
      assert.equal(gateway.gateway.outbox.bytes, 0)
      broker.throwsIn = undefined
      const stream = await TestStream.welcomed(t, http, { channels: 'a,b', token })
      await broker.publish('rt.pub.b', Buffer.from('1'), {})
      assert.equal((await stream.publication())['data'], 1)
    })
  }
}
