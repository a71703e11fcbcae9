/** `tidegate publish` and `tidegate tail` against a real node. */
import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import { mint, serve, tidegate } from './spawned.js'

test('what is published is printed by who tails, bytes as they were sent', async (t) => {
  const { url } = await serve(t)
  const token = await mint(t, '--sub', 'u1', '--subscribe', 'news,>', '--publish', 'news')
  const env = { TIDEGATE_TOKEN: token }
  const tail = tidegate(t, ['tail', 'news', '--url', url], env)
  const raw = tidegate(t, ['tail', 'news', '--json', '--url', `${url}/`, '--token', token])
  await tail.until('the welcome', ({ stderr }) => stderr.includes('Connected.'))
  await raw.until('the welcome', ({ stderr }) => stderr.includes('Connected.'))

  const json = '{"b":12345678901234567890,\n "a":"ü"}'
  const publish = tidegate(t, ['publish', 'news', '-', '--url', url], env, json)
  assert.equal(await publish.exit(), 0, publish.stderr)
  assert.equal(publish.stdout, '')
  assert.match(publish.stderr, /^Published \d+ bytes to news at offset 1\.$/m)
  const line = await tail.until('a line', ({ stdout }) => /^.*\n/.exec(stdout)?.[0])
  assert.match(line, /^\S+Z news <u1> \{"b":12345678901234567890, "a":"ü"\}\n$/)
  const rawLine = await raw.until('a line', ({ stdout }) => /^.*\n/.exec(stdout)?.[0])
  assert.match(rawLine, /^\{"channel":"news",.*"data":\{"b":12345678901234567890, "a":"ü"\}\}\n$/)

  tail.child.kill('SIGINT')
  raw.child.kill('SIGTERM')
  assert.deepEqual([await tail.exit(), await raw.exit()], [0, 0])
})

test('a payload of another type goes as it is, with --content-type', async (t) => {
  const { url } = await serve(t)
  const token = await mint(t, '--subscribe', 'news', '--publish', 'news')
  const tail = tidegate(t, ['tail', 'news', '--url', url, '--token', token])
  await tail.until('the welcome', ({ stderr }) => stderr.includes('Connected.'))
  const args = ['publish', 'news', 'hello', '--content-type', 'text/plain', '--url', url]
  assert.equal(await tidegate(t, [...args, '--token', token]).exit(), 0)
  const line = await tail.until('a line', ({ stdout }) => /^.*\n/.exec(stdout)?.[0])
  assert.match(line, / news hello\n$/)
})

test('a refusal is told with its code and sentence, and exit code 1', async (t) => {
  const { url } = await serve(t)
  const token = await mint(t, '--subscribe', 'news', '--publish', 'news')
  const publish = tidegate(t, ['publish', 'other', '1', '--url', url, '--token', token])
  assert.equal(await publish.exit(), 1)
  assert.match(publish.stderr, /^forbidden: \S/)
  const tail = tidegate(t, ['tail', 'other', '--url', url, '--token', token])
  assert.equal(await tail.exit(), 1)
  assert.match(tail.stderr, /^forbidden: \S/)
  const anything = await mint(t, '--subscribe', '>')
  const unknown = tidegate(t, ['tail', 'nowhere.a', '--url', url, '--token', anything])
  assert.equal(await unknown.exit(), 1)
  assert.match(unknown.stderr, /^unknown_namespace: \S/)
})

test('without a token, or a gateway that answers, there is a sentence', async (t) => {
  const none = tidegate(t, ['tail', 'news'])
  assert.equal(await none.exit(), 1)
  assert.match(none.stderr, /TIDEGATE_TOKEN/)
  const nobody = tidegate(t, [
    'publish',
    'news',
    '1',
    '--url',
    'http://127.0.0.1:1',
    '--token',
    'x',
  ])
  assert.equal(await nobody.exit(), 1)
  assert.match(nobody.stderr, /^http:\/\/127\.0\.0\.1:1 does not answer: .*\S/)
  assert.doesNotMatch(nobody.stderr, /fetch failed/)
  const tail = tidegate(t, ['tail', 'news', '--url', 'http://127.0.0.1:1', '--token', 'x'])
  const told = /^Cannot connect \((?!.*fetch failed).+\); tries again in \d+\.\d s\.$/m
  await tail.until('that it cannot connect', ({ stderr }) => told.test(stderr))
})

