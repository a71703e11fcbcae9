/** The client's calls by HTTP against a real gateway: once though an answer was lost, and pages. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gateway } from '../../client/gateway.js'
import { HttpCalls } from '../../client/http-calls.js'
import { systemClock } from '../../client/system-clock.js'
import { TidegateError } from '../../client/tidegate-error.js'
import { ordersToken } from '../../gateway/tests/durable-orders.js'
import { startTestGateway, type TestGateway } from '../../gateway/tests/harness.js'
import { mint } from '../../gateway/tests/tokens.js'

/** A network that brings the request and loses this many answers. */
function losing(count: number): typeof fetch {
  let left = count
  return async (input, init) => {
    const response = await fetch(input, init)
    if (left === 0) return response
    left -= 1
    await response.text()
    throw new TypeError('the answer was lost')
  }
}

function callsOf(gateway: TestGateway, network: typeof fetch = fetch, token = ordersToken) {
  // Chance that does not wait.
  const pace = { clock: systemClock, random: () => 0 }
  const asked = new Gateway(gateway.http, () => token, pace, network)
  return new HttpCalls(asked, new AbortController().signal, (channel) =>
    channel.startsWith('orders.'),
  )
}

function hasCode(code: string, status?: number) {
  return (error: unknown) =>
    error instanceof TidegateError && error.code === code && error.status === status
}

test('a durable publication is there once, though its answers were lost', async (t) => {
  const gateway = await startTestGateway(t)
  const calls = callsOf(gateway, losing(2))
  assert.deepEqual(await calls.publish('orders.42', { n: 1 }), { offset: 1 })
  assert.deepEqual(await calls.publish('orders.42', { n: 2 }), { offset: 2 })
  const { publications, epoch, more, ended } = await calls.history('orders.42')
  assert.deepEqual(
    publications.map(({ offset, sender, data }) => ({ offset, sender, data })),
    [
      { offset: 1, sender: 'u1', data: { n: 1 } },
      { offset: 2, sender: 'u1', data: { n: 2 } },
    ],
  )
  assert.match(epoch, /^[0-9a-f]{12}$/)
  assert.deepEqual([more, ended], [false, false])
  assert.equal(gateway.counters.publicationsAccepted, 4)
})

test('an ephemeral publication goes out once, and that its answer was lost is told', async (t) => {
  const gateway = await startTestGateway(t)
  const calls = callsOf(gateway, losing(1))
  await assert.rejects(calls.publish('chat.7', 1), hasCode('publish_unanswered'))
  assert.equal(gateway.counters.publicationsAccepted, 1)
  assert.deepEqual(await calls.publish('chat.7', 2), {})
})

test('one key of an application is one publication', async (t) => {
  const gateway = await startTestGateway(t)
  const calls = callsOf(gateway)
  const first = await calls.publish('orders.42', 1, { idempotencyKey: 'k1' })
  assert.deepEqual(await calls.publish('orders.42', 1, { idempotencyKey: 'k1' }), first)
})

test('a history is paged through by the offset to show next', async (t) => {
  const gateway = await startTestGateway(t)
  const calls = callsOf(gateway)
  for (let n = 0; n < 5; n += 1) await calls.publish('orders.42', n)
  const values: unknown[] = []
  let after = 0
  for (let more = true; more;) {
    const page = await calls.history('orders.42', { after, limit: 2 })
    values.push(page.publications.map(({ data }) => data))
    ;({ after, more } = page)
  }
  assert.deepEqual(values, [[0, 1], [2, 3], [4]])
})

test('refusals are errors with the code and the status of the gateway', async (t) => {
  const gateway = await startTestGateway(t)
  const calls = callsOf(gateway)
  await assert.rejects(calls.publish('stocks.MSFT', 1), hasCode('forbidden', 403))
  await assert.rejects(calls.publish('orders..', 1), hasCode('bad_request', 400))
  await assert.rejects(calls.publish('orders.1', undefined), hasCode('bad_request', 400))
  await assert.rejects(calls.publish('orders.1', 'x'.repeat(70_000)), hasCode('too_large', 413))
  await assert.rejects(calls.history('chat.7'), hasCode('bad_request', 400))
  await assert.rejects(calls.history('orders.42', { limit: 0 }), hasCode('bad_request', 400))
  const everything = callsOf(gateway, fetch, mint({ publish: ['>'] }))
  await assert.rejects(everything.publish('nowhere.1', 1), hasCode('unknown_namespace', 404))
  const expired = callsOf(gateway, fetch, mint({ exp: 1 }))
  await assert.rejects(expired.publish('orders.42', 1), hasCode('token_expired', 401))
})
