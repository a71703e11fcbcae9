/** A node that logs everything is shown tokens in every place: none comes out again. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { before, test } from 'node:test'
import { WebSocket } from 'ws'
import { encodeSegment, mint } from '../../gateway/tests/tokens.js'
import { limit, fileScope, startNode, type NodeProcess } from './processes.js'

const scope = fileScope()
let node: NodeProcess

const origin = 'https://app.example'

before(async () => {
  node = await startNode(scope, {
    TIDEGATE_LOG_LEVEL: 'trace',
    TIDEGATE_ALLOWED_ORIGINS: origin,
    TIDEGATE_BROWSER_REFUSALS_PER_SECOND_MAX: '5',
  })
})

const rights = { sub: 'u1', subscribe: ['news'], publish: ['news'] }
const good = mint(rights)
const past = Math.floor(Date.now() / 1000) - 3600

const bad: Readonly<Record<string, string>> = {
  expired: mint({ ...rights, exp: past }),
  forged: mint(rights, 'another-secret-of-32-bytes-or-more!'),
  unsigned: `${encodeSegment('{"alg":"none"}')}.${encodeSegment(JSON.stringify(rights))}.`,
  'of an unknown key': mint(rights, 'another-secret-of-32-bytes-or-more!', {
    alg: 'HS256',
    kid: 'nobody',
  }),
  'not signed to the end': good.slice(0, -3),
  'not a token': 'thisIsNotATokenButAPasswordPastedByMistake',
  'too long': mint({ ...rights, filler: 'abcdefghijkl'.repeat(800) }),
  'of the wrong shape': mint({ ...rights, channels: 'news' }),
}

/** So short a part of a token would be found; the header of a token is no secret. */
const partLength = 10

function partsOf(tokens: readonly string[]): ReadonlySet<string> {
  const parts = new Set<string>()
  for (const token of tokens) {
    const segments = token.includes('.') ? token.split('.').slice(1) : [token]
    for (const segment of segments) {
      for (let at = 0; at + partLength <= segment.length; at += 1) {
        parts.add(segment.slice(at, at + partLength))
      }
    }
  }
  return parts
}

const parts = partsOf([good, ...Object.values(bad)])

function assertNoPart(text: string, where: string): void {
  for (let at = 0; at + partLength <= text.length; at += 1) {
    if (parts.has(text.slice(at, at + partLength))) {
      assert.fail(`a part of a token, ${where}: …${text.slice(Math.max(0, at - 60), at + 60)}…`)
    }
  }
}

interface Answer {
  readonly status: number
  /** Head and body, or frames and the reason of the close. */
  readonly text: string
}

type Ask = (token: string, place: 'header' | 'query') => Promise<Answer>

async function ask(path: string, init: RequestInit, token: string, place: string): Promise<Answer> {
  const headers = new Headers(init.headers)
  if (place === 'header') headers.set('Authorization', `Bearer ${token}`)
  const query = place === 'query' ? `${path.includes('?') ? '&' : '?'}token=${token}` : ''
  const abort = new AbortController()
  const url = `${node.http}/v1/${path}${query}`
  const response = await fetch(url, { ...init, headers, signal: abort.signal })
  const head = JSON.stringify([...response.headers])
  const reader = response.body?.getReader()
  const first = await reader?.read()
  abort.abort()
  return { status: response.status, text: head + Buffer.from(first?.value ?? []).toString() }
}

const stream = { headers: { Accept: 'text/event-stream' } }
const body = '{"channel":"news","data":1}'
const requests: Readonly<Record<string, Ask>> = {
  'event stream': (token, place) => ask('events?channels=news', stream, token, place),
  poll: (token, place) => ask('events?channels=news&wait=0', {}, token, place),
  publish: (token, place) => ask('publish', { method: 'POST', body }, token, place),
  'publish of a page': (token, place) =>
    ask('publish', { method: 'POST', body, headers: { Origin: origin } }, token, place),
  'unknown path': (token, place) => ask('nothing', {}, token, place),
  'wrong method': (token, place) => ask('publish', { method: 'PUT' }, token, place),
}

/** Subscribes so that a good connection has something to say before it is closed. */
async function handshake(
  url: string,
  protocols: string[],
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const socket = new WebSocket(url, protocols, { headers })
  let text = ''
  let status = 101
  socket.on('error', () => {})
  socket.on('unexpected-response', (_, response) => {
    status = response.statusCode ?? 0
    text += JSON.stringify(response.rawHeaders)
    response.on('data', (chunk: Buffer) => (text += chunk.toString()))
    response.on('end', () => socket.terminate())
  })
  socket.on('upgrade', (response) => (text += JSON.stringify(response.rawHeaders)))
  socket.on('message', (bytes: Buffer) => {
    text += bytes.toString()
    socket.close()
  })
  const [code, reason] = await new Promise<[number, Buffer]>((resolve) => {
    socket.on('close', (...close) => resolve(close))
  })
  return { status: status === 101 && code >= 4000 ? code : status, text: text + reason.toString() }
}

