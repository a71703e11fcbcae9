/** Request bodies of every bad kind: refused, bounded in bytes and time, then forgotten. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { HttpResponse } from 'uWebSockets.js'
import type { Authenticator } from '../authenticator.js'
import { Counters } from '../counters.js'
import { DueWheel } from '../due-wheel.js'
import type { Node } from '../node.js'
import type { Problem } from '../problem.js'
import { readBody } from '../request-body.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { askOnce, HttpConnection, problemOf } from './http-connection.js'
import { mint } from './tokens.js'

const authorization = `Bearer ${mint({ subscribe: ['news'], publish: ['news'] })}`
const paths = ['/v1/events', '/v1/publish'] as const

function head(path: string, ...lines: readonly string[]): string {
  const fixed = [`POST ${path} HTTP/1.1`, 'Host: x', `Authorization: ${authorization}`]
  return `${[...fixed, ...lines].join('\r\n')}\r\n\r\n`
}

function bodyOf(path: string, filler = ''): string {
  const rest = path === '/v1/events' ? '"channels":["news"],"wait":0' : '"channel":"news","data":1'
  return `{"x":"${filler}",${rest}}`
}

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`
}

/** Others are served as if nothing were. */
async function assertServes(t: TestContext, { port }: TestGateway): Promise<void> {
  const headers = { authorization }
  const answer = await askOnce(t, port, { path: '/v1/events?channels=news&wait=0', headers })
  assert.equal(answer.status, 200)
}

