/** Lists in a request: bounded before they are split, so that who has no token costs little. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestGateway } from './harness.js'
import { answerTo, handshake, problemOf } from './raw-websocket.js'
import { mint } from './tokens.js'

const bearer = `bearer.${mint()}`

test('16 subprotocols are read, 17 are bad_request (PROTOCOL 12.2)', async (t) => {
  const { port } = await startTestGateway(t)
  const others = (count: number): string =>
    Array.from({ length: count }, (_, at) => `x${at}`).join()
  for (const [count, status] of [
    [14, 101],
    [15, 400],
    [2000, 400],
  ] as const) {
    const offered = `${others(count)}, ${bearer}, tidegate.v1.json`
    const request = handshake({ 'Sec-WebSocket-Protocol': offered })
    const answer = await answerTo(t, port, request)
    assert.equal(answer.status, status, String(count))
    if (status === 400) assert.equal(problemOf(answer).code, 'bad_request')
  }
})

test('32 parameters of a query are read, 33 are bad_request (PROTOCOL 12.2)', async (t) => {
  const { port } = await startTestGateway(t)
  const target = (count: number): string => `/v1/events?${'a&'.repeat(count - 1)}token=${mint()}`
  const headers = { 'Sec-WebSocket-Protocol': 'tidegate.v1.json' }
  assert.equal((await answerTo(t, port, handshake(headers, target(32)))).status, 101)
  for (const path of [target(33), target(5000)]) {
    const refused = await answerTo(t, port, handshake(headers, path))
    assert.deepEqual([refused.status, problemOf(refused).code], [400, 'bad_request'])
    const polled = await answerTo(t, port, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    assert.deepEqual([polled.status, problemOf(polled).code], [400, 'bad_request'])
  }
})

test('text/event-stream is found wherever it stands in Accept (PROTOCOL 1.1)', async (t) => {
  const { port } = await startTestGateway(t)
  const typeFor = async (accept: string): Promise<string | undefined> => {
    const token = mint({ subscribe: ['a'] })
    const head = `Host: x\r\nAuthorization: Bearer ${token}\r\nAccept: ${accept}`
    const target = '/v1/events?channels=a&wait=0'
    const answer = await answerTo(t, port, `GET ${target} HTTP/1.1\r\n${head}\r\n\r\n`)
    return answer.headers.get('content-type')
  }
  for (const accept of [
    'text/event-stream',
    'a/b ,Text/Event-Stream ;q=0.5',
    'a/b,text/event-stream,c/d',
    `${','.repeat(9000)} text/event-stream`,
  ]) {
    assert.equal(await typeFor(accept), 'text/event-stream', accept.slice(0, 40))
  }
  for (const accept of [
    '*/*',
    'text/event-streams',
    'x-text/event-stream',
    'a text/event-stream',
  ]) {
    assert.equal(await typeFor(accept), 'application/json', accept)
  }
})