/** Every way to bring the token to a handshake, by a page and by another client. */
async function handshakes(token: string): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const page of [{}, { Origin: origin }]) {
    const bearer = { ...page, Authorization: `Bearer ${token}` }
    answers.push(
      await handshake(node.ws, [], bearer),
      await handshake(`${node.ws}?token=${token}`, [], page),
      await handshake(node.ws, ['tidegate.v1.json', `bearer.${token}`], page),
    )
  }
  return answers
}

test(
  'a good token works everywhere, and no part of it is repeated (PROTOCOL 3.11)',
  limit,
  async () => {
    for (const [name, request] of Object.entries(requests)) {
      for (const place of ['header', 'query'] as const) {
        const { status, text } = await request(good, place)
        const expected = { 'unknown path': 404, 'wrong method': 405 }[name] ?? 200
        assert.equal(status, expected, `${name} ${text}`)
        assertNoPart(text, `${name}, ${place}`)
      }
    }
    for (const { status, text } of await handshakes(good)) {
      assert.equal(status, 101, text)
      assert.match(text, /welcome/)
      assertNoPart(text, 'a handshake')
    }
  },
)

for (const [kind, token] of Object.entries(bad)) {
  test(
    `a token that is ${kind} is refused, and no part of it repeated (PROTOCOL 3.11, 3.5)`,
    limit,
    async () => {
      for (const [name, request] of Object.entries(requests)) {
        for (const place of ['header', 'query'] as const) {
          const { status, text } = await request(token, place)
          const expected = { 'unknown path': 404, 'wrong method': 405 }[name] ?? 401
          assert.equal(status, expected, `${name} ${text}`)
          assertNoPart(text, `${name}, ${place}`)
        }
      }
      for (const { status, text } of await handshakes(token)) {
        assert.ok([401, 429, 4003, 4500].includes(status), `${status} ${text}`)
        assertNoPart(text, 'a handshake')
      }
    },
  )
}

test(
  'frames that bring a token wrongly are answered without it (PROTOCOL 3.11, 3.9, 4.5)',
  limit,
  async (t) => {
    const socket = new WebSocket(node.ws, ['tidegate.v1.json', `bearer.${good}`])
    t.after(() => socket.terminate())
    const answers: string[] = []
    socket.on('message', (bytes: Buffer) => answers.push(bytes.toString()))
    await once(socket, 'message')
    const frames = [
      ...Object.values(bad).map((token) => `{"type":"refresh","id":1,"token":"${token}"}`),
      `{"type":"refresh","id":1,"token":"${good}"}`,
      `{"type":"refresh","id":1,"token":["${good}"]}`,
      `{"type":"refresh","id":"${good}"}`,
      `{"type":"refresh","id":1,"token":"${good}"`,
      `{"type":"refresh","id":1,"token":${good}}`,
      `{"type":"refresh","token":"${good}"}`,
      `{"type":"authenticate","id":1,"token":"${good}"}`,
      good,
      `"${good}"`,
      `Bearer ${good}`,
    ]
    for (const [count, frame] of frames.entries()) {
      socket.send(frame)
      if (answers.length < count + 2) await once(socket, 'message')
    }
    assert.equal(answers.length, frames.length + 1)
    for (const answer of answers) assertNoPart(answer, 'a frame')
  },
)

test(
  'two tokens in one request are refused without repeating them (PROTOCOL 3.1, 3.11)',
  limit,
  async () => {
    const headers = { Authorization: `Bearer ${bad['forged']}` }
    const { status, text } = await ask('events?channels=news', { headers }, good, 'query')
    assert.equal(status, 400)
    assertNoPart(text, 'two tokens')
  },
)

test(
  'after all of them, log and metrics hold no part of a token (PROTOCOL 3.11)',
  limit,
  async () => {
    const metrics = await node.metricsText()
    assert.match(metrics, /^tidegate_refusals_total\{code="token_invalid"\} \d\d/m)
    assertNoPart(metrics, 'the metrics')
    assert.equal(await node.end(), 0)
    const { stdout, stderr } = node.spawned
    assert.match(stdout, /"event":"stopped"/)
    assertNoPart(stdout, 'the log')
    assert.equal(stderr, '')
  },
)