test('a body counts whole, in pieces, in chunks and byte by byte (PROTOCOL 8.2)', async (t) => {
  const { port } = await startTestGateway(t)
  for (const path of paths) {
    const body = bodyOf(path, 'x'.repeat(3000))
    const length = `Content-Length: ${body.length}`
    const halves = [body.slice(0, 1500), body.slice(1500)] as const
    const ways: readonly (readonly string[])[] = [
      [head(path, length) + body],
      [head(path, length), ...halves],
      [head(path, 'Transfer-Encoding: chunked') + chunk(body), chunk('')],
      [head(path, 'Transfer-Encoding: chunked'), ...halves.map(chunk), chunk('')],
      [head(path, 'Transfer-Encoding: chunked'), [...body].map(chunk).join('') + chunk('')],
      [...(head(path, length) + body)],
    ]
    const connection = new HttpConnection(t, port)
    for (const pieces of ways) {
      for (const piece of pieces) {
        connection.send(piece)
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.equal((await connection.answer()).status, 200)
    }
  }
})

test('a body over the limit is 413 and ends the connection (PROTOCOL 8.2, 12.1)', async (t) => {
  const gateway = await startTestGateway(t, { settings: { frameBytesMax: 2000 } })
  for (const path of paths) {
    const fits = bodyOf(path).padEnd(2000, ' ')
    const headers = { authorization }
    const good = await askOnce(t, gateway.port, { method: 'POST', path, headers, body: fits })
    assert.equal(good.status, 200)
    const chunked = 'Transfer-Encoding: chunked'
    for (const bytes of [
      `${head(path, 'Content-Length: 2001')}${fits} `,
      `${head(path, 'Content-Length: 999999999')}${fits} `,
      `${head(path, chunked)}${chunk(fits)}${chunk(' ')}`,
      `${head(path, chunked)}${chunk(`${fits} `)}`,
    ]) {
      const connection = new HttpConnection(t, gateway.port)
      connection.send(bytes)
      const answer = await connection.answer()
      assert.deepEqual([answer.status, problemOf(answer).code], [413, 'too_large'])
      await connection.closed()
    }
  }
  await assertServes(t, gateway)
})

test('a body that is not JSON of the right shape is 400 (PROTOCOL 8.2)', async (t) => {
  const gateway = await startTestGateway(t)
  const latin1 = Buffer.from([0x7b, 0x22, 0x78, 0x22, 0x3a, 0x22, 0xe9, 0x22, 0x7d])
  const bodies: readonly (string | Buffer)[] = [
    ...['', ' ', 'x', '{', '{}x', 'null', '7', '"a"', '[]', '[{}]', '{"channel":"news",}'],
    ...['['.repeat(40_000), `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
    ...['\ufeff{"channels":["news"],"wait":0}', '{"channels":["news"],"wait":NaN}'],
    ...['{"channels":"news"}', '{"channels":[["news"]]}', '{"channels":[7]}', '{"channels":{}}'],
    ...['{"channels":null}', '{"__proto__":{"channels":["news"],"channel":"news","data":1}}'],
    ...['{"channels":["news"],"wait":-1}', '{"channels":["news"],"wait":56}'],
    ...['{"channels":["news"],"wait":1.5}', '{"channels":["news"],"wait":"5"}'],
    ...['{"channels":["news"],"wait":null}', '{"channels":["news"],"wait":1e400}'],
    ...['{"channels":["news"],"cursor":7}', '{"channels":["news"],"cursor":null}'],
    ...['{"channels":["news"],"cursor":"x"}', '{"channels":[""]}', '{"channels":["a b"]}'],
    latin1,
  ]
  for (const path of paths) {
    const connection = new HttpConnection(t, gateway.port)
    for (const body of bodies) {
      connection.send(head(path, `Content-Length: ${Buffer.byteLength(body)}`))
      connection.send(body)
      const answer = await connection.answer()
      const shown = `${path} ${body.toString().slice(0, 60)}`
      assert.deepEqual([answer.status, problemOf(answer).code], [400, 'bad_request'], shown)
    }
  }
  await assertServes(t, gateway)
})

test('a request without a body, or with a bad length, harms nobody (PROTOCOL 8.2)', async (t) => {
  const gateway = await startTestGateway(t)
  for (const path of paths) {
    const connection = new HttpConnection(t, gateway.port)
    connection.send(head(path))
    assert.equal((await connection.answer()).status, 400)
    for (const length of ['-5', 'abc', '99999999999999999999', '5, 6', '0x10']) {
      const bad = new HttpConnection(t, gateway.port)
      bad.send(`${head(path, `Content-Length: ${length}`)}{}`)
      await until('it is refused or ended', () => bad.isClosed || bad.rest !== '')
      assert.doesNotMatch(bad.rest, /^HTTP\/1\.1 200/)
      bad.cut()
    }
    // Two framings at once are how requests are smuggled (RFC 9112, section 6.1).
    const both = new HttpConnection(t, gateway.port)
    both.send(head(path, 'Content-Length: 5', 'Transfer-Encoding: chunked') + chunk(''))
    await until('it is refused or ended', () => both.isClosed || both.rest !== '')
    assert.doesNotMatch(both.rest, /^HTTP\/1\.1 200/)
  }
  await assertServes(t, gateway)
})

test('a body unfinished after 10 s is 408 and ends its connection (PROTOCOL 8.2)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock })
  for (const path of paths) {
    for (const start of [
      head(path, 'Content-Length: 50'),
      `${head(path, 'Content-Length: 50')}{`,
    ]) {
      const connection = new HttpConnection(t, gateway.port)
      const before = clock.pending
      connection.send(start)
      // Requests are read in the order in which they come: this one comes after it.
      await assertServes(t, gateway)
      clock.advance(9500)
      connection.send(' ')
      await assertServes(t, gateway)
      assert.equal(connection.rest, '')
      clock.advance(1000)
      const answer = await connection.answer()
      assert.deepEqual([answer.status, problemOf(answer).code], [408, 'request_timeout'])
      await connection.closed()
      assert.equal(clock.pending, before)
    }
  }
  assert.equal(gateway.counters.refusals.request_timeout, 4)
})

test('a client that leaves within its body is forgotten (PROTOCOL 8.2)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock })
  const messages: string[] = []
  gateway.broker.subscribe('rt.pub.>', ({ subject }) => messages.push(subject))
  for (const path of paths) {
    for (const body of ['', '{"channel":"news","data":1}'.slice(0, -1)]) {
      const connection = new HttpConnection(t, gateway.port)
      connection.send(`${head(path, 'Content-Length: 27')}${body}`)
      await assertServes(t, gateway)
      connection.cut()
    }
  }
  await assertServes(t, gateway)
  clock.advance(20_000)
  assert.deepEqual(messages, [])
  const { request_timeout: timeouts = 0 } = gateway.counters.refusals
  assert.ok(timeouts < 4)
  assert.deepEqual(gateway.counters.connections, { websocket: 0, sse: 0, poll: 0 })
})

/** Stands in for the engine, whose own timer for a slow body is 8 to 12 seconds of real time. */
class SlowResponse {
  readonly calls: string[] = []
  receive: (chunk: ArrayBuffer, isLast: boolean) => void = () => {}
  onAborted(): void {}
  onData(receive: (chunk: ArrayBuffer, isLast: boolean) => void): void {
    this.receive = receive
  }
  pause(): void {
    this.calls.push('pause')
  }
  resume(): void {
    this.calls.push('resume')
  }
}

function slowBody(clock: FakeClock) {
  const problems: Problem[] = []
  const bodies: Uint8Array[] = []
  const res = new SlowResponse()
  const node = {
    clock,
    wheel: new DueWheel(clock),
    settings: { frameBytesMax: 81_920 },
    counters: new Counters(),
  }
  readBody(node as unknown as Node, res as unknown as HttpResponse, {
    done: (body) => bodies.push(body),
    failed: (problem) => problems.push(problem),
  })
  return { res, problems, bodies }
}

test('the engine does not end a slow body before we answer it (PROTOCOL 8.2)', () => {
  const clock = new FakeClock()
  const { res, problems } = slowBody(clock)
  // Each pair restarts the engine's timer, which may be as short as 8 s.
  clock.advance(5000)
  assert.deepEqual(res.calls, ['pause', 'resume'])
  clock.advance(4000)
  assert.equal(res.calls.length, 4)
  assert.deepEqual(problems, [])
  clock.advance(1500)
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['request_timeout'],
  )
  clock.advance(20_000)
  assert.deepEqual([res.calls.length, problems.length], [4, 1])
})

test('a body of single bytes is put together, and costs what it weighs (PROTOCOL 8.2)', () => {
  const { res, bodies } = slowBody(new FakeClock())
  const expected = Buffer.alloc(81_920, 'tidegate ')
  for (const [at, byte] of expected.entries()) {
    const shared = new Uint8Array([byte])
    res.receive(shared.buffer, at === expected.length - 1)
    // The engine takes its memory back.
    shared.fill(0)
  }
  assert.equal(bodies.length, 1)
  assert.deepEqual(Buffer.from(bodies[0] as Uint8Array), expected)
})

test('a fault of ours is 500 to that client, and told to us (PROTOCOL 9.2)', async (t) => {
  let isFaulty = false
  const token = { ok: false, code: 'token_invalid', message: 'The token is bad.' } as const
  const authenticator: Authenticator = {
    authenticate: () => {
      if (isFaulty) throw new Error('a bug')
      return token
    },
  }
  const gateway = await startTestGateway(t, { authenticator })
  const { port, internalErrors } = gateway
  const stream = { accept: 'text/event-stream' }
  const questions = [
    { path: '/v1/events?channels=news' },
    { path: '/v1/events?channels=news', headers: stream },
    ...paths.map((path) => ({ method: 'POST', path, body: bodyOf(path) })),
  ]
  for (const question of questions) {
    isFaulty = true
    const connection = new HttpConnection(t, port)
    const answer = await connection.ask(question)
    assert.deepEqual([answer.status, problemOf(answer).code], [500, 'internal_error'])
    assert.doesNotMatch(answer.body, /bug/)
    await connection.closed()
    isFaulty = false
    assert.equal(problemOf(await askOnce(t, port, question)).code, 'token_invalid')
  }
  assert.equal(internalErrors.splice(0).length, questions.length)
})