test('what is no channel, no JSON or no address is refused before anything is sent', async (t) => {
  for (const args of [
    ['publish', 'a b', '1'],
    ['publish', 'news', '{'],
    ['publish', 'news'],
    ['publish', 'news', '1', '2'],
    ['publish', 'news', '1', '--url', 'localhost:8080'],
    ['publish', 'news', '1', '--url', 'http://a', '--nats', 'nats://a'],
    ['publish', 'news', '1', '--id', 'a b'],
    ['publish', 'news', '--end'],
    ['tail', 'news', '--last', '0'],
    ['tail', 'news', '--last', '1001'],
    ['tail'],
    ['tail', '*.a'],
  ]) {
    const spawned = tidegate(t, args, { TIDEGATE_TOKEN: 'x' })
    assert.equal(await spawned.exit(), 2, args.join(' '))
  }
})

test('NATS that is away is told at once', async (t) => {
  const publish = tidegate(t, ['publish', 'news', '1', '--nats', 'nats://127.0.0.1:1'])
  assert.equal(await publish.exit(), 1)
  assert.match(publish.stderr, /^broker_unavailable: \S/)
})

test('NATS of the configuration file is where a publication goes', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'tidegate-')), 'tidegate.json')
  writeFileSync(file, '{"TIDEGATE_NATS_URL":"nats://127.0.0.1:1"}')
  const args = ['publish', 'news', '1']
  for (const publish of [
    tidegate(t, [...args, '--config', file]),
    tidegate(t, args, { TIDEGATE_CONFIG: file }),
  ]) {
    assert.equal(await publish.exit(), 1)
    assert.match(publish.stderr, /^broker_unavailable: \S/)
  }
  const byHttp = tidegate(t, [...args, '--config', file, '--url', 'http://127.0.0.1:1'])
  assert.equal(await byHttp.exit(), 1)
  assert.match(byHttp.stderr, /TIDEGATE_TOKEN/)
})

test('tail goes on with its cursor when the stream ends, and says so', async (t) => {
  const seen: unknown[] = []
  const publication = (n: number): string =>
    `id: c${n}\ndata: {"channel":"news","time":0,"data":${n}}\n\n`
  const welcome = { expiresAt: Date.now() + 60_000, heartbeatSeconds: 30, subscriptions: ['news'] }
  const head = `retry: 10\nevent: welcome\ndata: ${JSON.stringify(welcome)}\n\n`
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.end(head + publication(1))
    },
    (response) => response.writeHead(503).end(),
    (response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write(`${head}event: gap\ndata: {"channel":"news","reason":"other_node"}\n\n`)
      response.write(publication(2))
    },
  ]
  const server = createServer((request, response) => {
    assert.equal(request.headers.authorization, 'bearer t')
    void json(request).then((body) => {
      seen.push(body)
      answers.shift()?.(response)
    })
  }).listen(0, '127.0.0.1')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const tail = tidegate(t, ['tail', 'news', '--url', url, '--token', 't'])
  await tail.until('the second line', ({ stdout }) => stdout.split('\n').length === 3)
  const news = { channels: ['news'] }
  const goOn = { ...news, cursor: 'c1' }
  assert.deepEqual(seen, [{ ...news, positions: {} }, goOn, goOn])
  assert.match(tail.stdout, /^\S+ news 1\n\S+ news 2\n$/)
  assert.match(tail.stderr, /Disconnected \(the stream ended\); goes on where it was in \d\.\d s\./)
  assert.match(tail.stderr, /^Gap: something of news may be missing: it was on another node, /m)
})
